"""Causal two-time algebra: correlation and response functions of linear mean-field theories on a grid of T steps.

Every object is a matrix X(t, s) over steps t (row) and s (column). Responses are causal (zero for s > t); correlations
are symmetric. A theory is marched: row t of every matrix follows from earlier rows, and rows not yet reached are zero,
so that products with whole matrices need no mask. Correlations are written a row and a column at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, DTypeLike, Float, Int

Row = Float[Array, "time"]
Matrix = Float[Array, "time time"]
Step = Int[Array, ""] | int


def before(steps: int, t: Step) -> Bool[Array, "time"]:
    """True at the columns s < t: what a strictly causal kernel may see."""
    return jnp.arange(steps) < t


def until(steps: int, t: Step) -> Bool[Array, "time"]:
    """True at the columns s <= t."""
    return jnp.arange(steps) <= t


def unit_row(steps: int, t: Step, dtype: DTypeLike | None = None) -> Row:
    """Row t of the identity."""
    return (jnp.arange(steps) == t).astype(dtype or float)


def empty(steps: int, dtype: DTypeLike | None = None) -> Matrix:
    """A matrix none of whose rows has been reached."""
    return jnp.zeros((steps, steps), dtype or float)


def write_row(matrix: Float[Array, "*batch time time"], row: Float[Array, "*batch time"], t: Step) -> Array:
    """`matrix` with `row` as its row t; leading axes (modes, layers) are written together."""
    start = (0,) * (matrix.ndim - 2) + (t, 0)
    return lax.dynamic_update_slice(matrix, row[..., None, :], start)


def write_symmetric(matrix: Matrix, row: Row, t: Step) -> Matrix:
    """`matrix` with the entries s <= t of `row` as its row t and its column t; later entries stay zero."""
    seen = jnp.where(until(matrix.shape[-1], t), row, 0)
    matrix = lax.dynamic_update_slice(matrix, seen[None, :], (t, 0))
    return lax.dynamic_update_slice(matrix, seen[:, None], (0, t))


def sandwich_row(row: Row, correlation: Matrix, filter: Matrix) -> Row:
    """Row t of F C F^T, given `row` = row t of the causal filter F (already written into `filter`)."""
    return filter @ (row @ correlation)


def causal(matrix: Matrix, weights: Row | float = 1.0) -> Matrix:
    """X(t, s) w(s) for s < t, zero elsewhere: memory of earlier steps, each with its own weight (a learning rate)."""
    return jnp.tril(matrix, -1) * weights


class Loop(NamedTuple):
    """A pair of causal fields that feed each other, h = xi + A g and g = zeta + B h, row by row.

    Rows t of `forth` (A) may reach its diagonal, rows t of `back` (B) may not. With M = (1 - A B)^-1 and
    M' = (1 - B A)^-1: h = M (xi + A zeta) and g = M' (zeta + B xi).

    Arguments:
      forth, back: A and B.
      gain: M, response of h to its own source xi.
      gain_back: M', response of g to its own source zeta.
      response: M A, response of h to zeta.
      response_back: M' B, response of g to xi.
    """

    forth: Matrix
    back: Matrix
    gain: Matrix
    gain_back: Matrix
    response: Matrix
    response_back: Matrix

    @classmethod
    def start(cls, steps: int, dtype: DTypeLike | None = None) -> Loop:
        """No row reached."""
        return cls(*(empty(steps, dtype) for _ in range(6)))


def loop_back_rows(loop: Loop, back_row: Row, t: Step) -> tuple[Row, Row]:
    """Rows t of M' B and of M', from row t of B and the rows before t of A and M."""
    response_back = back_row @ loop.gain
    return response_back, unit_row(back_row.shape[0], t, back_row.dtype) + response_back @ loop.forth


def loop_forth_row(loop: Loop, forth_row: Row, t: Step) -> Row:
    """Row t of M, from row t of A, rows up to t of B and the rows before t of M.

    B has no diagonal, so that the diagonal of A never meets row t of M itself.
    """
    return unit_row(forth_row.shape[0], t, forth_row.dtype) + (forth_row @ loop.back) @ loop.gain
