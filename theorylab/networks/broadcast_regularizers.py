"""Costs of a layer's activations that are local to it: power, entropy, sparsity; docs/error_broadcast.md eqs. (7)-(9).

Weight decay is optax's (`optax.add_decayed_weights`).
"""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.core.elimination import solved
from theorylab.core.errors import require


class AbstractRegularizer(eqx.Module):
    """A cost of activations, an example a row, with a memory between batches."""

    @abc.abstractmethod
    def init(self, h: Float[Array, "batch units"]) -> Any:
        """The memory to begin with."""

    @abc.abstractmethod
    def cost(self, h: Float[Array, "batch units"], memory: Any) -> tuple[Float[Array, ""], Any]:
        """A number whose gradient by h is what to descend, and the new memory."""


class Power(AbstractRegularizer):
    """Keeps every unit's mean square at `level`: the cost is rate/4 sum_i (mean h_i^2 - level)^2.

    Raises: `Refused` for a negative level.
    """

    rate: Any = 0.02
    level: Any = 0.1

    def __check_init__(self) -> None:
        require(self.level >= 0, f"the power's level is a mean square and must not be negative, got {self.level}")

    def init(self, h: Float[Array, "batch units"]) -> None:
        return None

    def cost(self, h: Float[Array, "batch units"], memory: None) -> tuple[Float[Array, ""], None]:
        return self.rate / 4 * jnp.sum((jnp.mean(h * h, 0) - self.level) ** 2), None


class Sparsity(AbstractRegularizer):
    """rate times the mean over the batch of sum_i |h_i|."""

    rate: Any = 1e-4

    def init(self, h: Float[Array, "batch units"]) -> None:
        return None

    def cost(self, h: Float[Array, "batch units"], memory: None) -> tuple[Float[Array, ""], None]:
        return self.rate * jnp.sum(jnp.abs(h)) / h.shape[0], None


class Entropy(AbstractRegularizer):
    """Raises log det(C + floor I) / 2 of the running second moments C of a layer (no mean is subtracted).

    The direction is that of a batch's own part, (C + floor I)^-1 h, without the factor 1 - lambda_E. Costs one
    elimination (units^3) a step.

    Raises: `Refused` for a floor that is not positive and forgetting outside [0, 1).
    """

    rate: Any
    renewal: Any
    """1 - lambda_E."""
    floor: Any
    """Regularisation of the determinant."""

    def __init__(self, rate: Any = 1e-4, forgetting: Any = 0.99, floor: Any = 0.1):
        """Arguments: forgetting: lambda_E, in [0, 1)."""
        self.rate, self.renewal, self.floor = rate, 1 - forgetting, floor

    def __check_init__(self) -> None:
        require(self.floor > 0, f"the entropy's floor must be positive, got {self.floor}: dead units have no variance")
        require(
            (self.renewal > 0) & (self.renewal <= 1),
            f"the entropy's forgetting must be in [0, 1), got {1 - self.renewal}",
        )

    def init(self, h: Float[Array, "batch units"]) -> Float[Array, "units units"]:
        return jnp.eye(h.shape[1], dtype=h.dtype) * self.floor

    def cost(
        self, h: Float[Array, "batch units"], memory: Float[Array, "units units"]
    ) -> tuple[Float[Array, ""], Float[Array, "units units"]]:
        still = jax.lax.stop_gradient(h)
        new = memory + self.renewal * (still.T @ still / h.shape[0] - memory)
        direction = solved(new + self.floor * jnp.eye(h.shape[1], dtype=h.dtype), still.T).T
        return -self.rate * jnp.sum(h * direction) / h.shape[0], new
