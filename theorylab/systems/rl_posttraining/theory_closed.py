"""Closed forms of the mean dynamics: trajectories, fixed points, times to dominance, transfer.

One question class (or mean accuracies) and an exact baseline where not said otherwise; equation numbers are those of
docs/rl_posttraining.md.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.systems.rl_posttraining.setting import Number
from theorylab.systems.rl_posttraining.theory_flow import Geometry

NEWTON_STEPS = 40
"""From the right of a convex function Newton's steps cannot overshoot; far fewer are needed."""


def natural_shares(
    times: Float[ArrayLike, "time"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "format"],
    kl: Number = 0.0,
) -> Float[Array, "time format"]:
    """Replicator with KL started at its reference, eq. (10): p ~ p(0) exp(a (1 - e^(-kl t)) / kl)."""
    t, a, beta = jnp.asarray(times, float)[:, None], jnp.asarray(accuracy, float), jnp.asarray(kl, float)
    # (1 - e^-x) / x is 1 at x = 0
    x = jnp.where(beta > 0, beta, 1.0)
    reach = jnp.where(beta > 0, -jnp.expm1(-x * t) / x, t)
    return jax.nn.softmax(jnp.log(jnp.asarray(shares, float)) + a * reach, axis=-1)


def fixed_shares(
    shares: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"], kl: Number
) -> Float[Array, "format"]:
    """Where both geometries end under a KL penalty, eq. (11): p* ~ p(0) e^(a / kl); group_mean: kl / (1 - 1/G)."""
    require(kl > 0, f"without a KL penalty there is no interior fixed point: kl must be positive, got {kl}")
    return jax.nn.softmax(jnp.log(jnp.asarray(shares, float)) + jnp.asarray(accuracy, float) / kl)


def optimum(shares: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"], kl: Number) -> Float[Array, ""]:
    """Largest value of pass@1 less kl KL(p | p(0)), eq. (12): kl log sum_k p_k(0) e^(a_k / kl)."""
    return kl * jax.nn.logsumexp(jnp.log(jnp.asarray(shares, float)) + jnp.asarray(accuracy, float) / kl)


def mixture_for(
    target: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"], kl: Number
) -> Float[Array, "format"]:
    """The pretraining mixture from which training with this KL penalty ends at `target`: eq. (11) inverted."""
    return jax.nn.softmax(jnp.log(jnp.asarray(target, float)) - jnp.asarray(accuracy, float) / kl)


def overtaking_gap(kl: Number, share: Number, rival: Number) -> Array:
    """Advantage in accuracy that a format needs to end ahead of a rival, eq. (13): kl log(p_rival / p)."""
    return kl * jnp.log(jnp.asarray(rival) / share)


def stretched(logit: Number) -> Array:
    """h(l) = l + sinh l, which grows evenly in time under the plain gradient of two formats, eq. (14)."""
    return jnp.asarray(logit) + jnp.sinh(logit)


def euclid_logit(times: Float[ArrayLike, "*time"], logit: Number, gap: Number) -> Float[Array, "*time"]:
    """Logit of two formats under the plain gradient, eq. (14): l + sinh l = l0 + sinh l0 + gap t.

    Arguments:
      logit: log(p_1 / p_2) at the start.
      gap: a_1 - a_2.
    """
    target = stretched(logit) + gap * jnp.asarray(times, float)
    size = jnp.abs(target)

    def step(_: Array, x: Array) -> Array:
        return x - (stretched(x) - size) / (1 + jnp.cosh(x))

    found = lax.stop_gradient(lax.fori_loop(0, NEWTON_STEPS, step, jnp.arcsinh(size)))
    return jnp.sign(target) * (found - (stretched(found) - size) / (1 + jnp.cosh(found)))


def dominance_time(share: Number, start: Number, gap: Number, geometry: Geometry = "euclid") -> Array:
    """Time at which the better of two formats has `share`, eq. (15).

    Logarithmic in 1 / start in the natural geometry, about 1 / (2 start gap) in the plain one.

    Raises: `Refused` for shares outside (0, 1) or a gap that is not positive.
    """
    for name, value in (("share", share), ("start", start)):
        require((jnp.asarray(value) > 0) & (jnp.asarray(value) < 1), f"{name} must be in (0, 1), got {value}")
    require(gap > 0, f"the better format dominates: gap must be positive, got {gap}")
    ends = [jnp.log(jnp.asarray(p, float)) - jnp.log1p(-jnp.asarray(p, float)) for p in (share, start)]
    if geometry == "euclid":
        ends = [stretched(end) for end in ends]
    return (ends[0] - ends[1]) / gap


def transfer_rate(
    shares: Float[ArrayLike, "format"],
    trained: Float[ArrayLike, "format"],
    held_out: Float[ArrayLike, "format"],
    geometry: Geometry = "natural",
) -> Float[Array, ""]:
    """d(pass@1 on held-out questions)/dt while training on others, eq. (16): a^H F a^E, or a^H F^2 a^E.

    With held_out = trained it is the rate of pass@1 itself (Fisher's theorem): never negative.
    """
    p, easy, hard = (jnp.asarray(x, float) for x in (shares, trained, held_out))

    def fisher(x: Array) -> Array:
        return p * (x - p @ x)

    moved = fisher(easy) if geometry == "natural" else fisher(fisher(easy))
    return hard @ moved


def unshared_shares(
    times: Float[ArrayLike, "time"], shares: Float[ArrayLike, "format"], accuracy: Float[ArrayLike, "format"]
) -> Float[Array, "time format"]:
    """Format shares where nothing is shared between questions, eq. (17): no collapse, they end at p a / (p.a).

    Each question has its own policy over formats and answers, which follows the natural gradient from
    p_k Bernoulli(a_k): its weight on right answers grows like e^t.
    """
    t = jnp.asarray(times, float)[:, None]
    p, a = jnp.asarray(shares, float), jnp.asarray(accuracy, float)
    grown = p * (a + (1 - a) * jnp.exp(-t))
    return grown / jnp.sum(grown, axis=-1, keepdims=True)
