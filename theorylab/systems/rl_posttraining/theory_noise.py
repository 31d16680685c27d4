"""Finite batches: covariance of the logits to linear order, and the probability that a format wins.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.systems.rl_posttraining.setting import Number
from theorylab.systems.rl_posttraining.theory_flow import Geometry, direction, fitness, given, march
from theorylab.systems.rl_posttraining.theory_groups import Advantage, factor_of, step_covariance

OVERSHOOT = 0.5825971579390106
"""-zeta(1/2) / sqrt(2 pi): how far, in steps' standard deviations, a random walk passes a boundary on average."""
POINTS = 20_001


class Sampling(NamedTuple):
    """How rollouts of a step are drawn and scored.

    Arguments:
      advantage, group, sample_std, offset: see `theory_groups.factor_of`.
      batch: questions B of a step.
      rate: eta.
      kl: strength of the KL penalty.
      geometry: of the step.
    """

    advantage: Advantage
    group: int
    batch: int
    rate: Number
    kl: Number = 0.0
    geometry: Geometry = "euclid"
    sample_std: bool = False
    offset: Number = 0.0


def mean_step(theta: Array, reference: Array, a: Array, w: Array, how: Sampling) -> Float[Array, "format"]:
    """Mean of one step of the logits."""
    factor = factor_of(how.advantage, how.group, how.batch, sample_std=how.sample_std, offset=how.offset)
    return how.rate * direction(theta, fitness(theta, reference, a, w, factor, how.kl), how.geometry)


def step_noise(theta: Array, a: Array, w: Array, how: Sampling) -> Float[Array, "format format"]:
    """Covariance of one step of the logits, eq. (20)."""
    p = jax.nn.softmax(theta)
    spread = step_covariance(
        p, a, w, advantage=how.advantage, group=how.group, sample_std=how.sample_std, offset=how.offset
    )
    if how.geometry == "natural":
        spread = spread / p[:, None] / p[None, :]
    return how.rate**2 / how.batch * spread


