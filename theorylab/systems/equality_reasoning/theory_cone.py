"""Closed forms of the rich limit: the cone, its best opening under noise, and the observers it is measured by.

Equation numbers are those of docs/equality_reasoning.md. `noise` is the standard deviation sigma.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc, gammainc, gammaln, logsumexp
from jax.scipy.stats import norm
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require


def paper_accuracy(symbols: ArrayLike) -> Float[Array, "..."]:
    """The paper's heuristic for the rich limit at L >= 2 training symbols, eq. (16); 3/4 at L = 2, where the cone is
    symmetric. Raises: `Refused` below 2."""
    require(np.asarray(symbols) >= 2, f"same and different need at least 2 symbols, got {symbols}")
    count = jnp.asarray(symbols, float)
    rule = norm.cdf(jnp.sqrt(2 * (count**2 - count) / (13 * (jnp.pi - 2))))
    return jnp.where(count == 2, 0.75, 0.5 * (1 + rule))


def f_cdf(x: ArrayLike, degrees: ArrayLike) -> Float[Array, "..."]:
    """Distribution function of Fisher's F with equal degrees of freedom."""
    x, half = jnp.asarray(x), jnp.asarray(degrees) / 2.0
    return betainc(half, half, x / (1 + x))


def cone_accuracy(
    ratio: ArrayLike, degrees: ArrayLike, noise: ArrayLike = 0.0
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Probability of being right on same and on different pairs for f ~ |z + z'| - ratio |z - z'| in so many
    dimensions, eq. (14)."""
    square, variance = jnp.square(ratio), jnp.square(noise)
    return 1 - f_cdf(square * variance / (2 + variance), degrees), f_cdf(square, degrees)


def best_ratio(noise: ArrayLike) -> Float[Array, "..."]:
    """Cone ratio (1 + 2 / sigma^2)^(1/4) of largest accuracy, eq. (15); infinite without noise."""
    return (1 + 2 / jnp.square(noise)) ** 0.25


def best_accuracy(noise: ArrayLike, dimension: ArrayLike) -> Float[Array, "..."]:
    """Largest accuracy that a cone reaches, F_{d,d}(sqrt(1 + 2 / sigma^2)), eq. (15)."""
    return f_cdf(jnp.sqrt(1 + 2 / jnp.square(noise)), dimension)


def bayes_generalizing(noise: ArrayLike, dimension: ArrayLike, nodes: int = 801) -> Float[Array, "..."]:
    """Accuracy of the observer who knows the law of symbols and of the noise, and no symbol, eq. (17).

    The difference's chi-square is summed over on a trapezoid grid in its logarithm, the sum's is a distribution
    function. `noise` > 0.
    """
    variance, d = jnp.square(jnp.asarray(noise))[..., None], jnp.asarray(dimension, float)[..., None]
    spread = 12.0 / jnp.sqrt(d)
    log = jnp.log(d) + jnp.linspace(-2.0, 1.0, nodes) * spread
    weight = jnp.exp(0.5 * d * log - 0.5 * jnp.exp(log) - gammaln(d / 2) - 0.5 * d * jnp.log(2.0))
    weight = weight / jnp.sum(weight, axis=-1, keepdims=True)
    sum_same, gap_same, wide = 4 + 2 * variance, 2 * variance, 2 + 2 * variance
    gain, loss = 0.5 * (1 / wide - 1 / sum_same), 0.5 * (1 / gap_same - 1 / wide)
    offset = 0.5 * d * jnp.log(sum_same * gap_same / wide**2)

    def above(sum_variance: Array, gap_variance: Array) -> Array:
        threshold = (loss * gap_variance * jnp.exp(log) + offset) / (gain * sum_variance)
        return jnp.sum(weight * (1 - gammainc(d / 2, jnp.maximum(threshold, 0.0) / 2)), axis=-1)

    return 0.5 * (above(sum_same, gap_same) + 1 - above(wide, wide))


def memorizing_evidence(
    slots: Float[Array, "slot=2 pairs dimension"], symbols: Float[Array, "symbol dimension"], noise: ArrayLike
) -> Float[Array, "pairs"]:
    """Log-likelihood ratio, same against different, of the observer who believes that there are no other symbols
    than these, eq. (18). `noise` > 0."""
    count, dimension = symbols.shape
    power = 0.5 * dimension / jnp.square(noise)
    first, second = (-power * jnp.sum((x[:, None] - symbols) ** 2, axis=-1) for x in slots)
    both = first[:, :, None] + second[:, None, :]
    masked = jnp.where(jnp.eye(count, dtype=bool), -jnp.inf, both)
    same = logsumexp(first + second, axis=1) - jnp.log(count)
    return same - logsumexp(masked, axis=(1, 2)) + jnp.log(count * (count - 1))
