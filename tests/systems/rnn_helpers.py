"""What the tests of rnn_integrator share."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.systems.rnn_integrator.filters import target_filter
from theorylab.systems.rnn_integrator.presets import timescale
from theorylab.systems.rnn_integrator.theory_reduced import Task


def predicted(system, instance=None, **numerics):
    """The prediction, compiled, in float64."""
    chosen = system.numerics(instance).replace(**numerics)
    return jax.jit(lambda s, i: s.predict(i, chosen))(system, instance).raise_if_failed()


def simulated(system, runs, instance=None, seed=0):
    """Runs of the simulation, in the tests' float64 unless the system's leaves say float32."""
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(jnp.arange(runs))
    return jax.jit(jax.vmap(lambda k: system.simulate(instance, k)))(keys)


def single(system):
    """The system with float32 leaves, as the engine simulates it."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), system)


def task(pole, lags, frequency=0.0, mask=(1.0, 1.0, 1.0)):
    return Task(target_filter(timescale(pole), frequency, 0.0, jnp.arange(lags) * 1.0), jnp.ones(lags), mask)


def z_scores(runs, prediction):
    runs = np.asarray(runs, float)
    return (runs.mean(0) - np.asarray(prediction)) / (runs.std(0, ddof=1) / math.sqrt(len(runs)))
