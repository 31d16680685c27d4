"""The predictions: which theory answers for which setting, and how its own sampling error is told.

Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from theorylab.core import Prediction, Status, require
from theorylab.data.symbols import joined
from theorylab.solvers import ode
from theorylab.systems.equality_reasoning import theory_cone as cone
from theorylab.systems.equality_reasoning import theory_fresh as fresh
from theorylab.systems.equality_reasoning import theory_kernel as kernel
from theorylab.systems.equality_reasoning import theory_particles as particles
from theorylab.systems.equality_reasoning.setting import Drawn, answers, geometry, scale

if TYPE_CHECKING:
    from theorylab.systems.equality_reasoning import EqualityNumerics, EqualityReasoning

Curves = dict[str, Array]


def predict(system: EqualityReasoning, instance: Drawn | None, numerics: EqualityNumerics) -> Prediction:
    """Curves of one setting.

    Raises: `Refused` where training noise meets a finite number of symbols, and for impossible numerics.
    """
    require(
        math.isinf(system.symbols) or system.noisy != "always",
        "noise in training moves the weights out of the span of the symbols: there is no theory for a finite number of "
        "symbols; simulate it (tl.simulate), test noisily only (noisy='test'), or train on fresh symbols (symbols=inf)",
    )
    if instance is None:
        found = _fresh(system, numerics)
    elif system.theory == "kernel":
        found = _kernel(system, instance, numerics)
    else:
        found = _particles(system, instance, numerics)
    kept = {o.name for o in system.observables}
    curves = {name: curve for name, curve in found.curves.items() if name in kept}
    error = {name: curve for name, curve in found.error.items() if name in kept}
    status = jnp.where(ode.all_finite(curves), found.status, jnp.int32(Status.NOT_FINITE))
    return Prediction(curves, status, error, found.facts)


def _particles(system: EqualityReasoning, instance: Drawn, numerics: EqualityNumerics) -> Prediction:
    symbols, gamma = instance.symbols, scale(system)
    same, different = instance.novel.inputs(system.noise)
    starts = [
        particles.start(symbols.shape[0], symbols.shape[1], numerics.particles, seed)
        for seed in range(numerics.scrambles)
    ]

    def one(initial: particles.Start) -> tuple[Curves, Array]:
        states, status = particles.train(
            symbols,
            gamma,
            system.rate,
            system.recorded(),
            initial,
            flow=bool(numerics.flow),
            rtol=numerics.rtol,
            atol=numerics.atol,
            max_steps=numerics.max_steps,
        )

        def record(state: particles.Particles) -> Curves:
            f = (particles.outputs(state, initial, symbols, slots, gamma) for slots in (same, different))
            return {**answers(*f), **particles.shape(state, initial, symbols)}

        return lax.map(record, states), status

    facts = {"accuracy_paper": jnp.asarray(cone.paper_accuracy(symbols.shape[0]))}
    return _averaged(one, starts, facts)


def _averaged(one: Callable[..., tuple[Curves, Array]], starts: list, facts: Curves) -> Prediction:
    """Mean over independently scrambled sets of particles, and its standard error."""
    many, statuses = lax.map(one, jax.tree.map(lambda *x: jnp.stack(x), *starts))
    count = len(starts)
    error = {k: jnp.std(x, 0, ddof=1) / count**0.5 for k, x in many.items()} if count > 1 else {}
    return Prediction({k: jnp.mean(x, 0) for k, x in many.items()}, jnp.max(statuses), error, facts)


def _kernel(system: EqualityReasoning, instance: Drawn, numerics: EqualityNumerics) -> Prediction:
    symbols = instance.symbols
    pairs = kernel.chosen_pairs(symbols.shape[0], numerics.pairs)
    training = kernel.inputs(symbols, pairs)
    steps, counts = kernel.constant_steps(system.rate, system.recorded())
    path = kernel.train(kernel.tangent_kernel(training, training), pairs, steps, counts)
    f = (kernel.outputs(path, training, joined(slots)) for slots in instance.novel.inputs(system.noise))
    return Prediction(dict(answers(*f)))


def _fresh(system: EqualityReasoning, numerics: EqualityNumerics) -> Prediction:
    d, gamma = system.dimension, scale(system)
    noise = system.noise if system.noisy == "always" else jnp.zeros_like(jnp.asarray(system.noise))
    log2 = max(numerics.examples.bit_length() - 1, 1)
    starts = [
        (*fresh.start(d, numerics.particles, seed), fresh.unit_grams(d, log2, numerics.scrambles + seed))
        for seed in range(numerics.scrambles)
    ]
    test = fresh.unit_grams(d, 12, 2 * numerics.scrambles)
    same, different = fresh.example_grams(test, system.noise if system.noisy != "never" else 0.0)

    def one(initial: tuple[Array, Array, Array]) -> tuple[Curves, Array]:
        readout, gram, unit = initial
        begin = fresh.Orbits(jnp.asarray(readout), jnp.asarray(gram))
        states = fresh.train(begin, fresh.example_grams(unit, noise), d, gamma, system.rate, system.recorded())

        def record(state: fresh.Orbits) -> Curves:
            f = (fresh.outputs(state, examples, gamma) for examples in (same, different))
            return {**answers(*f), **geometry(state.readout, state.gram)}

        return lax.map(record, states), jnp.int32(0)

    facts = {}
    if system.noisy == "always":
        facts = {
            "ratio_best": cone.best_ratio(noise),
            "accuracy_best": cone.best_accuracy(noise, d),
        }
    return _averaged(one, starts, facts)
