"""A network for each time of the grid: their overlaps with the target and with one another; docs section 6.

Blocks C^{tu} = W^t W^u^T / d are kept for all pairs of times, because generated points pass through all networks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float, Int

from theorylab.core import Status, status_where, worst
from theorylab.solvers import ode, quadrature
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder import theory_training as training
from theorylab.systems.flow_autoencoder.setting import Schedule, Start
from theorylab.systems.flow_autoencoder.theory_drift import (
    At,
    Columns,
    Fields,
    Group,
    Order,
    Slopes,
    activate,
    columns,
    couplings,
    fields,
    moments,
    slopes_of,
)
from theorylab.systems.flow_autoencoder.theory_sampling import Law
from theorylab.systems.flow_autoencoder.theory_training import Rates

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics

ROUND_OFF = 1e-9
"""Added to the diagonal of matrices of overlaps, relative to their trace: equal starts make them singular."""


class Networks(NamedTuple):
    """Overlaps M^t (times, units, directions), blocks C^{tu} (times, times, units, units), biases (times, units)."""

    overlap: Float[Array, "times units directions"]
    cross: Float[Array, "times times units units"]
    bias: Float[Array, "times units"]


def of_each(state: Networks) -> Order:
    """The order parameters of every network by itself, stacked."""
    return Order(state.overlap, jnp.moveaxis(jnp.diagonal(state.cross), -1, 0), state.bias)


def initial(system: FlowAutoencoder, begin: Start) -> Networks:
    """Starts of equal overlap, from common weights (C^{tu} = Q) or from independent ones (C^{tu} = M M^T)."""
    times = len(system.grid_times)
    apart = begin.norm if system.common_start else begin.overlap @ begin.overlap.T
    same = jnp.eye(times)[:, :, None, None]
    tile = lambda a: jnp.broadcast_to(a, (times, *a.shape))  # noqa: E731
    return Networks(tile(begin.overlap), same * begin.norm + (1 - same) * apart, jnp.zeros((times, system.units)))


class Seen(NamedTuple):
    """What one network's own samples say: its drift, and averages that every other network's overlap needs; `back` is
    the inverse transposed root of its fields' covariance."""

    slopes: Slopes
    f: Columns
    push: Columns
    back: Float[Array, "units units"]


def _look(order: Order, group: Group, at: At, activation: str) -> Seen:
    units, directions = order.overlap.shape
    laws: Fields = fields(order, group, at)
    found = moments(order, group, at, laws, activation)
    back = solve_triangular(laws.root, jnp.eye(units), lower=True).T
    f, push = (columns(row, units, directions) for row in (found.f, found.push))
    return Seen(slopes_of(order, group, at, laws, found), f, push, back)


class Shared(NamedTuple):
    """Joint Sobol columns for the fields of all networks on the same sample: standard normal vectors along the
    directions and across them, for noise and data, and a uniform number that chooses the mode."""

    first: Float[Array, "points directions"]
    second: Float[Array, "points directions"]
    noise: Float[Array, "points fields"]
    data: Float[Array, "points fields"]
    chance: Float[Array, "points"]


def drift(
    state: Networks,
    group: Group,
    at: Schedule,
    skip: Float[Array, "times"],
    rates: Rates,
    activation: str,
    shared: Shared | None,
) -> Networks:
    """d(M^t, C^{tu}, theta^t) / d tau, eqs. (13), (14), (30); with shared data the noise of eq. (31)."""
    points = At(at.alpha, at.beta, at.gain, at.inner, skip)
    each = of_each(state)
    seen: Seen = jax.vmap(lambda order, point: _look(order, group, point, activation))(each, points)

    def half(overlap: Array, cross: Array, point: At, u: Seen) -> Array:
        """A^{tu}: what a step of network u adds to its overlap with network t; eq. (30)."""
        v = couplings(point, group.bulk)
        left = 1 - point.skip * point.beta
        through = cross @ u.back
        missed = left * overlap @ u.f.c.T + v.ex * through @ u.f.z.T - point.gain * cross @ u.f.f
        heard = point.beta * overlap @ u.push.c.T + v.xx * through @ u.push.z.T
        return point.gain * (missed + point.inner * heard)

    over_u = jax.vmap(half, in_axes=(None, 0, 0, 0))
    one_sided = jax.vmap(over_u, in_axes=(0, 0, None, None))(state.overlap, state.cross, points, seen)
    cross = rates.rate * (one_sided + one_sided.transpose(1, 0, 3, 2) - 2 * rates.ridge * state.cross)
    times = at.time.shape[0]
    same = jnp.eye(times)[:, :, None, None]
    noise = same * seen.slopes.noise[:, None]
    if shared is not None:
        noise = noise + (1 - same) * shared_noise(state, group, points, activation, shared)
    return Networks(
        rates.rate * (seen.slopes.overlap - rates.ridge * state.overlap),
        cross + rates.rate**2 / rates.batch * noise,
        rates.bias * seen.slopes.bias,
    )


def shared_points(system: FlowAutoencoder, numerics: FlowNumerics) -> Shared:
    """The joint set. Modes are chosen by a column of it: a point's index is tied to its first coordinate."""
    s, fields_ = system.directions, len(system.grid_times) * system.units
    *normal, label = quadrature.sobol_uniform([s, s, fields_, fields_, 1], numerics.particles, seed=4)
    parts = [jnp.asarray(quadrature.normal(part)) for part in normal]
    first, second, noise, data = parts
    return Shared(first, second, noise, data, jnp.asarray(label[:, 0]))


