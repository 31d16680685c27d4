"""The drift of the order parameters at one time of the grid: one form for mixtures and for particles.

A target is a list of groups. A group has modes (or particles) with centres of their own and one Gaussian spread in
common: variances `plane` along the structured directions, `bulk` in all others. Given a mode, everything that a step
of training depends on is jointly Gaussian with the hidden fields, so all averages but those over the hidden fields
are done by hand. Docs eqs. (10)-(14).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


class Order(NamedTuple):
    """Order parameters: overlap M (units, directions), norm Q (units, units), bias theta (units,)."""

    overlap: Float[Array, "units directions"]
    norm: Float[Array, "units units"]
    bias: Float[Array, "units"]


class Group(NamedTuple):
    """Modes of one Gaussian spread, and the nodes of the average over the hidden fields.

    Arguments:
      weights: probability of mode and node, shape (modes, nodes); all groups of a target together sum to one.
      centres: shape (modes, directions).
      plane: variance along each structured direction, shape (directions,).
      bulk: variance in every other direction.
      nodes: standard normal vectors, the same for all modes (1, nodes, units) or each mode's own.
    """

    weights: Float[Array, "modes nodes"]
    centres: Float[Array, "modes directions"]
    plane: Float[Array, "directions"]
    bulk: Float[Array, ""]
    nodes: Float[Array, "some nodes units"]


class At(NamedTuple):
    """One time of the grid: alpha, beta, gain g, inner k, and the skip b there."""

    alpha: Float[Array, ""]
    beta: Float[Array, ""]
    gain: Float[Array, ""]
    inner: Float[Array, ""]
    skip: Float[Array, ""]


class Slopes(NamedTuple):
    """Averages of one step's change, before the learning rates: `noise` is what stands with rate^2 / batch."""

    overlap: Float[Array, "units directions"]
    norm: Float[Array, "units units"]
    noise: Float[Array, "units units"]
    bias: Float[Array, "units"]


def activate(name: str, x: Float[Array, "..."]) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """phi(x) and phi'(x)."""
    if name == "tanh":
        f = jnp.tanh(x)
        return f, 1 - f * f
    if name == "erf":
        return jax.scipy.special.erf(x / math.sqrt(2.0)), math.sqrt(2 / math.pi) * jnp.exp(-0.5 * x * x)
    return x, jnp.ones_like(x)


class Couplings(NamedTuple):
    """Second moments of (x_t, x_1 - b x_t) along a direction of variance v: eq. (10).

    Arguments:
      xx: of x_t with itself.
      ex: of the error of the skip with x_t.
      ee: of the error with itself.
    """

    xx: Float[Array, "..."]
    ex: Float[Array, "..."]
    ee: Float[Array, "..."]


def couplings(at: At, variance: Float[ArrayLike, "..."]) -> Couplings:
    """Second moments along a direction in which the target has the given variance; eq. (10)."""
    xx = at.alpha**2 + at.beta**2 * variance
    left = 1 - at.skip * at.beta
    return Couplings(xx, at.beta * variance - at.skip * xx, left**2 * variance + (at.skip * at.alpha) ** 2)


class Fields(NamedTuple):
    """Linear maps of the Gaussian fields given a mode of centre c and the node z; eq. (11).

    h = beta M c + root z; y = beta c + inplane z; x_1 - b x_t projected: along the weights (1 - b beta) M c + error z,
    along the directions (1 - b beta) c + missed z. `rest` is the covariance of the error that h leaves open, `mixed`
    its covariance with y.
    """

    root: Float[Array, "units units"]
    inplane: Float[Array, "directions units"]
    error: Float[Array, "units units"]
    missed: Float[Array, "directions units"]
    rest: Float[Array, "units units"]
    mixed: Float[Array, "units directions"]


def fields(order: Order, group: Group, at: At) -> Fields:
    """The joint Gaussian law of the fields of one group; eq. (11)."""
    m = order.overlap
    outside = order.norm - m @ m.T
    plane, bulk = couplings(at, group.plane), couplings(at, group.bulk)
    root = jnp.linalg.cholesky((m * plane.xx) @ m.T + bulk.xx * outside)
    solve = lambda a: jax.scipy.linalg.solve_triangular(root, a, lower=True)  # noqa: E731
    error = solve((m * plane.ex) @ m.T + bulk.ex * outside).T
    whitened = solve(m)
    inplane, missed = (whitened * plane.xx).T, (whitened * plane.ex).T
    rest = (m * plane.ee) @ m.T + bulk.ee * outside - error @ error.T
    return Fields(root, inplane, error, missed, rest, m * plane.ex - error @ inplane.T)


