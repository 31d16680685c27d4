"""Kernel gradient descent on the digits set: training points drawn from it with replacement, evaluated on all of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from theorylab.data import digits
from theorylab.systems.sgd_resolvent import setting
from theorylab.systems.sgd_resolvent.simulation import Curves, draw_batch, saturation, train

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent import SGDResolvent


def simulate(system: SGDResolvent, key: Key[Array, ""]) -> Curves:
    """Losses of one run: the predictor on all images, f <- f + rate H (y - f) with H the arc-cosine kernel."""
    dtype = system.dtype
    data, noise, batches = jax.random.split(key, 3)
    pixels, parity = digits.images()
    images = jnp.asarray(pixels, dtype)
    target = jnp.sqrt(system.signal) * jnp.asarray(parity, dtype)
    if math.isinf(system.samples):
        return _one_pass(system, images, target, batches)
    count = int(system.samples)
    chosen = jax.random.randint(data, (count,), 0, digits.COUNT)
    kernel = digits.arc_cosine(images, images[chosen])
    labels = target[chosen] + system.noise * jax.random.normal(noise, (count,), dtype)

    def losses(predictor: Float[Array, "images"]) -> Curves:
        return {
            "loss": jnp.mean((target - predictor) ** 2),
            "train_loss": jnp.mean((labels - predictor[chosen]) ** 2),
        }

    if system.dynamics == "flow":
        times = system.horizon * jnp.asarray(setting.relative_times(), dtype)
        values, vectors = jnp.linalg.eigh(kernel[chosen] / count)
        coefficients = (saturation(values, times) * (vectors.T @ labels)) @ vectors.T / count
        return jax.vmap(losses)(coefficients @ kernel.T)

    def update(predictor: Float[Array, "images"], step: Int[Array, ""]) -> Float[Array, "images"]:
        if system.dynamics == "gd":
            return predictor + system.rate / count * (kernel @ (labels - predictor[chosen]))
        batch = draw_batch(jax.random.fold_in(batches, step), count, system.batch, system.replacement)
        return predictor + system.rate / system.batch * (kernel[:, batch] @ (labels[batch] - predictor[chosen[batch]]))

    return train(system.steps, jnp.zeros(digits.COUNT, dtype), update, losses)


def _one_pass(
    system: SGDResolvent, images: Float[Array, "images pixels"], target: Float[Array, "images"], batches: Key[Array, ""]
) -> Curves:
    """Fresh data are draws from the whole set, the population."""

    def update(predictor: Float[Array, "images"], step: Int[Array, ""]) -> Float[Array, "images"]:
        pick, extra = jax.random.split(jax.random.fold_in(batches, step))
        batch = jax.random.randint(pick, (system.batch,), 0, digits.COUNT)
        residual = target[batch] + system.noise * jax.random.normal(extra, (system.batch,), system.dtype)
        residual = residual - predictor[batch]
        return predictor + system.rate / system.batch * (digits.arc_cosine(images, images[batch]) @ residual)

    start = jnp.zeros(digits.COUNT, system.dtype)
    return train(system.steps, start, update, lambda predictor: {"loss": jnp.mean((target - predictor) ** 2)})
