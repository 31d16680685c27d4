"""The order parameters of training, as differential equations in tau = samples / dimension.

Equation numbers are those of docs/flow_autoencoder.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from theorylab.core import Status, status_where, worst
from theorylab.data.mixtures import Mixture
from theorylab.solvers import ode, quadrature
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder.setting import Schedule
from theorylab.systems.flow_autoencoder.theory_drift import At, Group, Order, Slopes, slopes

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics

LARGEST_NORM = 1e6
"""Norms Q above this are called a divergence."""


Slope = TypeVar("Slope")


class Rates(NamedTuple):
    """Learning rates, weight decay and batch, eq. (5)."""

    rate: Float[Array, ""]
    skip: Float[Array, ""]
    bias: Float[Array, ""]
    ridge: Float[Array, ""]
    batch: int


def rates_of(system: FlowAutoencoder) -> Rates:
    """The system's learning rates; none for the skip where it is given, none for a bias that is not there."""
    off = jnp.zeros(())
    skip = jnp.asarray(system.skip_rate) if system.skip == "learned" else off
    bias = jnp.asarray(system.bias_rate) if system.hidden_bias else off
    return Rates(jnp.asarray(system.rate), skip, bias, jnp.asarray(system.ridge), system.batch)


def mixture_groups(target: Mixture, units: int, numerics: FlowNumerics) -> tuple[Group, ...]:
    """A Gaussian mixture as one group: a grid of nodes in common, or from three units on joint Sobol points."""
    modes, directions = target.means.shape
    variance = jnp.asarray(target.noise) ** 2
    plane = variance * jnp.ones(directions)
    if numerics.nodes:
        points, weights = quadrature.trapezoid(units, numerics.nodes, numerics.radius)
        joint = target.shares[:, None] * jnp.asarray(weights)
        return (Group(joint, target.means, plane, variance, jnp.asarray(points)[None]),)
    (nodes,) = quadrature.sobol_normal([units], numerics.particles, seed=1)
    joint = target.shares[:, None] * jnp.full((modes, nodes.shape[0]), 1.0 / nodes.shape[0])
    return (Group(joint, target.means, plane, variance, jnp.asarray(nodes)[None]),)


def target_groups(system: FlowAutoencoder, numerics: FlowNumerics) -> tuple[Group, ...]:
    """The system's target: a mixture, or the digits' scores as they are with isotropic noise outside them."""
    if system.target != "digits":
        return mixture_groups(setting.mixture(system), system.units, numerics)
    from theorylab.systems.flow_autoencoder import digits

    known = digits.target(system.classes, system.components, system.scale)
    scores, bulk = known.images[:, : system.components], jnp.asarray(known.noise**2)
    plane = jnp.zeros(system.components)
    if numerics.nodes and system.units == 1:
        points, weights = quadrature.trapezoid(1, numerics.nodes, numerics.radius)
        joint = jnp.asarray(np.outer(np.full(len(scores), 1.0 / len(scores)), weights))
        return (Group(joint, jnp.asarray(scores), plane, bulk, jnp.asarray(points)[None]),)
    label, nodes = quadrature.sobol_uniform([1, system.units], numerics.particles, seed=6)
    picked = scores[quadrature.choice(label[:, 0], np.ones(len(scores)))]
    return (particle_group(jnp.asarray(picked), jnp.asarray(quadrature.normal(nodes)), bulk),)


def particle_group(
    centres: Float[Array, "particles directions"],
    nodes: Float[Array, "particles units"],
    bulk: Float[Array, ""],
    plane: Float[Array, "directions"] | None = None,
    weights: Float[Array, "particles"] | None = None,
) -> Group:
    """Any density along the structured directions, as particles with a node each; centres and nodes are to be columns
    of one joint Sobol set. `plane` is the variance that a particle itself has, none where it is a point."""
    count, directions = centres.shape
    share = jnp.full((count, 1), 1.0 / count) if weights is None else jnp.asarray(weights)[:, None]
    spread = jnp.zeros(directions) if plane is None else plane
    return Group(share, centres, spread, jnp.asarray(bulk), nodes[:, None])


