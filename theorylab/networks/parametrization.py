"""Scalings of network weights, outputs and learning rates with width: standard, NTK, mean field (muP).

A layer computes `multiplier * W x` with entries of W drawn with standard deviation `std`. Every function is a pure
function of sizes and couplings and may be traced. The readout of a mean-field network carries 1 / (richness N); its
raw learning rate grows like richness^2 N, so that predictions move at a rate of order one whatever the width.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class Scaling(NamedTuple):
    """How one layer is scaled.

    Arguments:
      std: standard deviation of the initial entries.
      multiplier: what the product with the weights is multiplied by.
    """

    std: Float[Array, "..."]
    multiplier: Float[Array, "..."]


def standard(fan_in: ArrayLike) -> Scaling:
    """Entries of variance 1 / fan_in, no multiplier: what deep-learning libraries initialise with."""
    return Scaling(1 / jnp.sqrt(fan_in), jnp.ones_like(jnp.asarray(fan_in, float)))


def ntk(fan_in: ArrayLike) -> Scaling:
    """Entries of variance 1, multiplier fan_in^-1/2: the neural-tangent-kernel scaling (arXiv 1806.07572)."""
    return Scaling(jnp.ones_like(jnp.asarray(fan_in, float)), 1 / jnp.sqrt(fan_in))


def mean_field_readout(width: ArrayLike, richness: ArrayLike = 1.0) -> Scaling:
    """Entries of variance 1, multiplier 1 / (richness width): the mean-field (muP) readout (arXiv 2011.14522)."""
    multiplier = 1 / jnp.asarray(richness * jnp.asarray(width, float))
    return Scaling(jnp.ones_like(multiplier), multiplier)


def mean_field_rate(rate: ArrayLike, width: ArrayLike, richness: ArrayLike = 1.0) -> Float[Array, "..."]:
    """Raw learning rate rate * richness^2 * width of every weight beside `mean_field_readout`."""
    return jnp.asarray(rate * jnp.square(richness) * width)


def ntk_richness(richness: ArrayLike, width: ArrayLike) -> Float[Array, "..."]:
    """Richness width^-1/2 at which a mean-field readout 1 / (richness width) is an NTK readout: features move less
    the wider the network. `width` in whatever unit makes `richness` of order one."""
    return jnp.asarray(richness / jnp.sqrt(width))
