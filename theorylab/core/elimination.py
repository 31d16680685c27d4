"""Positive definite systems in plain array operations.

LAPACK inside vmapped programs was seen to wait for itself for ever on CPU (jax 0.10, two cores): where many small
systems are solved at once, this takes its place.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def solved(matrix: Float[Array, "n n"], right: Float[Array, "n *columns"]) -> Float[Array, "n *columns"]:
    """matrix^-1 right of a positive definite matrix, by Gauss-Jordan elimination, which needs no pivots there."""
    count = matrix.shape[0]
    rows = jnp.arange(count)
    flat = right.reshape(count, -1)

    def eliminate(k: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, right = state
        share = jnp.where(rows == k, 0.0, left[:, k] / left[k, k])[:, None]
        return left - share * left[k], right - share * right[k]

    left, flat = jax.lax.fori_loop(0, count, eliminate, (matrix, flat))
    return (flat / jnp.diagonal(left)[:, None]).reshape(right.shape)
