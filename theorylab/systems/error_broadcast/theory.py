"""Which theory answers for which setting. Equation numbers are those of docs/error_broadcast.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import vmap
from jaxtyping import Array

from theorylab.core import Numerics, Prediction
from theorylab.systems.error_broadcast import theory_channel as channel
from theorylab.systems.error_broadcast import theory_floors as floors
from theorylab.systems.error_broadcast import theory_flow as flow
from theorylab.systems.error_broadcast.setting import Drawn, memory_share, variances

if TYPE_CHECKING:
    from theorylab.systems.error_broadcast import ErrorBroadcast


def predict(system: ErrorBroadcast, instance: Drawn | None, numerics: Numerics) -> Prediction:
    """The prediction for a setting."""
    if instance is not None:
        return _linear(system, instance, numerics)
    return _channel(system) if system.model == "channel" else _floor(system)


def problem_of(system: ErrorBroadcast, instance: Drawn) -> tuple[flow.Problem, flow.Weights]:
    """The drawn problem and the weights to begin with, as the flow knows them."""
    problem = flow.Problem(instance.target, variances(system.dimension, system.capacity), system.noise)
    return problem, flow.Weights(instance.first, instance.second, instance.feedback)


def _linear(system: ErrorBroadcast, instance: Drawn, numerics: Numerics) -> Prediction:
    problem, start = problem_of(system, instance)
    solution = flow.flow(
        problem,
        start,
        system.rate * jnp.asarray(system.recorded(), jnp.asarray(system.rate).dtype),
        rule=system.rule,
        memory=system.memory,
        hidden_rate=system.hidden_rate,
        readout_rate=system.readout_rate,
        rtol=numerics.rtol,
        atol=numerics.atol,
        max_steps=numerics.max_steps,
    )

    def record(weights: flow.Weights) -> dict[str, Array]:
        return {
            "mean_square": flow.mean_square(problem, weights),
            "feedback": jnp.linalg.norm(weights.feedback),
            "correlation": jnp.linalg.norm(flow.layer_correlation(problem, weights)),
        }

    curves: Any = vmap(record)(solution.values)
    facts: dict[str, Any] = {
        "wiener": problem.wiener,
        "rank_optimum": flow.rank_optimum(problem, system.width),
        "first_layer_kept": flow.least_squares(problem, instance.first),
    }
    if system.width <= system.outputs and system.rule != "bp":
        facts["aligned_end"] = flow.aligned_end(problem, instance.feedback)
    judged = {o.name: curves[o.name] for o in system.observables}
    return Prediction(judged, solution.status, {}, facts)


def _floor(system: ErrorBroadcast) -> Prediction:
    kappa, renewal = variances(system.width, system.capacity), memory_share(system)
    step = system.rate * system.readout_rate
    each = jnp.full(system.width, 1.0) * system.feedback**2
    start = floors.Moments(jnp.zeros_like(each), jnp.zeros_like(each), each)
    power, off = floors.windows(start, kappa, renewal, system.batch, system.noise, step, system.recorded()[1:])
    facts = {
        "floor_open": floors.open_loop(kappa, 1 - renewal, system.batch, system.noise, system.outputs),
        "floor_closed": floors.closed_loop(kappa, 1 - renewal, system.batch, system.noise, step, system.outputs),
        "excess_late": floors.excess(kappa, system.batch, system.noise, step, system.outputs),
    }
    return Prediction({"feedback_power": system.outputs * power, "excess": system.outputs * off}, 0, {}, facts)


def _channel(system: ErrorBroadcast) -> Prediction:
    return Prediction({"mean_square": channel.mmse(system.snr)})
