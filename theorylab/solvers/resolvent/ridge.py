"""Ridge regression on random features: real renormalised ridge and moments of the error.

The static limit of `feature_transforms` (both frequencies equal to the ridge); docs/sgd_resolvent.md eq. (15).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers.resolvent.modes import Modes

BISECTIONS = 50
"""Halvings of the bracket in log kappa: 1e-13 relative on a bracket of 10^14; Newton's method does the rest."""


def _bisected(modes: Modes, ridge: Array, samples: Array, width: Array) -> Float[Array, ""]:
    """The renormalised ridge by halving in log kappa, for ridge 0+ too; 1 where that root is 0.

    A point lies above the root where df1 < min(P, N) and kappa (1 - df1/P)(1 - df1/N) > ridge.
    """
    rank, count = jnp.minimum(samples, width), modes.count()

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        kappa = jnp.exp(middle)
        freedom = modes.freedom(kappa)
        above = (freedom < rank) & (kappa * (1 - freedom / samples) * (1 - freedom / width) > ridge)
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # max(ridge, lambda_min (D - t) / t) <= kappa <= ridge + tr Sigma (1/P + 1/N), t = min(P, N)
    low = jnp.maximum(ridge, jnp.min(modes.values) * jnp.maximum(count - rank, 0.0) / rank)
    low = jnp.where(low > 0, low, 1.0)
    high = jnp.maximum(ridge + modes.trace() * (1 / samples + 1 / width), low)
    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, (jnp.log(low), jnp.log(high)))
    return jnp.exp((low + high) / 2)


def _ridgeless_polish(modes: Modes, root: Array, rank: Array) -> Float[Array, ""]:
    """Newton steps on df1(kappa) = min(P, N), or 0 where that exceeds the dimension; first derivatives are exact."""
    binding = rank < modes.count()
    safe = jnp.where(binding, rank, modes.count() / 2)
    for _ in range(2):
        root = jax.lax.stop_gradient(root)
        slope = -jnp.sum(modes.multiplicity * modes.values / (modes.values + root) ** 2)
        root = root - (modes.freedom(root) - safe) / jax.lax.stop_gradient(slope)
    return jnp.where(binding, root, 0.0)


def ridgeless_kappa(modes: Modes, samples: ArrayLike, width: ArrayLike) -> Float[Array, ""]:
    """kappa at ridge 0+: the solution of df1(kappa) = min(P, N), or 0 where that exceeds the dimension.

    First derivatives by the implicit function theorem.
    """
    samples, width = jnp.asarray(samples, float), jnp.asarray(width, float)
    root = _bisected(*jax.lax.stop_gradient((modes, jnp.zeros(()), samples, width)))
    return _ridgeless_polish(modes, root, jnp.minimum(samples, width))


def renormalised_ridge(modes: Modes, ridge: ArrayLike, samples: ArrayLike, width: ArrayLike) -> Float[Array, ""]:
    """kappa > 0 with ridge = kappa (1 - df1/P)(1 - df1/N), the branch with df1 < min(P, N).

    `ridge` 0 means its limit from above. First derivatives by the implicit function theorem; double
    precision is needed near df1 = min(P, N).
    """
    samples, width, ridge = (jnp.asarray(x, float) for x in (samples, width, ridge))
    start = root = _bisected(*jax.lax.stop_gradient((modes, ridge, samples, width)))
    positive = ridge > 0
    for _ in range(2):
        root = jax.lax.stop_gradient(root)
        freedom = modes.freedom(root)
        squares = jnp.sum(modes.multiplicity * modes.values / (modes.values + root) ** 2)
        data, features = 1 - freedom / samples, 1 - freedom / width
        slope = data * features + root * squares * (features / samples + data / width)
        slope = jax.lax.stop_gradient(jnp.where(positive, slope, 1.0))
        root = root - (root * data * features - ridge) / slope
    return jnp.where(positive, root, _ridgeless_polish(modes, start, jnp.minimum(samples, width)))


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
    # no ridge and as many features as modes: nothing is left for the features' noise to act on
    loop = jnp.where(s1 > 0, inverse_width / (1 - d2 * inverse_width), 0.0)
    across = (noise_variance + bias) / (1 - d2 * inverse_samples)
    same = (noise_variance + bias + s1 * learned * loop) / (1 - (d2 + s1**2 * loop) * inverse_samples)
    return RidgeMoments(same, across, bias, jnp.sum(m * values * g))
