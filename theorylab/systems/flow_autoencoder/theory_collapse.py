"""Generations of networks, each trained on what the one before generates; docs section 7.

What a network generates has structure along its r weight vectors only; given the hidden projections of the noise it
starts from, it is isotropic in all other directions. So the next generation's target is a group of particles in the
r weight directions, with the bulk's spread along what is left of the real target's directions, eqs. (27)-(29).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from theorylab.core import worst
from theorylab.data.mixtures import Mixture
from theorylab.solvers import quadrature
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder import theory_sampling as sampling
from theorylab.systems.flow_autoencoder import theory_training as training
from theorylab.systems.flow_autoencoder.setting import Start
from theorylab.systems.flow_autoencoder.theory_drift import Group, Order
from theorylab.systems.flow_autoencoder.theory_sampling import Law, Noise

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics


class Generation(NamedTuple):
    """A trained network: order parameters with respect to the real target's directions, and its skips."""

    order: Order
    skip: Float[Array, "times"]


class Basis(NamedTuple):
    """Coordinates of the old weights and of the target's directions in an orthonormal basis of their span, eq. (27).

    Arguments:
      weights: W / sqrt(d), in the first r basis vectors, (units, units).
      directions: V, (directions, units + directions).
    """

    weights: Float[Array, "units units"]
    directions: Float[Array, "directions axes"]


def basis_of(order: Order) -> Basis:
    """An orthonormal basis that starts with the span of the weights; eq. (27)."""
    directions = order.overlap.shape[1]
    root = jnp.linalg.cholesky(order.norm)
    within = jax.scipy.linalg.solve_triangular(root, order.overlap, lower=True).T
    left = jnp.eye(directions) - within @ within.T
    beyond = jnp.linalg.cholesky(left + sampling.JITTER * jnp.eye(directions))
    return Basis(root, jnp.concatenate([within, beyond], axis=1))


def synthetic_group(
    teacher: Generation, system: FlowAutoencoder, share: Float[Array, ""], numerics: FlowNumerics
) -> tuple[Group, Int[Array, ""]]:
    """What a network generates, as particles of total probability `share`; eq. (28).

    The teacher's starting noise and the student's nodes are columns of one joint Sobol set.
    """
    units, directions = teacher.order.overlap.shape
    noisy = len(system.grid_times) - 1 if system.sampler == "sde" else 0
    *starts, nodes = quadrature.sobol_normal([units] * (1 + noisy) + [units], numerics.particles, seed=3)
    count = nodes.shape[0]
    later = jnp.stack([jnp.asarray(part) for part in starts[1:]]) if noisy else jnp.zeros((0, count, units))
    points = Noise(jnp.full(count, 1.0 / count), starts[0], later, jnp.zeros((count, directions - 1)))  # pyright: ignore[reportArgumentType]
    law, status = sampling.law_of(system, teacher.order, teacher.skip, numerics, points)
    basis = basis_of(teacher.order)
    inside = jax.scipy.linalg.solve_triangular(basis.weights, law.hidden.T, lower=True).T
    centres = jnp.concatenate([inside, jnp.zeros((count, directions))], axis=1)
    plane = jnp.concatenate([jnp.zeros(units), law.bulk * jnp.ones(directions)])
    weights = share * jnp.full(count, 1.0 / count)
    return training.particle_group(centres, jnp.asarray(nodes), law.bulk, plane, weights), status


def real_groups(target: Mixture, basis: Basis, share: Float[Array, ""], numerics: FlowNumerics) -> tuple[Group, ...]:
    """The real target in the same coordinates, of total probability `share`."""
    units = basis.weights.shape[0]
    seen = Mixture(target.means @ basis.directions, share * target.shares, target.noise)
    return training.mixture_groups(seen, units, numerics)


def next_generation(
    system: FlowAutoencoder, teacher: Generation, begin: Start, numerics: FlowNumerics
) -> tuple[Generation, Int[Array, ""]]:
    """The network trained on what `teacher` generates, mixed with real data; eqs. (27)-(29)."""
    at, target = setting.schedule(system), setting.mixture(system)
    basis, real = basis_of(teacher.order), jnp.asarray(system.real)
    made, sampled = synthetic_group(teacher, system, 1 - real, numerics)
    groups = (made, *real_groups(target, basis, real, numerics))
    units, directions = teacher.order.overlap.shape
    if system.inherit:
        overlap = jnp.concatenate([basis.weights, jnp.zeros((units, directions))], axis=1)
        order, skip = Order(overlap, teacher.order.norm, teacher.order.bias), teacher.skip
    else:
        order = Order(begin.overlap @ basis.directions, begin.norm, jnp.zeros(units))
        skip = setting.skip_start(system, at)
    tau = jnp.asarray(training.taus(system))[jnp.array([0, -1])]
    path, skips, status = training.train(
        groups, at, training.rates_of(system), order, skip, tau, numerics.coarse(), system.activation
    )
    seen = Order(path.overlap[-1] @ basis.directions.T, path.norm[-1], path.bias[-1])
    return Generation(seen, skips[-1]), worst(sampled, status)


def generations(
    system: FlowAutoencoder, first: Generation, begin: Start, numerics: FlowNumerics
) -> tuple[Generation, Law, Int[Array, ""]]:
    """Every generation's order parameters and law, the first included, stacked."""

    def step(teacher: Generation, _: None) -> tuple[Generation, tuple[Generation, Int[Array, ""]]]:
        student, status = next_generation(system, teacher, begin, numerics)
        return student, (student, status)

    _, (later, statuses) = jax.lax.scan(step, first, None, length=system.generations)
    every: Generation = jax.tree.map(lambda one, rest: jnp.concatenate([one[None], rest]), first, later)
    law, sampled = jax.lax.map(lambda g: sampling.law_of(system, g.order, g.skip, numerics), every)
    return every, law, worst(*statuses, *sampled)
