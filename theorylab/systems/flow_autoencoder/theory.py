"""The theory: order parameters of training, then the law of what is generated. docs/flow_autoencoder.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array

from theorylab.core import Prediction, worst
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder import theory_collapse as collapse
from theorylab.systems.flow_autoencoder import theory_sampling as sampling
from theorylab.systems.flow_autoencoder import theory_separate as separate
from theorylab.systems.flow_autoencoder import theory_training as training
from theorylab.systems.flow_autoencoder.setting import Start
from theorylab.systems.flow_autoencoder.theory_collapse import Generation
from theorylab.systems.flow_autoencoder.theory_drift import At, Order, gain_over_skip
from theorylab.systems.flow_autoencoder.theory_sampling import Law

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics


def predict(system: FlowAutoencoder, instance: Start | None, numerics: FlowNumerics) -> Prediction:
    """Order parameters over training time (or generations, or networks of the grid), and what is generated at its end.

    Exact in the limit of infinite dimension at fixed samples / dimension.

    Arguments:
      instance: overlaps and norms of random initial weights, where they are drawn.
      numerics: how to solve; no physics in it.
    """
    if system.sharing != "weights":
        return _predict_separate(system, instance, numerics)
    at, begin = setting.schedule(system), setting.start(system, instance)
    order = Order(begin.overlap, begin.norm, jnp.zeros(system.units))
    tau = jnp.asarray(training.taus(system))
    groups = training.target_groups(system, numerics)
    path, skips, status = training.train(
        groups, at, training.rates_of(system), order, setting.skip_start(system, at), tau, numerics, system.activation
    )
    last = Generation(jax.tree.map(lambda leaf: leaf[-1], path), skips[-1])
    if system.generations:
        every, laws, ended = collapse.generations(system, last, begin, numerics)
        curves = _over_generations(system, every, laws)
        facts = {}
    else:
        law, ended = sampling.law_of(system, last.order, last.skip, numerics)
        curves = {
            **_along(system, path),
            **_generated(system, law),
            "density": sampling.density(law, setting.edges(system)),
        }
        points = At(at.alpha, at.beta, at.gain, at.inner, last.skip)
        curves["skip"] = last.skip
        curves["gain"] = jax.vmap(lambda p: gain_over_skip(last.order, groups, p, system.activation))(points)
        facts = {"mean": sampling.mean(law)}
    shown = {observable.name: curves[observable.name] for observable in system.observables}
    return Prediction(shown, worst(status, ended), facts=facts)


def generated_over_time(system: FlowAutoencoder, instance: Start | None, numerics: FlowNumerics) -> dict[str, Array]:
    """What would be generated had training stopped at each recorded time: density, occupancy, spread, separation and
    bulk variance, their axes as in the observables and the recorded time last.

    For weights that all times share; the generations are not followed.
    """
    at, begin = setting.schedule(system), setting.start(system, instance)
    order = Order(begin.overlap, begin.norm, jnp.zeros(system.units))
    path, skips, _ = training.train(
        training.target_groups(system, numerics),
        at,
        training.rates_of(system),
        order,
        setting.skip_start(system, at),
        jnp.asarray(training.taus(system)),
        numerics,
        system.activation,
    )

    def stopped(now: tuple[Order, Array]) -> dict[str, Array]:
        law, _ = sampling.law_of(system, *now, numerics)
        return {**_generated(system, law), "density": sampling.density(law, setting.edges(system))}

    made = jax.lax.map(stopped, (path, skips))
    return {name: jnp.moveaxis(curve, 0, -1) for name, curve in made.items()}


def _along(system: FlowAutoencoder, path: Order) -> dict[str, Array]:
    """Order parameters, their leading axis (time, network or generation) put last."""
    count = path.bias.shape[0]
    rows, columns = setting.pairs(system.units)
    return {"overlap": path.overlap.reshape(count, -1).T, "norm": path.norm[:, rows, columns].T, "bias": path.bias.T}


def _generated(system: FlowAutoencoder, law: Law) -> dict[str, Array]:
    return {
        "occupancy": sampling.occupancy(law, setting.mixture(system).means),
        "spread": sampling.spread(law),
        "separation": sampling.separation(law),
        "bulk": law.bulk,
    }


def _over_generations(system: FlowAutoencoder, every: Generation, laws: Law) -> dict[str, Array]:
    made = jax.lax.map(lambda law: _generated(system, law), laws)
    return {**_along(system, every.order), **{name: jnp.moveaxis(curve, 0, -1) for name, curve in made.items()}}


def _predict_separate(system: FlowAutoencoder, instance: Start | None, numerics: FlowNumerics) -> Prediction:
    """A network for each time: profiles over the grid at the end of training, and what they generate together."""
    at, begin = setting.schedule(system), setting.start(system, instance)
    groups = training.target_groups(system, numerics)
    state, skip, status = separate.train(system, begin, jnp.asarray(training.taus(system)), numerics)
    law = separate.law_of(system, state, skip, numerics)
    each = separate.of_each(state)
    points = At(at.alpha, at.beta, at.gain, at.inner, skip)
    curves = {
        **_along(system, each),
        **_generated(system, law),
        "cross": jnp.trace(state.cross, axis1=2, axis2=3) / system.units,
        "density": sampling.density(law, setting.edges(system)),
        "skip": skip,
        "gain": jax.vmap(lambda order, p: gain_over_skip(order, groups, p, system.activation))(each, points),
    }
    shown = {observable.name: curves[observable.name] for observable in system.observables}
    return Prediction(shown, status, facts={"mean": sampling.mean(law)})
