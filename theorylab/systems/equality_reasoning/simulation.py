"""The simulation: a two-layer network of finite width, trained online by stochastic gradient descent.

Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Key

from theorylab.data import symbols as data
from theorylab.networks import parametrization
from theorylab.networks.mlp import MLP
from theorylab.systems.equality_reasoning.setting import Drawn, answers, geometry, scale

if TYPE_CHECKING:
    from theorylab.systems.equality_reasoning import EqualityReasoning

Batch = Callable[[Key[Array, ""]], tuple[Array, Array, Array]]
"""Inputs, labels and shares of the examples of a step."""


def simulate(system: EqualityReasoning, instance: Drawn | None, key: Key[Array, ""]) -> dict[str, Array]:
    """One run: a network of `width` neurons on its run's symbols, its test pairs the run's own."""
    init_key, batch_key, novel_key = jax.random.split(key, 3)
    d, gamma = system.dimension, scale(system)
    network = MLP(system.width, 1, "relu", dtype=system.dtype)
    enlarge = jnp.asarray((2.0 * d) ** 0.5, system.dtype)  # the network divides by the root of its input's size
    begin: Any = network.init(init_key, jnp.zeros((1, 2 * d), system.dtype))
    step_size = parametrization.mean_field_rate(system.rate, system.width, gamma)

    def raw(moved: Any, x: Array) -> Array:
        fields: Any = network.apply(jax.tree.map(jnp.add, begin, moved), x * enlarge, gamma)
        return fields.output

    still = jax.tree.map(jnp.zeros_like, begin)
    noisy_test = system.noise if system.noisy != "never" else 0.0
    if instance is None:
        novel = data.draw_novel(novel_key, system.tests, d, system.noisy != "never", system.dtype)
    else:
        novel = instance.novel
    tested = [data.joined(slots) for slots in novel.inputs(noisy_test)]
    tested_start = [raw(still, x) for x in tested]
    batch, repeats = batches(system, instance)
    fixed_start = raw(still, batch(batch_key)[0]) if repeats else None

    def loss(moved: Any, x: Array, labels: Array, shares: Array) -> Array:
        output = raw(moved, x) - (raw(still, x) if fixed_start is None else fixed_start)
        return jnp.sum(shares * jax.nn.softplus(-labels * output))

    def step(i: Any, moved: Any) -> Any:
        # the displacement is what is stored: in the lazy regime a step is far below the weights' rounding error
        slope = jax.grad(loss)(moved, *batch(jax.random.fold_in(batch_key, i)))
        return jax.tree.map(lambda w, g: w - step_size * g, moved, slope)

    def record(moved: Any) -> dict[str, Array]:
        f = [raw(moved, x) - x0 for x, x0 in zip(tested, tested_start, strict=True)]
        weights = jax.tree.map(jnp.add, begin, moved)["params"]
        first, second = weights["first"][:d], weights["first"][d:]
        gram = jnp.stack([jnp.sum(u * v, axis=0) for u, v in ((first, first), (first, second), (second, second))])
        return {**answers(*f), **geometry(weights["readout"], gram)}

    def stretch(moved: Any, ends: tuple[Array, Array]) -> tuple[Any, dict[str, Array]]:
        moved = lax.fori_loop(ends[0], ends[1], step, moved)
        return moved, record(moved)

    recorded = system.recorded()
    begins = np.concatenate([[0], recorded[:-1]])
    _, curves = lax.scan(stretch, still, (jnp.asarray(begins), jnp.asarray(recorded)))
    return {observable.name: curves[observable.name] for observable in system.observables}


def batches(system: EqualityReasoning, instance: Drawn | None) -> tuple[Batch, bool]:
    """What a step trains on, eq. (2), and whether its inputs are the same at every step.

    Without noise there are only L^2 different inputs. Where a batch is larger it is kept as their frequencies, which
    is the same batch with its repetitions added up; an infinite batch has the population's frequencies.
    """
    dtype = system.dtype
    if instance is None:
        size, noise = int(system.batch), system.noise if system.noisy == "always" else 0.0
        even = jnp.full(size, 1.0 / size, dtype)
        return lambda key: (*data.draw_fresh(key, size, system.dimension, noise, dtype), even), False
    symbols = instance.symbols
    count = symbols.shape[0]
    if system.noisy != "always" and count**2 <= system.batch:
        pairs = data.all_pairs(count)
        x = jnp.concatenate([symbols[pairs.first], symbols[pairs.second]], axis=1)
        labels, shares = jnp.asarray(pairs.labels, dtype), jnp.asarray(pairs.shares, dtype)
        if math.isinf(system.batch):
            return lambda key: (x, labels, shares), True
        return lambda key: (x, labels, data.draw_shares(key, count, int(system.batch), dtype)), True
    size = int(system.batch)
    even = jnp.full(size, 1.0 / size, dtype)

    def shown(key: Key[Array, ""]) -> tuple[Array, Array, Array]:
        pair_key, noise_key = jax.random.split(key)
        first, second = data.draw_pairs(pair_key, count, size)
        slots = jnp.stack([symbols[first], symbols[second]])
        if system.noisy == "always":
            slots = slots + system.noise * data.draw(noise_key, 2 * size, system.dimension, dtype).reshape(slots.shape)
        return data.joined(slots), jnp.where(first == second, 1.0, -1.0).astype(dtype), even

    return shown, False