def linear_noise(
    recorded: Int[ArrayLike, "record"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None,
    how: Sampling,
) -> tuple[Float[Array, "record format"], Float[Array, "record format format"]]:
    """Mean and covariance of the logits over runs, to first order in 1 / batch, eq. (24).

    Arguments:
      recorded: increasing steps, the first of which is 0.
      shares, accuracy, weights: as in `theory_flow.frozen`.
    """
    start, a, w = given(shares, accuracy, weights)

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        theta, spread = state

        def moved(at: Array) -> Array:
            return at + mean_step(at, start, a, w, how)

        slope = jax.jacfwd(moved)(theta)
        return moved(theta), slope @ spread @ slope.T + step_noise(theta, a, w, how)

    return march(step, (start, jnp.zeros((start.size, start.size), start.dtype)), recorded)


def winning_probability(
    barrier: Number,
    shares: Float[ArrayLike, "2"],
    accuracy: Float[ArrayLike, "question 2"],
    weights: Float[ArrayLike, "question"] | None,
    how: Sampling,
    points: int = POINTS,
) -> Float[Array, ""]:
    """Probability that log(p_1 / p_2) passes +barrier before -barrier, eqs. (25), (26).

    A diffusion with the step's own mean and variance at each logit, its boundaries moved out by the overshoot of a
    discrete walk. Good while steps are small against the barrier and its logit's scale.

    Arguments:
      barrier: L, larger than the initial logit's size.
      shares: of two formats; also the KL penalty's reference.
      points: of the trapezium rule.
    """
    start, a, w = given(shares, accuracy, weights)
    contrast = jnp.array([1.0, -1.0], start.dtype)

    def moments(logit: Array) -> tuple[Array, Array]:
        theta = 0.5 * logit * contrast
        # only differences of logits matter, so the reference may be shifted
        drift = contrast @ mean_step(theta, start - jnp.mean(start), a, w, how)
        return drift, contrast @ step_noise(theta, a, w, how) @ contrast

    ends = jnp.asarray(barrier, float) * contrast
    reach = jnp.abs(ends) + OVERSHOOT * jnp.sqrt(jax.vmap(moments)(ends)[1])
    grid = jnp.linspace(-reach[1], reach[0], points)
    drift, variance = jax.vmap(moments)(grid)
    exponent = -_cumulative(2 * drift / variance, grid)
    scale = _cumulative(jnp.exp(exponent - jnp.max(exponent)), grid)
    return jnp.interp(start[0] - start[1], grid, scale) / scale[-1]


def _cumulative(values: Array, grid: Array) -> Array:
    parts = 0.5 * (values[1:] + values[:-1]) * jnp.diff(grid)
    return jnp.concatenate([jnp.zeros(1, values.dtype), jnp.cumsum(parts)])


def control_number(accuracy: Float[ArrayLike, "2"], rollouts: Number, rate: Number) -> Float[Array, ""]:
    """kappa = M gap / (eta V), V = sum_k a_k (1 - a_k) / 2, eq. (27): large where the better format surely wins."""
    a = jnp.asarray(accuracy, float)
    return rollouts * (a[0] - a[1]) / (rate * 0.5 * jnp.sum(a * (1 - a)))


def local_control(
    accuracy: Float[ArrayLike, "question 2"], weights: Float[ArrayLike, "question"] | None, how: Sampling
) -> Float[Array, ""]:
    """2 m / v of the logit at equal shares, which is kappa of eq. (27) for any advantage and geometry."""
    start, a, w = given(jnp.array([0.5, 0.5]), accuracy, weights)
    contrast, theta = jnp.array([1.0, -1.0], start.dtype), jnp.zeros(2, start.dtype)
    drift = contrast @ mean_step(theta, theta, a, w, how)
    return 2 * drift / (contrast @ step_noise(theta, a, w, how) @ contrast)


def constant_noise_probability(
    logit: Number,
    barrier: Number,
    accuracy: Float[ArrayLike, "2"],
    rollouts: Number,
    rate: Number,
    *,
    overshoot: bool = True,
) -> Float[Array, ""]:
    """Winning probability with the noise of equal shares throughout, eq. (27): a closed form for small gaps."""
    a = jnp.asarray(accuracy, float)
    kappa = control_number(a, rollouts, rate)
    level = jnp.asarray(barrier, float)
    share = jax.nn.sigmoid(level)
    step = rate * jnp.sqrt(4 * share * (1 - share) * 0.5 * jnp.sum(a * (1 - a)) / rollouts)
    level = level + (OVERSHOOT * step if overshoot else 0.0)
    small = kappa == 0
    safe = jnp.where(small, 1.0, kappa)
    found = -jnp.expm1(-safe * (logit + level)) / -jnp.expm1(-2 * safe * level)
    return jnp.where(small, 0.5 * (1 + logit / level), found)


def diffusion(
    key: Array,
    times: Float[ArrayLike, "time"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None,
    how: Sampling,
    paths: int = 256,
    substeps: int = 1,
) -> Float[Array, "path time format"]:
    """Logits of paths of the stochastic differential equation that a step's two moments define, by Euler-Maruyama.

    Arguments:
      times: evenly spaced, the first of which is 0.
      substeps: Euler steps between two times.
    """
    start, a, w = given(shares, accuracy, weights)
    times = jnp.asarray(times, float)
    part = (times[1] - times[0]) / substeps / how.rate  # in steps of the algorithm
    eye = jnp.eye(start.size, dtype=start.dtype)

    def path(key: Array) -> Array:
        def step(theta: Array, key: Array) -> tuple[Array, None]:
            # the covariance is singular along (1, ..., 1)
            values, vectors = jnp.linalg.eigh(step_noise(theta, a, w, how))
            kick = vectors @ (jnp.sqrt(jnp.maximum(values, 0)) * (eye @ jax.random.normal(key, start.shape)))
            return theta + part * mean_step(theta, start, a, w, how) + jnp.sqrt(part) * kick, None

        def stretch(theta: Array, key: Array) -> tuple[Array, Array]:
            theta, _ = jax.lax.scan(step, theta, jax.random.split(key, substeps))
            return theta, theta

        _, found = jax.lax.scan(stretch, start, jax.random.split(key, times.size - 1))
        return jnp.concatenate([start[None], found])

    return jax.vmap(path)(jax.random.split(key, paths))


def share_variance(gap: Number, accuracy: Number, logit: Number) -> Float[Array, ""]:
    """V of eq. (27) at a logit: p_2 a_1(1-a_1) + p_1 a_2(1-a_2) + gap^2 (p_1 - p_2)^2."""
    a, p = jnp.asarray(accuracy, float), jax.nn.sigmoid(jnp.asarray(logit, float))
    return (1 - p) * a[0] * (1 - a[0]) + p * a[1] * (1 - a[1]) + jnp.asarray(gap) ** 2 * (2 * p - 1) ** 2
