"""Gaussian inputs of a given covariance, and groups of modes that stand for many."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Key

from theorylab.core import require
from theorylab.data.spectra import Spectrum


def inputs(
    key: Key[Array, ""], samples: int, scales: Float[Array, "modes"], dtype: DTypeLike
) -> Float[Array, "samples modes"]:
    """Independent rows x = scales * z, z standard normal: covariance diag(scales^2)."""
    return scales * jax.random.normal(key, (samples, scales.shape[0]), dtype)


def log_groups(dimension: int, groups: int) -> tuple[Float[np.ndarray, "groups"], Float[np.ndarray, "groups"]]:
    """Mode indices 1..dimension in at most `groups` logarithmic groups: representative index and multiplicity.

    A group of integers lo..hi-1 is represented by sqrt(lo (hi - 1)); low modes come out one by one.

    Raises: `Refused` for no modes or no groups.
    """
    require(dimension >= 1, f"dimension must be at least 1, got {dimension}")
    require(groups >= 1, f"groups must be at least 1, got {groups}")
    edges = np.unique(np.round(np.logspace(0, np.log10(dimension + 1), groups + 1)))
    low, high = edges[:-1], edges[1:]
    return np.sqrt(low * (high - 1)), high - low


def every_mode(dimension: int) -> tuple[Float[np.ndarray, "modes"], Float[np.ndarray, "modes"]]:
    """Mode indices 1..dimension, each by itself."""
    return np.arange(1, dimension + 1, dtype=float), np.ones(dimension)


def power_law(
    index: Float[np.ndarray, "modes"],
    count: Float[np.ndarray, "modes"],
    exponent: ArrayLike,
    task_exponent: ArrayLike,
    normalized: bool = True,
) -> Spectrum:
    """lambda_k = k^-a and lambda_k w*_k^2 = k^-(a b + 1) at the given (grouped) indices.

    Arguments:
      index, count: of `log_groups` or `every_mode`.
      exponent: a, decay of the eigenvalues.
      task_exponent: b, decay of the target: the lazy loss falls like time^-b.
      normalized: divide both so that sum lambda = 1 and sum lambda w*^2 = 1.
    """
    logs, number = jnp.log(index), jnp.asarray(count)
    values = jnp.exp(-jnp.asarray(exponent) * logs)
    power = jnp.exp(-(jnp.asarray(exponent) * task_exponent + 1) * logs)
    if normalized:
        values = values / jnp.sum(number * values)
        power = power / jnp.sum(number * power)
    return Spectrum(values, power, number)