class Moments(NamedTuple):
    """Averages of f = phi(k h + theta), f' and f' epsilon with one another and with 1, c and z; eq. (12).

    Each of `f`, `slope` (f') and `push` (f' epsilon) is a matrix of rows of units: columns are f, f', f' epsilon
    (units each), then 1, c (directions), z (units).
    """

    f: Float[Array, "units columns"]
    slope: Float[Array, "units columns"]
    push: Float[Array, "units columns"]


def moments(order: Order, group: Group, at: At, laws: Fields, activation: str) -> Moments:
    """The averages that need the hidden fields' values; the only costly part; eq. (12)."""
    units, directions = order.overlap.shape
    modes, count = group.weights.shape
    base = group.centres @ order.overlap.T
    z = group.nodes
    h = at.beta * base[:, None] + z @ laws.root.T
    f, slope = activate(activation, at.inner * h + order.bias)
    error = (1 - at.skip * at.beta) * base[:, None] + z @ laws.error.T - at.gain * f @ order.norm
    push = slope * error
    shape = (modes, count)
    known = [
        jnp.ones((*shape, 1), h.dtype),
        jnp.broadcast_to(group.centres[:, None], (*shape, directions)),
        jnp.broadcast_to(z, (*shape, units)),
    ]
    left = jnp.concatenate([f, slope, push], axis=-1).reshape(modes * count, -1)
    right = jnp.concatenate([left.reshape(modes, count, -1), *known], axis=-1).reshape(modes * count, -1)
    gram = (left * group.weights.reshape(-1, 1)).T @ right
    return Moments(gram[:units], gram[units : 2 * units], gram[2 * units :])


class Columns(NamedTuple):
    """The columns of one row of `Moments`."""

    f: Float[Array, "units units"]
    slope: Float[Array, "units units"]
    push: Float[Array, "units units"]
    one: Float[Array, "units"]
    c: Float[Array, "units directions"]
    z: Float[Array, "units units"]


def columns(row: Float[Array, "units columns"], units: int, directions: int) -> Columns:
    """A row of `Moments`, cut into its columns."""
    r = units
    f, slope, push, one, c, z = jnp.split(row, [r, 2 * r, 3 * r, 3 * r + 1, 3 * r + 1 + directions], axis=1)
    return Columns(f, slope, push, one[:, 0], c, z)


def slopes(order: Order, group: Group, at: At, activation: str) -> Slopes:
    """One group's share of the averages of eqs. (13), (14)."""
    laws = fields(order, group, at)
    return slopes_of(order, group, at, laws, moments(order, group, at, laws, activation))


def slopes_of(order: Order, group: Group, at: At, laws: Fields, found: Moments) -> Slopes:
    """The averages of eqs. (13), (14) from those of eq. (12)."""
    units, directions = order.overlap.shape
    f, slope, push = (columns(row, units, directions) for row in found)
    g, k, m = at.gain, at.inner, order.overlap
    left = 1 - at.skip * at.beta
    bulk = couplings(at, group.bulk)

    mixed = slope.one[:, None] * laws.mixed
    overlap = g * (left * f.c + f.z @ laws.missed.T - g * f.f @ m)
    overlap += g * k * (at.beta * push.c + push.z @ laws.inplane.T + mixed)

    f_error = left * f.c @ m.T + f.z @ laws.error.T - g * f.f @ order.norm
    push_h = at.beta * push.c @ m.T + push.z @ laws.root.T
    one_sided = g * f_error + g * k * push_h
    crossed = f.push + f.push.T
    noise = bulk.ee * f.f + k * bulk.ex * crossed + k**2 * bulk.xx * (push.push + slope.slope * laws.rest)
    return Slopes(overlap, one_sided + one_sided.T, g**2 * noise, g * push.one)


def gain_over_skip(order: Order, groups: tuple[Group, ...], at: At, activation: str) -> Float[Array, ""]:
    """E|x_1 - f_t|^2 - E|x_1 - b_t x_t|^2, of order one, negative where the branch helps; eq. (17)."""
    units, directions = order.overlap.shape
    total = jnp.zeros(())
    for group in groups:
        laws = fields(order, group, at)
        f = columns(moments(order, group, at, laws, activation).f, units, directions)
        pointed = (1 - at.skip * at.beta) * jnp.sum(f.c * order.overlap) + jnp.sum(f.z * laws.error)
        total += -2 * at.gain * pointed + at.gain**2 * jnp.sum(f.f * order.norm)
    return total
