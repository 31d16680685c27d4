"""The simulation: the full network, trained by (stochastic) gradient descent through its own recursion.

Equation numbers are those of docs/rnn_integrator.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theorylab.core import require
from theorylab.networks import rnn
from theorylab.networks.rnn import RNN
from theorylab.systems.rnn_integrator import filters
from theorylab.systems.rnn_integrator.start import Vectors, initial_vectors

if TYPE_CHECKING:
    from theorylab.systems.rnn_integrator import RNNIntegrator

STEPS_PER_UNIT = 4
"""Runge-Kutta steps in a unit of continuous time."""

Loss = Callable[[RNN, Key[Array, ""]], Float[Array, ""]]


def simulate(system: RNNIntegrator, instance: Vectors | None, key: Key[Array, ""]) -> dict[str, Array]:
    """One run: a network of `width` units, its recurrent matrix and the directions of its vectors random.

    Stochastic gradient descent draws fresh white noise each step and differentiates the squared error of the outputs;
    flow and descent differentiate the population loss. Recorded is the population loss in all cases.

    Raises: `Refused` for an infinite width.
    """
    require(math.isfinite(system.width), "an infinite network cannot be simulated; give width as an integer")
    frame_key, bulk_key, noise_key = jax.random.split(key, 3)
    vectors = initial_vectors(system, instance)
    n, d = int(system.width), vectors.readin.shape[0]
    frame = random_frame(frame_key, n, d, system.dtype)
    bulk = system.bulk / jnp.sqrt(jnp.asarray(n, system.dtype))
    network = RNN(
        bulk * jax.random.normal(bulk_key, (n, n), system.dtype), frame @ vectors.readin, frame @ vectors.readout
    )
    slope, population, mask = training_gradient(system), population_loss(system), system.mask

    def step(i: Any, net: RNN) -> RNN:
        gradient = slope(net, jax.random.fold_in(noise_key, i))
        return RNN(*(x - system.rate * g if m else x for x, g, m in zip(net, gradient, mask, strict=True)))

    def stretch(net: RNN, ends: tuple[Array, Array]) -> tuple[RNN, dict[str, Array]]:
        net = jax.lax.fori_loop(ends[0], ends[1], step, net)
        return net, {"loss": population(net), **spectrum(frame.T @ net.recurrent @ frame)}

    recorded = system.recorded()
    begins = np.concatenate([recorded[:1], recorded[:-1]])
    last, curves = jax.lax.scan(stretch, network, (jnp.asarray(begins), jnp.asarray(recorded)))
    curves["filter"] = learned_filter(system, last)
    return {observable.name: curves[observable.name] for observable in system.observables}


def training_gradient(system: RNNIntegrator) -> Callable[[RNN, Key[Array, ""]], RNN]:
    """The gradient of a step: of the sampled loss by automatic differentiation through the network's run, of the
    population loss by its exact expression (eq. (7); in continuous time and over an infinite horizon again by
    automatic differentiation)."""
    if system.dynamics == "sgd":
        return jax.grad(sampled_loss(system))
    if system.timing == "continuous" or math.isinf(system.horizon):
        population = population_loss(system)
        return jax.grad(lambda net, _: population(net))
    target, weights = task_of(system)
    return lambda net, _: rnn.grads(net, target, weights)


def random_frame(key: Key[Array, ""], n: int, d: int, dtype: Any) -> Float[Array, "n d"]:
    """d orthonormal vectors of uniformly random directions in n dimensions (d = 1 or 2)."""
    columns: list[Array] = []
    for x in jax.random.normal(key, (d, n), dtype):
        for column in columns:
            x = x - column * jnp.dot(column, x)  # noqa: PLW2901
        columns.append(x / jnp.linalg.norm(x))
    return jnp.stack(columns, axis=1)


def spectrum(block: Float[Array, "d d"]) -> dict[str, Float[Array, ""]]:
    """The recurrent matrix between the initial vectors: its entry, or trace and discriminant; eqs. (9), (30)."""
    if block.shape[0] == 1:
        return {"overlap": block[0, 0]}
    difference = block[0, 0] - block[1, 1]
    return {
        "trace": block[0, 0] + block[1, 1],
        "discriminant": difference * difference + 4.0 * block[0, 1] * block[1, 0],
    }


def population_loss(system: RNNIntegrator) -> Callable[[RNN], Float[Array, ""]]:
    """The population loss of a network, eq. (4); over an infinite horizon eq. (17), in continuous time eq. (27)."""
    if math.isinf(system.horizon):
        return lambda net: _infinite_loss(system, net)
    target, weights = task_of(system)
    if system.timing == "continuous":
        return lambda net: rnn.population_loss(
            net._replace(recurrent=rnn.propagator(net.recurrent, 1.0 / STEPS_PER_UNIT)), target, weights
        )
    return lambda net: rnn.population_loss(net, target, weights)


def task_of(system: RNNIntegrator) -> tuple[Float[Array, "lag"], Float[Array, "lag"]]:
    """Target filter and loss weights at the lags that the loss sums over."""
    horizon = int(system.horizon)
    if system.timing == "discrete":
        lags = jnp.arange(horizon, dtype=system.dtype)
        spread = jnp.ones_like(lags)
    else:
        count = STEPS_PER_UNIT * horizon + 1
        lags = jnp.arange(count, dtype=system.dtype) / STEPS_PER_UNIT
        spread = jnp.asarray(filters.quadrature(count, 1.0 / STEPS_PER_UNIT), system.dtype)
    target = filters.target_filter(system.timescale, system.frequency, system.phase, lags)
    return target, spread * filters.loss_weights(system.weights, system.discount, lags, system.horizon)


def _infinite_loss(system: RNNIntegrator, net: RNN) -> Float[Array, ""]:
    # discounting by gamma^tau is the plain loss of sqrt(gamma) W and of a target that decays faster by sqrt(gamma)
    fade = jnp.sqrt(jnp.asarray(system.discount)) if system.weights == "discount" else jnp.ones((), system.dtype)
    omega, phase = jnp.asarray(system.frequency), jnp.asarray(system.phase)
    a = fade * filters.pole(system.timescale)
    turn = jnp.stack([jnp.stack([jnp.cos(omega), -jnp.sin(omega)]), jnp.stack([jnp.sin(omega), jnp.cos(omega)])])
    excited = jnp.array([1.0, 0.0], system.dtype)
    read = jnp.stack([jnp.cos(phase), -jnp.sin(phase)])
    return rnn.infinite_loss(net._replace(recurrent=fade * net.recurrent), a * turn, excited, read)


def sampled_loss(system: RNNIntegrator) -> Loss:
    """The loss of a batch of white-noise sequences, drawn from the key it is given, eq. (26).

    With discounted weights, noise a lag before the sequence's end has variance discount^lag.
    """
    lags = jnp.arange(int(system.horizon), dtype=system.dtype)
    target = filters.target_filter(system.timescale, system.frequency, system.phase, lags)
    loudness = 1.0
    if system.weights == "discount":
        loudness = jnp.sqrt(filters.loss_weights("discount", system.discount, lags, system.horizon))[::-1]

    def of_batch(net: RNN, key: Key[Array, ""]) -> Float[Array, ""]:
        x = loudness * jax.random.normal(key, (system.batch, lags.shape[0]), system.dtype)
        return rnn.sampled_loss(net, x, target, system.weights == "average")

    return of_batch


def learned_filter(system: RNNIntegrator, net: RNN) -> Float[Array, "lag"]:
    """Impulse response of a trained network at the lags that are shown."""
    if system.timing == "continuous":
        power = net._replace(recurrent=rnn.propagator(net.recurrent, 1.0 / STEPS_PER_UNIT))
        count = STEPS_PER_UNIT * int(system.horizon) + 1
        return rnn.impulse_response(power, count)[::STEPS_PER_UNIT]
    return rnn.impulse_response(net, system.lags_shown)


def training_noise(system: RNNIntegrator, key: Key[Array, ""]) -> Float[np.ndarray, "step batch time"]:
    """The input sequences that a run of this key trains on, for a theory that follows it path by path."""
    noise_key = jax.random.split(key, 3)[2]
    shape = (system.batch, int(system.horizon))
    draw = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(noise_key, i), shape, system.dtype))
    return np.asarray(draw(jnp.arange(system.steps)))
