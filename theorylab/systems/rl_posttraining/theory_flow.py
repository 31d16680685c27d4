"""Mean dynamics of the format policy: frozen skills, measured skills as input, skills that learn too.

All take `factor`, the advantage's c(r) (see `theory_groups.factor_of`), and return logits' shares in time; time is
rate x steps. Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.solvers import ode
from theorylab.systems.rl_posttraining.setting import Number
from theorylab.systems.rl_posttraining.theory_groups import Factor

Geometry = Literal["euclid", "natural"]
RTOL, ATOL = 1e-10, 1e-12


class Path(NamedTuple):
    """Format shares in time.

    Arguments:
      shares: p, (time, format).
      logits: theta, with theta(0) = log p(0), (time, format).
      status: how the solve ended, a code of `core.Status`.
    """

    shares: Float[Array, "time format"]
    logits: Float[Array, "time format"]
    status: Int[Array, ""]


class SkilledPath(NamedTuple):
    """Format shares and skills in time.

    Arguments:
      shares: p, (time, format).
      accuracy: a, (time, question, format).
      logits: theta, (time, format).
      skills: u = logit a, (time, question, format).
      status: how the solve ended, a code of `core.Status`.
    """

    shares: Float[Array, "time format"]
    accuracy: Float[Array, "time question format"]
    logits: Float[Array, "time format"]
    skills: Float[Array, "time question format"]
    status: Int[Array, ""]


def fitness(
    logits: Float[Array, "format"],
    reference: Float[Array, "format"],
    accuracy: Float[Array, "question format"],
    weights: Float[Array, "question"],
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
) -> Float[Array, "format"]:
    """g of eq. (7): sum_q w_q c(r_q) (a_qk - r_q) - kl (delta_k - p.delta); p.g = 0.

    Arguments:
      logits, reference: theta and theta(0).
      accuracy: a, (question, format).
      weights: of the questions, adding up to 1.
      factor: c(r) of the advantage.
      kl: strength of the KL penalty towards the reference.
    """
    shares = jax.nn.softmax(logits)
    success = accuracy @ shares
    away = logits - reference
    gain = weights * factor(success) @ (accuracy - success[:, None])
    return gain - kl * (away - shares @ away)


def direction(logits: Array, gain: Array, geometry: Geometry) -> Float[Array, "format"]:
    """d theta/dt of eq. (8): p g (euclid), or g (natural: the replicator)."""
    return gain if geometry == "natural" else jax.nn.softmax(logits) * gain


def frozen(
    times: Float[ArrayLike, "time"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
    rtol: Number = RTOL,
    atol: Number = ATOL,
    max_steps: int = 200_000,
) -> Path:
    """Formats compete while their skills stay as they are, eqs. (7), (8).

    Arguments:
      times: increasing, the first is where `shares` hold; rate x steps, (time,).
      shares: p(0) on the simplex, without zeros; also the reference of the KL penalty.
      accuracy: a_qk, (question, format).
      weights: of the questions, adding up to 1; even where None.
      factor: c(r) of the advantage, see `theory_groups.factor_of`.
      kl: strength of the KL penalty.
      geometry: plain softmax gradient ("euclid"), or natural gradient (the replicator equation).
    """
    start, a, w = given(shares, accuracy, weights)

    def rhs(t: Array, theta: Any, args: Any) -> Any:
        return direction(theta, fitness(theta, args[0], args[1], args[2], factor, args[3]), geometry)

    found = ode.solve(
        rhs, start, times, (start, a, w, jnp.asarray(kl)), rtol=rtol, atol=atol, max_steps=max_steps
    )  # fmt: skip
    return Path(jax.nn.softmax(found.values, axis=-1), found.values, found.status)


def measured(
    times: Float[ArrayLike, "time"],
    shares: Float[ArrayLike, "format"],
    skill_times: Float[ArrayLike, "knot"],
    accuracy: Float[ArrayLike, "knot question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
    rtol: Number = 1e-7,
    atol: Number = 1e-9,
    max_steps: int = 200_000,
) -> Path:
    """Formats compete with skills that were measured in time and are given as input, eq. (7) with a(t).

    Arguments:
      skill_times: increasing times of the measurements, in the units of `times`, (knot,).
      accuracy: measured a_qk, finite, (knot, question, format); linear in between, constant outside.
      the rest: as in `frozen`.
    """
    knots, values = jnp.asarray(skill_times, float), jnp.asarray(accuracy, float)
    start, _, w = given(shares, values[0], weights)

    def rhs(t: Array, theta: Any, args: Any) -> Any:
        reference, knots, values, w, kl = args
        at = jnp.clip(jnp.searchsorted(knots, t, side="right") - 1, 0, knots.shape[0] - 2)
        part = jnp.clip((t - knots[at]) / (knots[at + 1] - knots[at]), 0.0, 1.0)
        a = (1 - part) * values[at] + part * values[at + 1]
        return direction(theta, fitness(theta, reference, a, w, factor, kl), geometry)

    args = (start, knots, values, w, jnp.asarray(kl))
    found = ode.solve(rhs, start, times, args, rtol=rtol, atol=atol, max_steps=max_steps)
    return Path(jax.nn.softmax(found.values, axis=-1), found.values, found.status)


def coupled(
    times: Float[ArrayLike, "time"],
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    ratio: Number = 1.0,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
    rtol: Number = RTOL,
    atol: Number = ATOL,
    max_steps: int = 200_000,
) -> SkilledPath:
    """Formats compete while each format's skill at each question is learned from its own practice, eqs. (22), (23).

    Arguments:
      accuracy: a_qk(0), strictly between 0 and 1, (question, format).
      ratio: rate of the skills' logits relative to that of the formats'.
      factor: c(r) of the advantage; it multiplies both equations.
      kl: strength of the penalty KL(policy | initial policy) of the two-level policy.
      geometry: of the format logits; skills always follow the plain gradient.
      the rest: as in `frozen`.
    """
    start, a, w = given(shares, accuracy, weights)
    begin = (start, jnp.log(a) - jnp.log1p(-a))

    def rhs(t: Array, state: Any, args: Any) -> Any:
        reference, w, ratio, kl = args
        return coupled_rates(state[0], state[1], reference, w, ratio, factor, kl, geometry)

    args = (begin, w, jnp.asarray(ratio, float), jnp.asarray(kl, float))
    found = ode.solve(rhs, begin, times, args, rtol=rtol, atol=atol, max_steps=max_steps)
    theta, u = found.values
    return SkilledPath(jax.nn.softmax(theta, axis=-1), jax.nn.sigmoid(u), theta, u, found.status)


def coupled_rates(
    theta: Array,
    u: Array,
    reference: tuple[Array, Array],
    weights: Array,
    ratio: Number,
    factor: Factor,
    kl: Number,
    geometry: Geometry,
) -> tuple[Float[Array, "format"], Float[Array, "question format"]]:
    """Right-hand sides of eqs. (22), (23): of the format logits and of the skills' logits."""
    p, a = jax.nn.softmax(theta), jax.nn.sigmoid(u)
    success = a @ p
    scale = weights * factor(success)
    away = theta - reference[0] + weights @ bernoulli_kl(u, reference[1])
    gain = scale @ (a - success[:, None]) - kl * (away - p @ away)
    practice = p * a * jax.nn.sigmoid(-u)
    skill = ratio * practice * (scale[:, None] - kl * weights[:, None] * (u - reference[1]))
    return direction(theta, gain, geometry), skill


