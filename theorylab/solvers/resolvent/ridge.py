"""Ridge regression on random features: real renormalised ridge and moments of the error.

The static limit of `feature_transforms` (both frequencies equal to the ridge); docs/sgd_resolvent.md eq. (15).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers.resolvent.modes import Modes

BISECTIONS = 100
"""Halvings of the bracket in log kappa."""


def _log_bisection(function, low: Array, high: Array) -> Float[Array, ""]:
    """Root of an increasing function of kappa between `low` and `high`, by halving in log kappa."""

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        a, b = bracket
        middle = (a + b) / 2
        above = function(jnp.exp(middle)) > 0
        return jnp.where(above, a, middle), jnp.where(above, middle, b)

    a, b = jax.lax.fori_loop(0, BISECTIONS, halve, (jnp.log(low), jnp.log(high)))
    return jnp.exp((a + b) / 2)


def ridgeless_kappa(modes: Modes, samples: ArrayLike, width: ArrayLike) -> Float[Array, ""]:
    """kappa at ridge 0+: the solution of df1(kappa) = min(P, N), or 0 where that exceeds the dimension.

    First derivatives by the implicit function theorem.
    """
    rank = jnp.minimum(jnp.asarray(samples, float), jnp.asarray(width, float))
    count = modes.count()
    binding = rank < count
    safe = jnp.where(binding, rank, count / 2)
    fixed, fixed_rank = jax.lax.stop_gradient((modes, safe))
    # lambda_min (D - t) / t <= kappa <= tr Sigma / t
    low = jnp.min(fixed.values) * (fixed.count() - fixed_rank) / fixed_rank
    root = _log_bisection(lambda k: fixed_rank - fixed.freedom(k), 0.5 * low, 2 * fixed.trace() / fixed_rank)
    for _ in range(2):
        root = jax.lax.stop_gradient(root)
        slope = -jnp.sum(modes.multiplicity * modes.values / (modes.values + root) ** 2)
        root = root - (modes.freedom(root) - safe) / jax.lax.stop_gradient(slope)
    return jnp.where(binding, root, 0.0)


def renormalised_ridge(modes: Modes, ridge: ArrayLike, samples: ArrayLike, width: ArrayLike) -> Float[Array, ""]:
    """kappa > 0 with ridge = kappa (1 - df1/P)(1 - df1/N), the branch with df1 < min(P, N).

    `ridge` 0 means its limit from above. First derivatives by the implicit function theorem; double
    precision is needed near df1 = min(P, N).
    """
    inverse_samples, inverse_width = 1.0 / jnp.asarray(samples, float), 1.0 / jnp.asarray(width, float)
    ridge = jnp.asarray(ridge, float)
    least = ridgeless_kappa(modes, samples, width)

    def balance(m: Modes, k: Array, rates: tuple[Array, Array]) -> Array:
        freedom = m.freedom(k)
        return k * (1 - freedom * rates[0]) * (1 - freedom * rates[1])

    rates = (inverse_samples, inverse_width)
    fixed, fixed_ridge, fixed_rates, floor = jax.lax.stop_gradient((modes, ridge, rates, least))
    safe = jnp.where(fixed_ridge > 0, fixed_ridge, 1.0)
    low = jnp.maximum(safe, floor)
    high = safe + fixed.trace() * (fixed_rates[0] + fixed_rates[1])
    root = _log_bisection(lambda k: balance(fixed, k, fixed_rates) - safe, low, jnp.maximum(high, low))
    for _ in range(2):
        root = jax.lax.stop_gradient(root)
        freedom = modes.freedom(root)
        squares = jnp.sum(modes.multiplicity * modes.values / (modes.values + root) ** 2)
        data, features = 1 - freedom * inverse_samples, 1 - freedom * inverse_width
        slope = data * features + root * squares * (inverse_samples * features + inverse_width * data)
        shift = (balance(modes, root, rates) - jnp.where(ridge > 0, ridge, safe)) / jax.lax.stop_gradient(slope)
        root = root - shift
    return jnp.where(ridge > 0, root, least)


class RidgeMoments(NamedTuple):
    """Second moments of the prediction error, label noise included (not divided by 2).

    Arguments:
      same: of one predictor.
      across: between two predictors on the same data with independent features.
      bias: kappa^2 sum lambda w^2 / (lambda + kappa)^2.
      freedom: df1(kappa).
    """

    same: Float[Array, ""]
    across: Float[Array, ""]
    bias: Float[Array, ""]
    freedom: Float[Array, ""]


def ridge_moments(
    modes: Modes, kappa: Float[ArrayLike, ""], samples: ArrayLike, width: ArrayLike, noise_variance: ArrayLike
) -> RidgeMoments:
    """Error moments at the renormalised ridge `kappa`; docs/sgd_resolvent.md eq. (15)."""
    inverse_samples, inverse_width = 1.0 / jnp.asarray(samples, float), 1.0 / jnp.asarray(width, float)
    kappa, noise_variance = jnp.asarray(kappa, float), jnp.asarray(noise_variance)
    m, values, power = modes.multiplicity, modes.values, modes.power
    g = 1 / (values + kappa)
    d2 = jnp.sum(m * (values * g) ** 2)
    s1 = kappa * jnp.sum(m * values * g**2)
    bias = kappa**2 * jnp.sum(m * power * g**2)
    learned = kappa * jnp.sum(m * values * power * g**2)
    loop = inverse_width / (1 - d2 * inverse_width)
    across = (noise_variance + bias) / (1 - d2 * inverse_samples)
    same = (noise_variance + bias + s1 * learned * loop) / (1 - (d2 + s1**2 * loop) * inverse_samples)
    return RidgeMoments(same, across, bias, jnp.sum(m * values * g))
