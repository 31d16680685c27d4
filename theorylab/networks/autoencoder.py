"""A two-layer denoising auto-encoder with tied weights and a skip connection, one scalar skip a time of a grid.

f_t(x) = b_t x + (g_t / sqrt(d)) W^T phi(k_t W x / sqrt(d) + theta); docs/flow_autoencoder.md eq. (3).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "erf": lambda x: jax.scipy.special.erf(x / math.sqrt(2.0)),
    "identity": lambda x: x,
}
"""What the hidden units may apply."""


class TiedAutoencoder(nn.Module):
    """The network; its parameters are `weight` (units, dimension), `bias` (units,) and `skip` (times,).

    Arguments:
      units: hidden units r.
      times: skip scalars, one a time.
      activation: a name in `ACTIVATIONS`.
    """

    units: int
    times: int
    activation: str = "tanh"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "*batch dimension"],
        time: Int[Array, "*batch"],
        gain: Float[Array, "*batch"],
        inner: Float[Array, "*batch"],
    ) -> Float[Array, "*batch dimension"]:
        """Denoised inputs. `time` is the index of the skip scalar, `gain` g_t and `inner` k_t the known gains."""
        skip = self.param("skip", nn.initializers.zeros_init(), (self.times,), x.dtype)
        return skip[time][..., None] * x + self.branch(x, gain, inner)

    @nn.compact
    def branch(
        self, x: Float[Array, "*batch dimension"], gain: Float[Array, "*batch"], inner: Float[Array, "*batch"]
    ) -> Float[Array, "*batch dimension"]:
        """The nonlinear branch alone, without the skip."""
        dimension = x.shape[-1]
        weight = self.param("weight", nn.initializers.normal(1.0), (self.units, dimension), x.dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.units,), x.dtype)
        root = math.sqrt(dimension)
        hidden = ACTIVATIONS[self.activation](inner[..., None] * (x @ weight.T) / root + bias)
        return gain[..., None] * (hidden @ weight) / root


def parameters(
    weight: Float[Array, "units dimension"], bias: Float[Array, "units"], skip: Float[Array, "times"]
) -> dict[str, Any]:
    """Variables of a `TiedAutoencoder` with the given parameters."""
    return {"params": {"weight": weight, "bias": bias, "skip": skip}}
