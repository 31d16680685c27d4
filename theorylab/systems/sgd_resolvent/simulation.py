"""Actual training of a linear model on random data: one run, from zero weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from theorylab.core import require
from theorylab.systems.sgd_resolvent import setting

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent import SGDResolvent

LARGEST_DIMENSION = 50_000
"""Dimension beyond which a run is refused: the theory takes multiplicities, a simulation needs every mode."""

Curves = dict[str, Float[Array, "times"]]
State = Float[Array, "weights"]


def simulate(system: SGDResolvent, key: Key[Array, ""]) -> Curves:
    """Test and training loss of one run at the recorded times.

    Inputs, label noise, features and batches are all drawn from `key`.

    Raises: `Refused` for a dimension that cannot be simulated.
    """
    if system.spectrum == "digits":
        from theorylab.systems.sgd_resolvent import simulation_digits

        return simulation_digits.simulate(system, key)
    require(
        system.dimension <= LARGEST_DIMENSION,
        f"a simulation takes a dimension of at most {LARGEST_DIMENSION}, got {system.dimension}; the theory takes more",
    )
    model = _Model(system, key)
    if system.dynamics == "flow":
        return _flow(system, model)
    return train(system.steps, model.start(), model.update, model.losses)


class _Model:
    """The drawn data and features of one run."""

    def __init__(self, system: SGDResolvent, key: Key[Array, ""]) -> None:
        data, noise, features, self.batches = jax.random.split(key, 4)
        dtype = system.dtype
        found = setting.spectrum(system)
        counts = np.round(_counts(system)).astype(int)
        values, power = (
            jnp.repeat(jnp.asarray(x, dtype), counts, total_repeat_length=system.dimension)
            for x in (found.values, found.power)
        )
        self.system, self.values, self.scale = system, values, jnp.sqrt(values)
        self.target = jnp.sqrt(power / values)
        self.features = None
        if not math.isinf(system.width):
            shape = (system.dimension, int(system.width))
            self.features = jax.random.normal(features, shape, dtype) / math.sqrt(system.width)
        if not math.isinf(system.samples):
            shape = (int(system.samples), system.dimension)
            inputs = self.scale * jax.random.normal(data, shape, dtype)
            self.labels = inputs @ self.target + system.noise * jax.random.normal(noise, shape[:1], dtype)
            self.inputs = inputs if self.features is None else inputs @ self.features

    def start(self) -> State:
        return jnp.zeros(self.system.dimension if self.features is None else int(self.system.width), self.values.dtype)

    def error(self, weights: State) -> Float[Array, "dim"]:
        return self.target - (weights if self.features is None else self.features @ weights)

    def losses(self, weights: State) -> Curves:
        error = self.error(weights)
        found = {"loss": jnp.sum(self.values * error**2)}
        if not math.isinf(self.system.samples):
            found["train_loss"] = jnp.mean((self.labels - self.inputs @ weights) ** 2)
        return found

    def update(self, weights: State, step: Int[Array, ""]) -> State:
        """One step of gradient descent or SGD."""
        system = self.system
        if system.dynamics == "gd" and math.isinf(system.samples):
            slope = self.values * self.error(weights)
            return weights + system.rate * (slope if self.features is None else self.features.T @ slope)
        if system.dynamics == "gd":
            return weights + system.rate / system.samples * ((self.labels - self.inputs @ weights) @ self.inputs)
        key = jax.random.fold_in(self.batches, step)
        if system.dynamics == "multi":
            chosen = draw_batch(key, int(system.samples), system.batch, system.replacement)
            inputs, labels = self.inputs[chosen], self.labels[chosen]
        else:
            data, noise = jax.random.split(key)
            dtype = weights.dtype
            inputs = self.scale * jax.random.normal(data, (system.batch, system.dimension), dtype)
            labels = inputs @ self.target + system.noise * jax.random.normal(noise, (system.batch,), dtype)
            inputs = inputs if self.features is None else inputs @ self.features
        return weights + system.rate / system.batch * ((labels - inputs @ weights) @ inputs)


def _counts(system: SGDResolvent) -> np.ndarray:
    """Multiplicities on the host: static under a trace."""
    match system.spectrum:
        case "given":
            return np.asarray(system.multiplicity or np.ones(np.shape(system.eigenvalues)))
        case "two_level":
            return np.asarray([(system.dimension + 1) // 2, system.dimension // 2])
        case "flat":
            return np.asarray([system.dimension])
        case _:
            from theorylab.data import spectra

            return spectra.binned_indices(system.dimension)[1]


def draw_batch(key: Key[Array, ""], samples: int, batch: int, replacement: bool) -> Int[Array, "batch"]:
    """Indices of a uniformly random batch of the training set."""
    if replacement:
        return jax.random.randint(key, (batch,), 0, samples)
    if batch == samples:
        return jnp.arange(samples)
    # the largest of independent uniform numbers sit at a uniformly random subset
    return jax.lax.top_k(jax.random.uniform(key, (samples,)), batch)[1]


def train(
    steps: int, start: State, update: Callable[[State, Int[Array, ""]], State], losses: Callable[[State], Curves]
) -> Curves:
    """Losses at the recorded steps; the losses themselves are only evaluated there."""
    recorded = setting.recorded_steps(steps)
    bounds = jnp.asarray(np.stack([np.append(0, recorded[:-1]), recorded], -1))

    def stretch(state: State, bound: Int[Array, "2"]) -> tuple[State, Curves]:
        state = jax.lax.fori_loop(bound[0], bound[1], lambda step, s: update(s, step), state)
        return state, losses(state)

    return jax.lax.scan(stretch, start, bounds)[1]


def _flow(system: SGDResolvent, model: _Model) -> Curves:
    """Gradient flow exactly, from the eigendecomposition of the smaller Gram matrix."""
    times = system.horizon * jnp.asarray(setting.relative_times(), model.values.dtype)
    if math.isinf(system.samples):
        # population gradient: rows are the population's own directions, weighted
        rows = model.scale[:, None] * (
            jnp.eye(system.dimension, dtype=model.values.dtype) if model.features is None else model.features
        )
        labels, scale = model.scale * model.target, 1.0
    else:
        rows, labels, scale = model.inputs, model.labels, 1.0 / system.samples
    weights = flow_weights(rows, labels, scale, times)
    return jax.vmap(model.losses)(weights)


def flow_weights(
    rows: Float[Array, "rows weights"], labels: Float[Array, "rows"], scale: float, times: Float[Array, "times"]
) -> Float[Array, "times weights"]:
    """v(t) of dv/dt = scale rows^T (labels - rows v) from v = 0, all times at once."""
    count, weights = rows.shape
    if weights <= count:
        values, vectors = jnp.linalg.eigh(scale * rows.T @ rows)
        drive = vectors.T @ (scale * labels @ rows)
        return (saturation(values, times) * drive) @ vectors.T
    values, vectors = jnp.linalg.eigh(scale * rows @ rows.T)
    return scale * ((saturation(values, times) * (vectors.T @ labels)) @ vectors.T) @ rows


def saturation(values: Float[Array, "modes"], times: Float[Array, "times"]) -> Float[Array, "times modes"]:
    """(1 - exp(-values t)) / values, its limit t at values that round-off makes zero or negative."""
    safe = jnp.where(values > 0, values, 1.0)
    exact = -jnp.expm1(-safe * times[:, None]) / safe
    return jnp.where(values > 0, exact, times[:, None])