def bernoulli_kl(u: Array, v: Array) -> Array:
    """kl of Bernoullis with logits u and v."""
    return jax.nn.sigmoid(u) * (u - v) - jax.nn.softplus(u) + jax.nn.softplus(v)


def steps(
    recorded: Int[ArrayLike, "record"],
    rate: Number,
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
) -> Float[Array, "record format"]:
    """Logits under the mean step at a finite rate: exact as the batch grows, eq. (9).

    Arguments:
      recorded: increasing steps, the first of which is 0.
      rate: eta.
      the rest: as in `frozen`.
    """
    start, a, w = given(shares, accuracy, weights)
    return march(lambda theta: theta + rate * direction(theta, fitness(theta, start, a, w, factor, kl), geometry),
                 start, recorded)  # fmt: skip


def coupled_steps(
    recorded: Int[ArrayLike, "record"],
    rate: Number,
    shares: Float[ArrayLike, "format"],
    accuracy: Float[ArrayLike, "question format"],
    weights: Float[ArrayLike, "question"] | None = None,
    *,
    ratio: Number = 1.0,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
) -> tuple[Float[Array, "record format"], Float[Array, "record question format"]]:
    """Logits of formats and of skills under the mean step at a finite rate; arguments of `coupled` and `steps`."""
    start, a, w = given(shares, accuracy, weights)
    begin = (start, jnp.log(a) - jnp.log1p(-a))

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        moved = coupled_rates(state[0], state[1], begin, w, ratio, factor, kl, geometry)
        return state[0] + rate * moved[0], state[1] + rate * moved[1]

    return march(step, begin, recorded)


def march(step: Any, start: Any, recorded: Int[ArrayLike, "record"]) -> Any:
    """Iterates of a map at the recorded steps, the first of which is 0; every leaf gets a leading axis."""
    recorded = jnp.asarray(recorded)

    def stretch(state: Any, ends: Any) -> tuple[Any, Any]:
        state = lax.fori_loop(ends[0], ends[1], lambda _, s: step(s), state)
        return state, state

    begins = jnp.concatenate([recorded[:1], recorded[:-1]])
    _, found = lax.scan(stretch, start, (begins, recorded))
    return found


def given(shares: Any, accuracy: Any, weights: Any) -> tuple[Array, Array, Array]:
    """theta(0), a, w as arrays; even weights where None."""
    a = jnp.atleast_2d(jnp.asarray(accuracy, float))
    w = jnp.full(a.shape[0], 1.0 / a.shape[0], a.dtype) if weights is None else jnp.asarray(weights, float)
    return jnp.log(jnp.asarray(shares, float)), a, w
