"""Deep linear networks: the posterior is one scalar equation, the end of training another."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import worst
from theorylab.solvers import fixed_point

LOG_SPIKE = np.linspace(-1e-3, 60.0, 6001)
"""Grid of ln a on which roots of eq. (12) are told apart."""
LOG_RIDGE = np.linspace(-25.0, 15.0, 4001)
"""Grid of ln rho on which roots of eq. (30) are told apart."""


class Modes(NamedTuple):
    """The input kernel's eigenvalues and the target's squared components along its eigenvectors, (P,) each."""

    values: Float[Array, "modes"]
    power: Float[Array, "modes"]


def modes(kernel: Float[Array, "samples samples"], targets: Float[Array, "samples"]) -> Modes:
    """Eigenbasis of the input kernel."""
    values, vectors = jnp.linalg.eigh(kernel)
    return Modes(jnp.maximum(values, 0.0), (vectors.T @ targets) ** 2)


class Posterior(NamedTuple):
    """Roots of eq. (12), the stable one first by its action.

    Arguments:
      spike: a = r^L of the root of least action.
      action: S there, eq. (14).
      roots, actions: a and S of every root, ascending in a, NaN beyond the last.
      status: code of `Status`.
    """

    spike: Float[Array, ""]
    action: Float[Array, ""]
    roots: Float[Array, "capacity"]
    actions: Float[Array, "capacity"]
    status: Int[Array, ""]


def action(log_spike: ArrayLike, m: Modes, depth: int, richness: ArrayLike, beta: ArrayLike) -> Float[Array, "..."]:
    """S(a) of eq. (14), elementwise in ln a."""
    t = jnp.asarray(log_spike)
    left = jnp.sum(m.power / (jnp.exp(t)[..., None] * m.values + 1 / beta), axis=-1)
    return 0.5 * (depth * jnp.expm1(t / depth) - t + richness**2 * left)


def posterior(m: Modes, depth: int, richness: ArrayLike, beta: ArrayLike) -> Posterior:
    """All solutions of the scalar equation (12), and the one of least action."""

    def equation(t: Array) -> Array:
        weight = m.power * m.values / (jnp.exp(t)[..., None] * m.values + 1 / beta) ** 2
        # divided by a^(1/L), so that roots at large a are as well conditioned as small ones
        return -jnp.expm1(-t / depth) - richness**2 * jnp.exp(t * (1 - 1 / depth)) * jnp.sum(weight, axis=-1)

    found = fixed_point.all_roots(equation, LOG_SPIKE)
    actions = action(found.values, m, depth, richness, beta)
    best = jnp.nanargmin(actions)
    return Posterior(jnp.exp(found.values[best]), actions[best], jnp.exp(found.values), actions, found.status)


def posterior_kernels(
    kernel: Float[Array, "n n"], targets: Float[Array, "samples"], spike: ArrayLike, depth: int, beta: ArrayLike
) -> tuple[Float[Array, "n"], Float[Array, "layer n n"]]:
    """Predictor and kernels Phi^l = K + c_l (K v)(K v)^T at all n points, eq. (13); training points come first."""
    samples = targets.shape[0]
    inner = kernel[:samples, :samples]
    v = jnp.linalg.solve(spike * inner + jnp.eye(samples) / beta, targets)
    along = kernel[:, :samples] @ v
    power = v @ inner @ v
    layers = jnp.asarray(spike) ** (jnp.arange(1, depth + 1) / depth)
    return spike * along, kernel + ((layers - 1) / power)[:, None, None] * jnp.outer(along, along)


class Transition(NamedTuple):
    """First-order jump of the deep linear posterior in the richness.

    Arguments:
      exists: whether several roots coexist at some richness.
      richness: where the two stable roots have equal action (NaN where there is no jump).
      window: richness between which several roots coexist, (2,).
      spikes: a at the jump (lower, unstable, upper), (3,).
      turning: a at the window's ends: the lower branch's end, the upper branch's end, (2,).
    """

    exists: Array
    richness: Float[Array, ""]
    window: Float[Array, "2"]
    spikes: Float[Array, "3"]
    turning: Float[Array, "2"]


def transition(m: Modes, depth: int, beta: ArrayLike) -> Transition:
    """Coexistence window and jump, from richness^2 = R(a) solved for the richness, eqs. (15)-(16).

    Two roots at most lie on the outer branches of R; a target that is spread over modes of very different size may
    have more than one window: the widest in ln a from the first to the last turning point is reported then.
    """
    below = jnp.asarray(LOG_SPIKE[11:], float)

    def log_squared(t: Array) -> Array:
        weight = m.power * m.values / (jnp.exp(t)[..., None] * m.values + 1 / beta) ** 2
        return jnp.log(jnp.expm1(t / depth)) - t - jnp.log(jnp.sum(weight, axis=-1))

    slope = jax.grad(lambda t: jnp.sum(log_squared(t)))
    turns = fixed_point.all_roots(slope, below)
    exists = turns.found >= 2
    first, last = turns.values[0], jnp.where(exists, turns.values[1], turns.values[0])
    high, low = 0.5 * log_squared(first), 0.5 * log_squared(last)

    def gap(log_richness: Array) -> Array:
        """Action of the lower root minus that of the upper one."""

        def one(at: Array) -> Array:
            roots = _branches(log_squared, at, first, last, below)
            s = action(roots, m, depth, jnp.exp(at), beta)
            return s[0] - s[2]

        return jax.vmap(one)(jnp.atleast_1d(log_richness)).reshape(jnp.shape(log_richness))

    inside = low + (high - low) * jnp.linspace(1e-6, 1 - 1e-6, 9)
    jump = fixed_point.all_roots(gap, inside, capacity=1).values[0]
    spikes = jnp.exp(_branches(log_squared, jump, first, last, below))
    nan = jnp.nan
    return Transition(
        exists,
        jnp.where(exists, jnp.exp(jump), nan),
        jnp.where(exists, jnp.exp(jnp.stack([low, high])), nan),
        jnp.where(exists, spikes, nan),
        jnp.where(exists, jnp.exp(jnp.stack([first, last])), nan),
    )


def _branches(log_squared, log_richness: Array, first: Array, last: Array, grid: Array) -> Array:
    """The three ln a at which R(a) = richness^2, one on each monotone piece, by bisection."""

    def bisect(low: Array, high: Array, rising: bool) -> Array:
        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            a, b = ends
            middle = 0.5 * (a + b)
            beyond = (log_squared(middle) > 2 * log_richness) == rising
            return jnp.where(beyond, a, middle), jnp.where(beyond, middle, b)

        a, b = jax.lax.fori_loop(0, 60, halve, (low, high))
        return 0.5 * (a + b)

    start, end = jnp.asarray(grid[0]), jnp.asarray(grid[-1])
    found = jnp.stack([bisect(start, first, True), bisect(first, last, False), bisect(last, end, True)])
    return fixed_point.newton_step(lambda t: log_squared(t) - 2 * log_richness, found)


class Converged(NamedTuple):
    """End point of gradient flow with weight decay, eq. (30).

    Arguments:
      ridge: rho of the branch that training ends on: the smallest; infinite where only w = 0 is left.
      norm: |w|; 0 after collapse.
      objective: E(w) of eq. (29) there.
      roots, objectives: of every stationary point but w = 0, ascending in rho, NaN beyond the last.
      at_zero: E(0).
      status: code of `Status`.
    """

    ridge: Float[Array, ""]
    norm: Float[Array, ""]
    objective: Float[Array, ""]
    roots: Float[Array, "capacity"]
    objectives: Float[Array, "capacity"]
    at_zero: Float[Array, ""]
    status: Int[Array, ""]


def converged(m: Modes, depth: int, richness: ArrayLike, ridge: ArrayLike) -> Converged:
    """Every branch of the end point, eq. (30): rho is the one unknown."""

    def norm(t: Array) -> Array:
        return jnp.sqrt(jnp.sum(m.power * m.values / (m.values + jnp.exp(t)[..., None]) ** 2, axis=-1))

    def equation(t: Array) -> Array:
        return jnp.asarray(t - jnp.log(ridge) + (2 - 2 / (depth + 1)) * jnp.log(richness * norm(t)))

    found = fixed_point.all_roots(equation, LOG_RIDGE)

    def objective(t: Array) -> Array:
        rho = jnp.exp(t)[..., None]
        left = jnp.sum(m.power * (rho / (m.values + rho)) ** 2, axis=-1)
        decay = 0.5 * ridge * (depth + 1) * (richness * norm(t)) ** (2 / (depth + 1))
        return jnp.asarray(0.5 * richness**2 * left + decay)

    some = found.found > 0
    at_zero = jnp.asarray(0.5 * richness**2 * jnp.sum(m.power))
    best = found.values[0]
    return Converged(
        jnp.where(some, jnp.exp(best), jnp.inf),
        jnp.where(some, norm(best), 0.0),
        jnp.where(some, objective(best), at_zero),
        jnp.exp(found.values),
        objective(found.values),
        at_zero,
        # no root is no failure here: everything has collapsed onto w = 0
        jnp.where(some, worst(found.status), 0),
    )


def converged_kernels(
    kernel: Float[Array, "n n"],
    targets: Float[Array, "samples"],
    end: Converged,
    depth: int,
    richness: ArrayLike,
) -> tuple[Float[Array, "n"], Float[Array, "layer n n"]]:
    """Predictor and kernels Phi^l = s^{2l} (b.x)(b.x') / D at all n points, eq. (31); zero after collapse."""
    samples = targets.shape[0]
    finite = jnp.where(jnp.isfinite(end.ridge), end.ridge, 1.0)
    alive = jnp.isfinite(end.ridge)
    inner = kernel[:samples, :samples] + finite * jnp.eye(samples)
    f = kernel[:, :samples] @ jnp.linalg.solve(inner, targets) * alive
    norm = jnp.where(alive, end.norm, 1.0)
    squared = (richness * norm) ** (2 * jnp.arange(1, depth + 1) / (depth + 1))
    return f, jnp.asarray((squared * alive)[:, None, None] * jnp.outer(f / norm, f / norm))


def collapse_ridge(m: Modes, depth: int, richness: ArrayLike) -> Float[Array, ""]:
    """Largest ridge at which some w != 0 is stationary, eq. (32): gamma0 |m| at one layer, a fold for more."""
    exponent = 2 - 2 / (depth + 1)
    t = jnp.asarray(LOG_RIDGE, float)
    size = jnp.sqrt(jnp.sum(m.power * m.values / (m.values + jnp.exp(t)[:, None]) ** 2, axis=-1))
    log_ridge = t + exponent * jnp.log(richness * size)
    top = jnp.clip(jnp.argmax(log_ridge), 1, len(LOG_RIDGE) - 2)
    before, at, after = log_ridge[top - 1], log_ridge[top], log_ridge[top + 1]
    # the maximum of the parabola through the largest value and its neighbours
    first_order = jnp.exp(at - (before - after) ** 2 / (8 * (before - 2 * at + after)))
    second_order = richness * jnp.sqrt(jnp.sum(m.power * m.values))
    return jnp.asarray(second_order if depth == 1 else first_order)
