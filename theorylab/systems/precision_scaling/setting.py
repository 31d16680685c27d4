"""What theory and simulation of the solvable model share: its data, and the recorded times."""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

FIRST = 1e-2
"""First recorded time, relative to the last."""
SUMMED = 64
"""Modes up to which the power beyond the model is summed one by one; Euler and Maclaurin's formula beyond."""


class Modes(NamedTuple):
    """Variances lambda_k and targets w*_k of the model's modes; docs/precision_scaling.md eq. (1)."""

    values: Float[Array, "modes"]
    targets: Float[Array, "modes"]


def modes(count: int, capacity: ArrayLike, source: ArrayLike) -> Modes:
    """lambda_k = k^-capacity and lambda_k w*_k^2 = k^-source for k = 1..count."""
    log_index = jnp.log(jnp.arange(1, count + 1, dtype=jnp.result_type(capacity)))
    a, b = jnp.asarray(capacity), jnp.asarray(source)
    return Modes(jnp.exp(-a * log_index), jnp.exp((a - b) / 2 * log_index))


def unresolved(count: int, source: ArrayLike) -> Float[Array, ""]:
    """Power sum_{k > count} k^-source of the modes that the model does not have."""
    b = jnp.asarray(source)
    start = max(count, SUMMED) + 1
    near = jnp.sum(jnp.arange(count + 1.0, start, dtype=b.dtype) ** -b)
    m = jnp.asarray(start, b.dtype)
    # the next term is below 1e-13 of the sum at m = 65
    far = m ** (1 - b) / (b - 1) + m**-b / 2 + b * m ** (-b - 1) / 12 - b * (b + 1) * (b + 2) * m ** (-b - 3) / 720
    return near + far


@functools.lru_cache(maxsize=64)
def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "records"]:
    """`records` steps, or fewer where they would coincide, spread evenly in the logarithm over two decades up to
    `steps`."""
    return np.unique(np.round(np.geomspace(max(1.0, FIRST * steps), steps, records)).astype(int))
