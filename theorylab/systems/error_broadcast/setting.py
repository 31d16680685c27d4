"""What theory and simulation both know of a setting: its recorded steps, its covariances, the drawn instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

if TYPE_CHECKING:
    from theorylab.systems.error_broadcast import ErrorBroadcast


class Drawn(NamedTuple):
    """A linear problem and where learning begins: y = target x + noise, output = second first x.

    Arguments:
      target: A, shape (p, n).
      first, second: W1 (H, n), W2 (p, H) at the start.
      feedback: R (H, p) at the start.
    """

    target: Float[Array, "p n"]
    first: Float[Array, "H n"]
    second: Float[Array, "p H"]
    feedback: Float[Array, "H p"]


def draw(key: Key[Array, ""], dimension: int, outputs: int, width: int, feedback: Any, dtype: Any) -> Drawn:
    """Entries of variance 1/n in A and W1, 0.01/H in W2, feedback^2 in R."""
    keys = jax.random.split(key, 4)
    shapes = ((outputs, dimension), (width, dimension), (outputs, width), (width, outputs))
    scales = (dimension**-0.5, dimension**-0.5, 0.1 * width**-0.5, feedback)
    entries = (jax.random.normal(k, shape, dtype) * s for k, shape, s in zip(keys, shapes, scales, strict=True))
    return Drawn(*entries)


def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "record"]:
    """`records` + 1 evenly spaced integer steps from 0 to `steps`."""
    return np.unique(np.rint(np.linspace(0, steps, records + 1)).astype(int))


def variances(size: int, capacity: Any) -> Float[Array, "size"]:
    """Eigenvalues i^-capacity, i = 1..size."""
    return jnp.arange(1.0, size + 1) ** -capacity


def memory_share(system: ErrorBroadcast) -> Any:
    """1 - lambda = rate / memory."""
    return system.rate / system.memory
