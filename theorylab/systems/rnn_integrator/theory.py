"""The prediction: which theory holds for a setting, and what it says.

Equation numbers are those of docs/rnn_integrator.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from theorylab.core import Prediction, Status, status_where
from theorylab.solvers import ode
from theorylab.systems.rnn_integrator import filters
from theorylab.systems.rnn_integrator.start import Vectors, initial_vectors
from theorylab.systems.rnn_integrator.theory_fock import dominant, lifted
from theorylab.systems.rnn_integrator.theory_lazy import lag_kernel, lazy_response
from theorylab.systems.rnn_integrator.theory_oscillator import coalescence_time
from theorylab.systems.rnn_integrator.theory_reduced import (
    Force,
    Reduced,
    Task,
    descent,
    flow,
    gradient,
    invariants,
    response,
)
from theorylab.systems.rnn_integrator.theory_scalar import curvature, sampled_largest_rate

if TYPE_CHECKING:
    from theorylab.systems.rnn_integrator import RNNIntegrator, RNNNumerics

LAGS_PER_UNIT = 16
"""Lags in a unit of continuous time; Gregory's quadrature is then good to 1e-6 of the initial loss."""
SUBSTEP_DOUBLINGS = 2
"""Each lag's propagator is a Runge-Kutta step of a quarter of it, squared twice."""


def predict(system: RNNIntegrator, instance: Vectors | None, numerics: RNNNumerics) -> Prediction:
    """Loss, eigenvalues and final filter of a setting, at its recorded steps.

    Without a bulk the answer is exact at every width (eq. (8)); with one it is the infinite-width limit (eq. (21)).
    Where only the read-out or only the read-in is trained, the infinite-width limit is a closed form (eq. (24)).
    Stochastic gradient descent is predicted by its mean step: corrections are of order rate / batch.

    Arguments:
      instance: the starting vectors where they are drawn.
      numerics: `depth` 0 leaves the bulk out; the fact `bulk_left_out` then says how large it was.
    """
    task = task_of(system, numerics)
    vectors = initial_vectors(system, instance)
    if system.fixed_features:
        curves, status = _fixed_features(system, task, vectors)
    else:
        curves, status = _trained(system, task, vectors, numerics)
    time = system.rate * jnp.asarray(system.recorded())
    facts = _facts(system, task, vectors, time, curves)
    if numerics.depth == 0 and not system.fixed_features:
        facts["bulk_left_out"] = jnp.asarray(system.bulk)
    curves["filter"] = curves["filter"][-1]
    names = [observable.name for observable in system.observables]
    return Prediction({name: curves[name] for name in names}, status, facts=facts)


def task_of(system: RNNIntegrator, numerics: RNNNumerics) -> Task:
    """Target, loss weights and trained parts, on the lags that the theory sums over."""
    if system.timing == "continuous":
        count = LAGS_PER_UNIT * int(system.horizon) + 1
        lags = jnp.arange(count) / float(LAGS_PER_UNIT)
        spread = jnp.asarray(filters.quadrature(count, 1.0 / LAGS_PER_UNIT))
    else:
        lags = jnp.arange(numerics.lags if math.isinf(system.horizon) else int(system.horizon)) * 1.0
        spread = jnp.ones_like(lags)
    target = filters.target_filter(system.timescale, system.frequency, system.phase, lags)
    weights = filters.loss_weights(system.weights, system.discount, lags, system.horizon)
    return Task(target, weights * spread, system.mask)


