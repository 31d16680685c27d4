"""Learning curves from two-point equivalents: docs/sgd_resolvent.md sections 3 and 4."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Complex, Float

from theorylab.core import Numerics, Prediction, Status, require, status_where
from theorylab.solvers import volterra
from theorylab.solvers.resolvent import (
    PARABOLA_NODES,
    Modes,
    Transforms,
    descent_stages,
    ellipse,
    ellipse_nodes,
    feature_transforms,
    integrate_pairs,
    parabola,
    renormalised_nodes,
    smallest_parabola_node,
    upper_edge,
)
from theorylab.systems.sgd_resolvent import setting
from theorylab.systems.sgd_resolvent import theory_stability as stability

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent import SGDResolvent

REACH = 4.0
"""The ellipse leaves 0 by REACH / (rate x steps), so that (1 + rate z)^steps stays below e^REACH."""
TIMES_AT_ONCE = 30
"""Gradient-flow times in one batch: bounds memory."""


class ContourNumerics(Numerics):
    """Sizes of the contours; a setting chooses its own from its couplings."""

    nodes: int = eqx.field(static=True, default=160)
    """Nodes of the ellipse (gradient descent and SGD), even."""
    stages: int = eqx.field(static=True, default=40)
    """Stages in which renormalised frequencies are followed to their nodes."""
    flow_nodes: int = eqx.field(static=True, default=PARABOLA_NODES)
    """Upper nodes of each parabola (gradient flow); 18 at most."""


class Setting(eqx.Module):
    """Physics of a learning curve, whatever the dynamics.

    Arguments:
      modes: spectrum and target.
      samples, width: P and N, `inf` allowed; numbers where they are known, so that infinite ones cost nothing.
      noise: label-noise standard deviation.
      fresh: whether `samples` is infinite: no training set, so no training loss.
      vertex, back_coupling: 1 in the theory; see `feature_transforms`.
    """

    modes: Modes
    noise: Float[ArrayLike, ""]
    samples: Array | float
    width: Array | float
    fresh: bool = eqx.field(static=True)
    vertex: ArrayLike = 1.0
    back_coupling: ArrayLike = 1.0

    def edge(self) -> Float[Array, ""]:
        """Upper spectral edge, not differentiated: a contour around the spectrum does not care."""
        modes = jax.lax.stop_gradient(self.modes)
        return upper_edge(modes.values, modes.multiplicity, self.samples, self.width)

    def kappa(self, z: Complex[Array, "nodes"], stages: int) -> tuple[Complex[Array, "nodes"], Bool[Array, ""]]:
        return renormalised_nodes(self.modes, z, self.samples, self.width, stages)

    def transforms(self, z: Complex[Array, "nodes"], kappa: Complex[Array, "nodes"]) -> Transforms:
        return feature_transforms(
            self.modes, z, kappa, self.samples, self.width, self.noise**2, self.vertex, self.back_coupling
        )


class Curves(NamedTuple):
    """A learning curve: test loss, training loss (NaN on fresh data), whether every root was found."""

    loss: Float[Array, "times"]
    train_loss: Float[Array, "times"]
    found: Bool[Array, ""]


def flow_curves(physics: Setting, times: Float[Array, "times"], stages: int, nodes: int = PARABOLA_NODES) -> Curves:
    """Gradient flow at any times >= 0 (rate x steps); docs/sgd_resolvent.md eq. (11) with f_t = exp(z t).

    A contour for each time, so decades cost nothing. Absolute error about 1e-13 of the initial loss.
    """
    times = jnp.asarray(times, float)

    def at(time: Array) -> tuple[Array, Array, Array]:
        safe = jnp.where(time > 0, time, 1.0)
        z, weight = (x[0] for x in parabola(safe[None], nodes))
        kappa, found = physics.kappa(z, stages)
        both = physics.transforms(z, kappa)
        propagator = jnp.exp(z * safe) * weight
        return integrate_pairs(propagator, *both.test), integrate_pairs(propagator, *both.train), found

    # whole batches only: a remainder would be compiled a second time
    count = times.shape[0]
    batches = -(-count // TIMES_AT_ONCE)
    size = -(-count // batches)
    padded = jnp.pad(times, (0, batches * size - count), mode="edge").reshape(batches, size)
    loss, train, found = (x.reshape(-1)[:count] for x in jax.lax.map(jax.vmap(at), padded))
    start = physics.modes.signal()
    return Curves(
        jnp.where(times > 0, loss, start),
        jnp.where(times > 0, train, start + physics.noise**2),
        jnp.all(found),
    )


def descent_curves(
    physics: Setting, steps: Float[Array, "times"], rate: ArrayLike, nodes: int, stages: int, last: ArrayLike
) -> Curves:
    """Full-batch gradient descent at the given steps <= `last`; eq. (11) with f_t = (1 + rate z)^t."""
    z, weight = ellipse(physics.edge(), jnp.asarray(REACH / (rate * last)), nodes)
    kappa, found = physics.kappa(z, stages)
    both = physics.transforms(z, kappa)
    propagator = jnp.exp(jnp.asarray(steps, float)[:, None] * jnp.log1p(rate * z)) * weight
    return Curves(integrate_pairs(propagator, *both.test), integrate_pairs(propagator, *both.train), found)


def noise_factor(rate: ArrayLike, samples: float, batch: int, replacement: bool) -> Array:
    """c_B, variance of the gradient noise of one step in units of the training loss; eq. (13)."""
    if math.isinf(samples):
        return jnp.asarray(rate) ** 2 / batch
    share = 1 - 1 / samples if replacement else (samples - batch) / max(samples - 1, 1)
    return jnp.asarray(rate) ** 2 / batch * share


def stochastic_curves(
    physics: Setting, rate: ArrayLike, factor: ArrayLike, last: int, nodes: int, stages: int
) -> tuple[Curves, Float[Array, ""]]:
    """SGD at every step 0..`last`, and the mass of its noise kernel; eqs. (12)-(14).

    On finite data each step draws a batch of the training set; with `samples` infinite every step sees fresh
    data and the fed-back loss is the test loss with label noise.

    Arguments:
      factor: c_B from `noise_factor`.

    Returns: curves (steps from 0), and the kernel mass n: stable below 1.
    """
    factor = jnp.asarray(factor)
    z, weight = ellipse(physics.edge(), jnp.asarray(REACH / (rate * last)), nodes)
    circle, measure = stability.circle(rate)
    kappa, found = physics.kappa(jnp.concatenate([z, circle]), stages)
    kappa, circle_kappa = jnp.split(kappa, [z.shape[0]])
    mass = stability.mass_on_circle(
        physics.modes, circle_kappa, measure, physics.samples, physics.width, physics.fresh, rate, factor
    )
    both = physics.transforms(z, kappa)
    propagator = jnp.exp(jnp.arange(last + 1.0)[:, None] * jnp.log1p(rate * z)) * weight
    test = integrate_pairs(propagator, *both.test)
    test_kernel = factor * integrate_pairs(propagator, *both.test_kernel)
    if physics.fresh:
        loss = volterra.solve(test + physics.noise**2, test_kernel) - physics.noise**2
        return Curves(loss, jnp.full_like(loss, jnp.nan), found), mass
    train = volterra.solve(
        integrate_pairs(propagator, *both.train), factor * integrate_pairs(propagator, *both.train_kernel)
    )
    return Curves(volterra.accumulate(test, test_kernel, train), train, found), mass


def predict(
    system: SGDResolvent, numerics: ContourNumerics, vertex: float = 1.0, back_coupling: float = 1.0
) -> Prediction:
    """Learning curves of a system at its recorded times, with thresholds of stability as facts.

    Facts: `upper_edge`; `critical_rate` for gradient descent and for one-pass linear regression; `kernel_mass`,
    `stable`, `critical_batch` for SGD, with `asymptote` (test loss at infinite time) for one-pass SGD of linear
    regression.
    """
    modes = Modes(*(jnp.asarray(x, float) for x in setting.spectrum(system)))
    physics = Setting(
        modes, system.noise, system.samples, system.width, math.isinf(system.samples), vertex, back_coupling
    )
    facts: dict[str, Array] = {"upper_edge": physics.edge()}
    if system.dynamics == "flow":
        curves = flow_curves(
            physics, system.horizon * jnp.asarray(setting.relative_times()), numerics.stages, numerics.flow_nodes
        )
    else:
        steps = setting.recorded_steps(system.steps)
        if system.dynamics == "gd":
            curves = descent_curves(
                physics, jnp.asarray(steps), system.rate, numerics.nodes, numerics.stages, system.steps
            )
            facts["critical_rate"] = 2 / facts["upper_edge"]
        else:
            factor = noise_factor(system.rate, system.samples, system.batch, system.replacement)
            every, mass = stochastic_curves(physics, system.rate, factor, system.steps, numerics.nodes, numerics.stages)
            curves = Curves(every.loss[steps], every.train_loss[steps], every.found)
            facts |= {"kernel_mass": mass, "stable": mass < 1}
            facts["critical_batch"] = stability.critical_batch(mass, system.samples, system.batch, system.replacement)
            if math.isinf(system.samples) and math.isinf(system.width):
                facts["critical_rate"] = stability.one_pass_critical_rate(modes, system.batch)
                facts["asymptote"] = jnp.asarray(system.noise) ** 2 * mass / (1 - mass)
    found = {"loss": curves.loss}
    if not math.isinf(system.samples):
        found["train_loss"] = curves.train_loss
    return Prediction(found, status_where(~curves.found, Status.WRONG_BRANCH), {}, facts)


def host_edge(system: SGDResolvent) -> float:
    """Upper spectral edge of a concrete system, computed in numpy."""
    values, _, multiplicity = (np.asarray(x, float) for x in setting.spectrum(system))
    return float(upper_edge(values, multiplicity, system.samples, system.width, xp=np))


def check_rate(system: SGDResolvent) -> float:
    """The upper edge of a concrete system. Raises: `Refused` where rate x edge >= 2 in discrete time."""
    edge = host_edge(system)
    if system.dynamics != "flow":
        name = "largest eigenvalue" if math.isinf(system.samples) and math.isinf(system.width) else "upper edge"
        require(
            float(system.rate) * edge < 2,
            f"rate {float(system.rate):.6g} diverges: the {name} of the curvature is {edge:.6g}, so rate must be "
            f"below 2 / {edge:.6g} = {2 / edge:.6g}",
        )
    return edge


def choose_numerics(system: SGDResolvent) -> ContourNumerics:
    """Nodes and stages that a concrete system needs, rounded up (nodes to 32, stages to 8).

    Raises: `Refused` where rate x edge >= 2 in discrete time.
    """
    edge = check_rate(system)
    modes = Modes(*(np.asarray(x, float) for x in setting.spectrum(system)))  # pyright: ignore[reportArgumentType]
    if system.dynamics == "flow":
        nearest = smallest_parabola_node(float(system.horizon))
        return ContourNumerics(stages=descent_stages(modes, nearest, system.samples, system.width))
    growth = REACH / (float(system.rate) * system.steps)
    nearest = growth if system.dynamics == "gd" else min(growth, stability.nearest_on_circle(float(system.rate), edge))
    stages = descent_stages(modes, nearest, system.samples, system.width)
    return ContourNumerics(nodes=ellipse_nodes(edge, growth), stages=stages)


def host_kernel_mass(system: SGDResolvent) -> float:
    """Kernel mass of a concrete SGD setting: stable below 1."""
    values, power, multiplicity = (np.asarray(x, float) for x in setting.spectrum(system))
    modes = Modes(values, power, multiplicity)  # pyright: ignore[reportArgumentType]
    factor = float(noise_factor(1.0, system.samples, system.batch, system.replacement)) * float(system.rate) ** 2
    return stability.kernel_mass(modes, system.samples, system.width, float(system.rate), factor)