def shared_noise(
    state: Networks, group: Group, at: At, activation: str, shared: Shared
) -> Float[Array, "times times units units"]:
    """E[dW^t dW^u^T] of networks that see the same sample; eq. (31)."""
    times, units, directions = state.overlap.shape
    flat = state.overlap.reshape(times * units, directions)
    whole = state.cross.transpose(0, 2, 1, 3).reshape(times * units, times * units)
    outside = whole - flat @ flat.T
    root = jnp.linalg.cholesky(outside + 1e3 * ROUND_OFF * jnp.trace(whole) * jnp.eye(times * units))
    sigma = jnp.sqrt(group.bulk)
    # a traced share moves points between modes by steps: derivatives in it see the drift only, not this noise
    mode = jnp.sum(shared.chance[:, None] > jnp.cumsum(group.weights.sum(axis=1))[None, :-1], axis=1)
    c = group.centres[mode] + sigma * shared.second
    noise = (shared.first @ flat.T + shared.noise @ root.T).reshape(-1, times, units)
    data = (c @ flat.T + sigma * shared.data @ root.T).reshape(-1, times, units)
    h = at.alpha[:, None] * noise + at.beta[:, None] * data
    f, slope = activate(activation, at.inner[:, None] * h + state.bias)
    own = jnp.einsum("ptj,tij->pti", f, of_each(state).norm)
    push = slope * (data - at.skip[:, None] * h - at.gain[:, None] * own)
    count = f.shape[0]
    features = jnp.concatenate([f, push], axis=1).reshape(count, 2 * times * units)
    gram = (features.T @ features / count).reshape(2, times, units, 2, times, units)
    ff, fp, pf, pp = (gram[i, :, :, j].transpose(0, 2, 1, 3) for i in (0, 1) for j in (0, 1))
    left = 1 - at.skip * at.beta
    ee = group.bulk * jnp.outer(left, left) + jnp.outer(at.skip * at.alpha, at.skip * at.alpha)
    ex = group.bulk * jnp.outer(left, at.beta) - jnp.outer(at.skip * at.alpha, at.alpha)
    xx = jnp.outer(at.alpha, at.alpha) + group.bulk * jnp.outer(at.beta, at.beta)
    wide = lambda a: a[:, :, None, None]  # noqa: E731
    gains, inner = jnp.outer(at.gain, at.gain), at.inner
    total = wide(ee) * ff + wide(ex * inner[None]) * fp + wide(ex.T * inner[:, None]) * pf
    return wide(gains) * (total + wide(xx * jnp.outer(inner, inner)) * pp)


def train(
    system: FlowAutoencoder, begin: Start, tau: Float[Array, "record"], numerics: FlowNumerics
) -> tuple[Networks, Float[Array, "times"], Int[Array, ""]]:
    """All networks at the end of training, with their skips."""
    at, rates = setting.schedule(system), training.rates_of(system)
    (group,) = training.mixture_groups(setting.mixture(system), system.units, numerics)
    shared = shared_points(system, numerics) if system.sharing == "data" else None
    chosen = numerics.coarse() if shared is not None else numerics
    first = setting.skip_start(system, at)

    def rhs(now: Float[Array, ""], state: Networks, args: Any) -> Networks:
        group, rates, first = args
        b = training.skip_at(now, first, at, group.bulk, rates.skip)
        return training.halted(drift(state, group, at, b, rates, system.activation, shared), state.cross)

    ends = tau[jnp.array([0, -1])]
    solution = ode.solve(
        rhs, initial(system, begin), ends, (group, rates, first),
        rtol=chosen.rtol, atol=chosen.atol, max_steps=chosen.max_steps,
    )  # fmt: skip
    last: Networks = jax.tree.map(lambda leaf: leaf[-1], solution.values)
    diverged = ~(jnp.max(jnp.abs(last.cross)) < training.LARGEST_NORM)
    status = worst(status_where(diverged, Status.NOT_FINITE), solution.status)
    return last, training.skip_at(ends[-1], first, at, group.bulk, rates.skip), status


def law_of(system: FlowAutoencoder, state: Networks, skip: Float[Array, "times"], numerics: FlowNumerics) -> Law:
    """The law of the Euler sampler through all networks; eqs. (32), (33)."""
    times, units, directions = state.overlap.shape
    at = setting.schedule(system)
    fields_ = times * units
    first, across = quadrature.sobol_normal([fields_, directions - 1], numerics.particles, seed=5)
    flat = state.overlap.reshape(fields_, directions)
    whole = state.cross.transpose(0, 2, 1, 3).reshape(fields_, fields_)
    root = jnp.linalg.cholesky(whole + ROUND_OFF * jnp.trace(whole) * jnp.eye(fields_))
    begin = (jnp.asarray(first) @ root.T).reshape(-1, times, units)
    stays = 1 + jnp.asarray(system.steps_in_time) * (at.pull + at.push * skip)
    pushes = system.steps_in_time * at.push * at.gain

    def step(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array], None]:
        hidden, along = carry
        m, stay, push, inner = now
        f, _ = activate(system.activation, inner * hidden[:, m] + state.bias[m])
        heard = jnp.einsum("pj,tij->pti", f, state.cross[:, m])
        return (stay * hidden + push * heard, stay * along + push * f @ state.overlap[m]), None

    numbers = (jnp.arange(times), jnp.asarray(stays), jnp.asarray(pushes), at.inner)
    (hidden, along), _ = jax.lax.scan(step, (begin, jnp.zeros((begin.shape[0], directions))), numbers)
    whitened = solve_triangular(root, flat, lower=True)
    scale = jnp.prod(stays)
    means = scale * jnp.asarray(first) @ whitened + along
    covariance = scale**2 * (jnp.eye(directions) - whitened.T @ whitened)
    weights = jnp.full(means.shape[0], 1.0 / means.shape[0])
    return Law(weights, means, covariance, scale**2, hidden.reshape(-1, fields_), jnp.asarray(across))