def mean_bulk(groups: tuple[Group, ...]) -> Float[Array, ""]:
    """<sigma_j^2>, the variance that the skip sees; eq. (8)."""
    return jnp.sum(jnp.stack([jnp.sum(group.weights) * group.bulk for group in groups]))


def skip_at(
    tau: Float[Array, "..."], start: Float[Array, "times"], at: Schedule, variance: Float[Array, ""], rate: Any
) -> Float[Array, "... times"]:
    """b_t(tau) in closed form, eq. (9); `rate` is eta_b w_t."""
    delta = at.alpha**2 + at.beta**2 * variance
    best = at.beta * variance / delta
    return best + (start - best) * jnp.exp(-rate * delta * jnp.asarray(tau)[..., None])


def drift(
    order: Order, groups: tuple[Group, ...], at: Schedule, skip: Float[Array, "times"], rates: Rates, activation: str
) -> Order:
    """d(M, Q, theta) / d tau of weights that all times share, eqs. (13), (14)."""
    points = At(at.alpha, at.beta, at.gain, at.inner, skip)

    def at_one_time(point: At) -> Slopes:
        parts = [slopes(order, group, point, activation) for group in groups]
        return jax.tree.map(lambda *leaves: sum(leaves), *parts)

    # one time after another where there are many particles: their features then stay in the processor's cache
    many = max(group.weights.size for group in groups) > 4096
    each = jax.lax.map(at_one_time, points) if many else jax.vmap(at_one_time)(points)
    mean: Slopes = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), each)
    return Order(
        rates.rate * (mean.overlap - rates.ridge * order.overlap),
        rates.rate * (mean.norm - 2 * rates.ridge * order.norm) + rates.rate**2 / rates.batch * mean.noise,
        rates.bias * mean.bias,
    )


def halted(slope: Slope, norm: Float[Array, "..."]) -> Slope:
    """The drift, or none once the norm has diverged: a blow-up would cost steps without end."""
    gone = ~(jnp.max(jnp.abs(norm)) < 2 * LARGEST_NORM)
    return jax.tree.map(lambda leaf: jnp.where(gone, 0.0, leaf), slope)


def train(
    groups: tuple[Group, ...],
    at: Schedule,
    rates: Rates,
    start: Order,
    skip: Float[Array, "times"],
    tau: Float[Array, "record"],
    numerics: FlowNumerics,
    activation: str,
) -> tuple[Order, Float[Array, "record times"], Int[Array, ""]]:
    """Order parameters and skips at the given tau, the first of which is that of the start; eqs. (9), (13), (14).

    Arguments:
      groups: the target.
      at: the grid's times, each drawn with the same probability.
      start, skip: order parameters and skips at tau[0].
    """
    variance = mean_bulk(groups)
    each = rates.skip / at.time.shape[0]

    def rhs(now: Float[Array, ""], order: Order, args: Any) -> Order:
        tree_groups, tree_rates, first = args
        b = skip_at(now - tau[0], first, at, variance, each)
        return halted(drift(order, tree_groups, at, b, tree_rates, activation), order.norm)

    solution = ode.solve(
        rhs, start, tau, (groups, rates, skip), rtol=numerics.rtol, atol=numerics.atol, max_steps=numerics.max_steps
    )
    order: Order = solution.values
    diverged = ~(jnp.max(jnp.abs(order.norm)) < LARGEST_NORM)
    status = worst(status_where(diverged, Status.NOT_FINITE), solution.status)
    return order, skip_at(tau - tau[0], skip, at, variance, each), status


def taus(system: FlowAutoencoder) -> Float[np.ndarray, "record"]:
    """Recorded training times, from 0."""
    return np.asarray(system.recorded(), float)