def propagator(recurrent: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """exp((M - 1) / LAGS_PER_UNIT), eq. (27), to round-off in practice."""
    identity = jnp.eye(recurrent.shape[0])
    x = (recurrent - identity) / float(LAGS_PER_UNIT * 2**SUBSTEP_DOUBLINGS)
    x2 = x @ x
    step = identity + x + x2 / 2 + x2 @ x / 6 + x2 @ x2 / 24
    for _ in range(SUBSTEP_DOUBLINGS):
        step = step @ step
    return step


def continuous_gradient(state: Reduced, task: Task) -> Reduced:
    """Gradient in continuous time: that of the discrete network exp((M - 1) dt), carried back to M, eq. (27)."""
    power, back = jax.vjp(propagator, state.recurrent)
    slope = gradient(state._replace(recurrent=power), task)
    return slope._replace(recurrent=back(slope.recurrent)[0])


def _trained(
    system: RNNIntegrator, task: Task, vectors: Vectors, numerics: RNNNumerics
) -> tuple[dict[str, Array], Int[Array, ""]]:
    continuous = system.timing == "continuous"
    force: Force = continuous_gradient if continuous else gradient
    directions = vectors.readin.shape[0]
    shown = slice(None, None, LAGS_PER_UNIT) if continuous else slice(system.lags_shown)

    def record(state: Reduced) -> dict[str, Array]:
        seen = state._replace(recurrent=propagator(state.recurrent)) if continuous else state
        filter_ = response(seen, task.target.shape[0])
        lost = 0.5 * jnp.sum(task.weights * (filter_ - task.target) ** 2)
        block = state.recurrent[:directions, :directions]
        seen_now = {"loss": lost, "filter": filter_[shown], **invariants(block)}
        return seen_now | ({"outlier": dominant(state.recurrent)} if directions == 1 else {})

    start = lifted(vectors, system.bulk, numerics.depth)
    recorded = system.recorded()
    if system.dynamics == "flow":
        return flow(
            force,
            start,
            task,
            system.rate * jnp.asarray(recorded),
            record,
            rtol=numerics.rtol,
            atol=numerics.atol,
            max_steps=numerics.max_steps,
            stiff=bool(numerics.stiff),
        )
    return descent(force, start, task, system.rate, recorded, record)


def _fixed_features(system: RNNIntegrator, task: Task, vectors: Vectors) -> tuple[dict[str, Array], Int[Array, ""]]:
    lags = task.target.shape[0]
    lengths = (jnp.linalg.norm(vectors.readin), jnp.linalg.norm(vectors.readout))
    kernel = lag_kernel(system.bulk, lengths, task.mask, lags)
    first = jnp.zeros(lags).at[0].set(jnp.dot(vectors.readin, vectors.readout))
    time = system.rate * jnp.asarray(system.recorded())
    rate = None if system.dynamics == "flow" else system.rate
    filters_ = lazy_response(kernel, first, task.target, task.weights, time, rate)
    losses = 0.5 * jnp.sum(task.weights * (filters_ - task.target) ** 2, axis=1)
    curves = {"loss": losses, "filter": filters_[:, : system.lags_shown]}
    return curves, status_where(~ode.all_finite(curves), Status.NOT_FINITE)


def _facts(
    system: RNNIntegrator, task: Task, vectors: Vectors, time: Float[Array, "record"], curves: dict[str, Any]
) -> dict[str, Array]:
    hc = largest_curvature(system, task, vectors)
    facts = {
        "half_loss_time": half_loss_time(time, curves["loss"]),
        "curvature": hc,
        "kappa": system.rate * hc,
        "largest_rate": 2.0 / hc,
    }
    if system.dynamics == "sgd":
        facts["largest_rate"] = sampled_largest_rate(hc, system.batch)
    if "discriminant" in curves:
        facts["coalescence_time"] = coalescence_time(time, curves["discriminant"])
    if "outlier" in curves:
        facts["outlier"] = curves["outlier"][-1]
    return facts


def largest_curvature(system: RNNIntegrator, task: Task, vectors: Vectors, xp: Any = jnp) -> Any:
    """Curvature of the loss at the solution without a bulk, eqs. (16), (19): trained vectors have reached length 1,
    frozen ones have the length that they started with.

    Arguments:
      xp: jax.numpy, or numpy to answer at once on the host.
    """
    continuous = system.timing == "continuous"
    lags = xp.arange(task.target.shape[0]) / (float(LAGS_PER_UNIT) if continuous else 1.0)
    _, readin, readout = task.mask
    u = 1.0 if readin else xp.linalg.norm(xp.asarray(vectors.readin))
    v = 1.0 if readout else xp.linalg.norm(xp.asarray(vectors.readout))
    target = (system.timescale, system.frequency, system.phase)
    return curvature(lags, *target, xp.asarray(task.weights), task.mask, (u, v), continuous, xp)


def half_loss_time(time: Float[Array, "record"], losses: Float[Array, "record"]) -> Float[Array, ""]:
    """Time at which the loss first falls to half its initial value, interpolated; infinite where it does not."""
    half = 0.5 * losses[0]
    below = (losses[1:] <= half) & (losses[:-1] > half)
    i = jnp.argmax(below)
    drop = jnp.where(below[i], losses[i] - losses[i + 1], 1.0)
    return jnp.where(jnp.any(below), time[i] + (time[i + 1] - time[i]) * (losses[i] - half) / drop, jnp.inf)
