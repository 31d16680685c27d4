"""The read-in and read-out vectors that training starts from, in the plane that they span."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theorylab.core import Size

if TYPE_CHECKING:
    from theorylab.systems.rnn_integrator import RNNIntegrator


class Vectors(NamedTuple):
    """Coordinates of u0 and v0 in an orthonormal basis of their span; d = 1 where parallel, else 2."""

    readin: Float[Array, "d"]
    readout: Float[Array, "d"]


def draw_vectors(key: Key[Array, ""], width: Size, dtype: jnp.dtype) -> Vectors:
    """u0 and v0 with independent entries N(0, 1 / width), in the basis u0 / |u0| and its complement.

    Only their Gram matrix matters (docs/rnn_integrator.md eq. (8)); at infinite width they are orthonormal.
    """
    if math.isinf(width):
        return Vectors(jnp.array([1.0, 0.0], dtype), jnp.array([0.0, 1.0], dtype))
    u, v = jax.random.normal(key, (2, int(width)), dtype) / jnp.sqrt(jnp.asarray(width, dtype))
    length = jnp.linalg.norm(u)
    along = jnp.dot(u, v) / length
    across = jnp.linalg.norm(v - along * u / length)
    zero = jnp.zeros((), dtype)
    return Vectors(jnp.stack([length, zero]), jnp.stack([along, across]))


def initial_vectors(system: RNNIntegrator, instance: Vectors | None) -> Vectors:
    """The starting vectors of a setting, in its couplings' precision."""
    scale = jnp.asarray(system.scale)
    if system.start == "aligned":
        return Vectors(scale[None], scale[None])
    if system.start == "given":
        zero = jnp.zeros_like(scale)
        along, across = jnp.asarray(system.along), jnp.asarray(system.across)
        return Vectors(jnp.stack([scale, zero]), jnp.stack([along, across]))
    if instance is None:
        raise TypeError("start='random' needs the drawn instance")
    return Vectors(scale * instance.readin, scale * instance.readout)
