"""Expert Iteration and PPO as maps of the policy, exact for infinitely many samples.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

import math

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.special import gammaln

from theorylab.core import Size, require
from theorylab.systems.rl_posttraining.setting import Number
from theorylab.systems.rl_posttraining.theory_flow import Geometry, direction, given, march
from theorylab.systems.rl_posttraining.theory_groups import Factor


def expert(
    recorded: Int[ArrayLike, "record"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    restart: bool = False,
    refit: Number = 1.0,
    samples: int = 1,
    keep: Size = math.inf,
) -> Float[Array, "record format"]:
    """Logits after rounds of Expert Iteration: sample, keep what is right, refit, eq. (18).

    Arguments:
      recorded: increasing rounds, the first of which is 0.
      restart: refit the initial policy in every round rather than the current one.
      refit: strength in (0, 1]: the refitted policy is base^(1 - refit) kept^refit.
      samples: answers a question.
      keep: at most so many right answers of a question are kept.

    Raises: `Refused` for a refit strength out of (0, 1], or where no format is ever right.
    """
    require_refit(refit, accuracy)
    start, a, w = given(shares, accuracy, weights)

    def round_(theta: Array) -> Array:
        success = a @ jax.nn.softmax(theta)
        kept = theta + jnp.log(w * kept_per_right(success, samples, keep) @ a)
        base = start if restart else theta
        moved = (1 - refit) * base + refit * kept
        return moved - jax.nn.logsumexp(moved)

    return march(round_, start, recorded)


def require_refit(refit: Number, accuracy: ArrayLike) -> None:
    """Refuse what Expert Iteration cannot do. Raises: `Refused`."""
    require((refit > 0) & (refit <= 1), f"refit must be in (0, 1], got {refit}")
    if not isinstance(accuracy, jax.core.Tracer):
        require(np.max(np.asarray(accuracy)) > 0, "no format is ever right: Expert Iteration would keep nothing")


def kept_per_right(success: Float[Array, "question"], samples: int, keep: Size) -> Float[Array, "question"]:
    """E[min(keep, S)] / (n r), S ~ Bin(n, r) right answers of n: 1 where all are kept."""
    if keep >= samples:
        return jnp.ones_like(success)
    right = np.arange(1, samples + 1)
    ways = np.exp(gammaln(samples + 1) - gammaln(right + 1) - gammaln(samples - right + 1))
    r = success[:, None]
    chance = ways * r ** jnp.asarray(right - 1) * (1 - r) ** jnp.asarray(samples - right)
    return jnp.sum(np.minimum(right, keep) * chance, axis=-1) / samples


def expert_shares(
    rounds: Int[ArrayLike, "*round"], shares: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"],
    *, restart: bool = False, refit: Number = 1.0,
) -> Float[Array, "*round format"]:  # fmt: skip
    """One question class in closed form, eq. (19): p(0) a^n, or p(0) a^(l (1 - l^n) / (1 - l)) on restart at l."""
    require_refit(refit, accuracy)
    n = jnp.asarray(rounds, float)[..., None]
    strength = jnp.asarray(refit, float)
    one = strength == 1
    safe = jnp.where(one, 0.5, strength)
    power = jnp.where(one, n, safe * (1 - safe**n) / (1 - safe)) if restart else strength * n
    return jax.nn.softmax(jnp.log(jnp.asarray(shares, float)) + power * jnp.log(jnp.asarray(accuracy, float)), axis=-1)


def expert_fixed_shares(
    shares: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"], refit: Number
) -> Float[Array, "format"]:
    """Where Expert Iteration from the base ends, eq. (19): p(0) a^(l / (1 - l)), a bounded shift.

    Raises: `Refused` for a full refit (l = 1), which has no fixed point but collapse.
    """
    require_refit(refit, accuracy)
    require(refit < 1, f"a full refit never stops: the fixed point needs refit < 1, got {refit}")
    power = refit / (1 - jnp.asarray(refit, float))
    return jax.nn.softmax(jnp.log(jnp.asarray(shares, float)) + power * jnp.log(jnp.asarray(accuracy, float)))


def ppo(
    recorded: Int[ArrayLike, "record"],
    rate: Number,
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    inner: int = 4,
    clip: Number = 0.2,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
) -> Float[Array, "record format"]:
    """Logits under PPO: `inner` clipped steps of size `rate` on each batch, eq. (21).

    Arguments:
      recorded: increasing iterations, the first of which is 0.
      inner: full-batch steps an iteration; with 1 the clip never acts.
      clip: ratios are clipped to [1 - clip, 1 + clip], in (0, 1).
      the rest: as in `theory_flow.frozen`.
    """
    start, a, w = given(shares, accuracy, weights)

    def iteration(theta: Array) -> Array:
        old = jax.nn.softmax(theta)
        success = a @ old
        scale = w * factor(success)
        praised = (scale * (1 - success)) @ a
        blamed = (scale * success) @ (1 - a)

        def ascend(_: Array, now: Array) -> Array:
            p = jax.nn.softmax(now)
            ratio = p / old
            gain = praised * (ratio < 1 + clip) - blamed * (ratio > 1 - clip)
            away = now - start
            gain = gain - kl * (away - p @ away)
            return now + rate * direction(now, gain - p @ gain, geometry)

        return jax.lax.fori_loop(0, inner, ascend, theta)

    return march(iteration, start, recorded)
