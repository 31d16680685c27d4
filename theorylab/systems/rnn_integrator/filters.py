"""The task: the filter to be learned, the loss weights of its lags, and the steps at which both sides look."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import require

Weights = Literal["terminal", "average", "discount"]


def pole(timescale: Float[ArrayLike, ""]) -> Float[Array, ""]:
    """The target's pole a = exp(-1 / timescale); 1 for an infinite timescale (a perfect integrator)."""
    return jnp.exp(-1.0 / jnp.asarray(timescale))


def target_filter(
    timescale: Float[ArrayLike, ""],
    frequency: Float[ArrayLike, ""],
    phase: Float[ArrayLike, ""],
    lags: Float[Array, "lag"],
) -> Float[Array, "lag"]:
    """Target impulse response exp(-t / timescale) cos(frequency t + phase) at the given lags.

    docs/rnn_integrator.md eq. (3) in discrete time (lags 0, 1, ...), eq. (28) in continuous time.
    """
    return jnp.exp(-lags / timescale) * jnp.cos(frequency * lags + phase)


def loss_weights(
    kind: Weights, discount: Float[ArrayLike, ""], lags: Float[Array, "lag"], horizon: float
) -> Float[Array, "lag"]:
    """Weight of each lag in the loss; docs/rnn_integrator.md eq. (5).

    "terminal": 1 (only the output at the end of the sequence counts); "average": 1 - lag / horizon (the error
    averaged over the sequence); "discount": discount ** lag. Raises: `Refused` for another kind.
    """
    require(kind in ("terminal", "average", "discount"), f"weights must be terminal, average or discount, got {kind!r}")
    if kind == "average":
        return 1.0 - lags / horizon
    if kind == "discount":
        return jnp.asarray(discount, lags.dtype) ** lags
    return jnp.ones_like(lags)


def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "record"]:
    """The steps that are recorded: about `records` equal intervals, from 0 to `steps`; the same on both sides."""
    return np.unique(np.rint(np.linspace(0, steps, min(records, steps) + 1)).astype(np.int64))


def quadrature(count: int, spacing: float) -> Float[np.ndarray, "lag"]:
    """Gregory's weights for the integral over `count` equally spaced lags, exact for cubics.

    Raises: `Refused` for fewer than 6 lags.
    """
    require(count >= 6, f"a quadrature over lags needs at least 6 of them, got {count}; raise the horizon")
    weights = np.ones(count)
    ends = np.array([3 / 8, 7 / 6, 23 / 24])
    weights[:3] = ends
    weights[-3:] = ends[::-1]
    return weights * spacing
