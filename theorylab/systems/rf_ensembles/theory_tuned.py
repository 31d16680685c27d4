"""The best ridge: the risk is explicit in the renormalised ridge, so its minimum needs no root; eq. (9)."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers.resolvent import Modes, ridge_moments, ridgeless_kappa

GRID = 60
"""Coarse grid in log kappa; 3000 points find the same minima to 2e-14 on 150 random problems."""
GOLDEN_STEPS = 70
"""Golden-section steps in the grid's best cell: 1e-14 of its width."""
INSIDE = 1e-9
"""Relative distance of the grid's first point from kappa at ridge 0."""
RATIO = (math.sqrt(5) - 1) / 2


class Tuned(NamedTuple):
    """Smallest risk over the ridge, and where: the ridge (0 for the limit from above) and its renormalised value."""

    risk: Float[Array, ""]
    ridge: Float[Array, ""]
    kappa: Float[Array, ""]


def tuned(modes: Modes, samples: ArrayLike, width: ArrayLike, members: ArrayLike, noise: ArrayLike) -> Tuned:
    """Smallest excess risk over the ridge; docs/rf_ensembles.md eq. (9).

    A coarse grid, then golden section in the cell of its smallest value: the risk may have several local minima.
    The minimum is flat: the risk is exact to round-off, the ridge to about 1e-7. First derivatives of the risk
    are exact where the best ridge is not 0 (the envelope theorem); the ridge is not differentiated.

    Arguments:
      samples, width, members: P, N, K, shape (); `inf` allowed.
      noise: label-noise standard deviation.
    """
    samples, width = jnp.asarray(samples, float), jnp.asarray(width, float)
    variance = jnp.asarray(noise) ** 2

    def risk_of(m: Modes, kappa: Array, sizes: tuple[Array, Array], extra: Array) -> Array:
        found = ridge_moments(m, kappa, *sizes, extra)
        return found.across + (found.same - found.across) / members - extra

    fixed, sizes, extra = jax.lax.stop_gradient((modes, (samples, width), variance))

    def risk(log_kappa: Array) -> Array:
        value = risk_of(fixed, jnp.exp(log_kappa), sizes, extra)
        return jnp.where(jnp.isnan(value) | (value < -extra), jnp.inf, value)

    least = ridgeless_kappa(fixed, *sizes)
    lowest = jnp.where(least > 0, jnp.log(least) + INSIDE, jnp.log(jnp.min(fixed.values)) - 10.0)
    grid = lowest + (jnp.log(10 * fixed.trace()) - lowest) * jnp.linspace(0.0, 1.0, GRID)
    best = jnp.argmin(jax.vmap(risk)(grid))
    low, high = grid[jnp.maximum(best - 1, 0)], grid[jnp.minimum(best + 1, GRID - 1)]
    left, right = high - RATIO * (high - low), low + RATIO * (high - low)

    def narrow(_: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        low, high, left, right, at_left, at_right = state
        keep_left = at_left < at_right
        low, high = jnp.where(keep_left, low, left), jnp.where(keep_left, right, high)
        inner = jnp.where(keep_left, high - RATIO * (high - low), low + RATIO * (high - low))
        value = risk(inner)
        return (
            low,
            high,
            jnp.where(keep_left, inner, right),
            jnp.where(keep_left, left, inner),
            jnp.where(keep_left, value, at_right),
            jnp.where(keep_left, at_left, value),
        )

    state = jax.lax.fori_loop(0, GOLDEN_STEPS, narrow, (low, high, left, right, risk(left), risk(right)))
    # the section may end beside a minimum at the grid's own end: ridge 0
    ends = jnp.stack([(state[0] + state[1]) / 2, grid[0]])
    at = ends[jnp.argmin(jax.vmap(risk)(ends))]
    kappa = jnp.exp(at)
    freedom = fixed.freedom(kappa)
    ridge = kappa * (1 - freedom / sizes[0]) * (1 - freedom / sizes[1])
    ridge = jnp.where(at - lowest < 1e-6, 0.0, jnp.maximum(ridge, 0.0))
    return Tuned(risk_of(modes, kappa, (samples, width), variance), ridge, kappa)
