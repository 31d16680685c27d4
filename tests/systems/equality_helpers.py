"""What the tests of equality_reasoning share."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from theorylab.data import symbols as data
from theorylab.systems.equality_reasoning import setting
from theorylab.systems.equality_reasoning import theory_cone as cone
from theorylab.systems.equality_reasoning import theory_kernel as kernel
from theorylab.systems.equality_reasoning import theory_particles as particles

INF, NAN = math.inf, math.nan

# one program each, rather than one an operation
outputs = jax.jit(particles.outputs)
force = jax.jit(particles.force)
weight_gram = jax.jit(particles.weight_gram)
span_of = jax.jit(particles.span_of)
kernel_outputs = jax.jit(kernel.outputs)
kernel_train = jax.jit(kernel.train)
tangent_kernel = jax.jit(kernel.tangent_kernel)
answers = jax.jit(setting.answers)
bayes_generalizing = jax.jit(cone.bayes_generalizing)
best_accuracy = jax.jit(cone.best_accuracy)


def symbols_of(count, dimension, seed=0):
    return data.draw(jax.random.key(seed), count, dimension, jnp.float64)


def words(comparison):
    assert not comparison.failure
    return {name: one.word for name, one in comparison.rungs[-1].agreements.items()}
