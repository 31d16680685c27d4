"""The activations as the theory sees them: values, slopes, averages over a Gaussian shift."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike

from theorylab.solvers import quadrature
from theorylab.systems.adaptive_kernels.theory_lazy import Activation

SHIFTS = 61
"""Nodes of the shift where its average has no closed form (tanh)."""


def value(activation: Activation, h: Array) -> Array:
    """phi(h); erf is h -> erf(h / sqrt 2)."""
    if activation == "linear":
        return h
    if activation == "relu":
        return jnp.maximum(h, 0.0)
    return jax.scipy.special.erf(h / math.sqrt(2)) if activation == "erf" else jnp.tanh(h)


def slope(activation: Activation, h: Array) -> Array:
    """phi'(h)."""
    if activation == "linear":
        return jnp.ones_like(h)
    if activation == "relu":
        return (h > 0).astype(h.dtype)
    return math.sqrt(2 / math.pi) * jnp.exp(-0.5 * h**2) if activation == "erf" else 1 - jnp.tanh(h) ** 2


def shifted(activation: Activation, mean: Array, variance: ArrayLike) -> Array:
    """E phi(mean + sqrt(variance) e), e standard normal; elementwise."""
    variance = jnp.maximum(jnp.asarray(variance), 0.0)
    if activation == "linear":
        return mean
    if activation == "erf":
        return jax.scipy.special.erf(mean / jnp.sqrt(2 * (1 + variance)))
    if activation == "relu":
        spread = jnp.sqrt(jnp.where(variance > 0, variance, 1.0))
        z = mean / spread
        smooth = mean * jax.scipy.special.ndtr(z) + spread * jnp.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        return jnp.where(variance > 0, smooth, jnp.maximum(mean, 0.0))
    return average(lambda h: value(activation, h), mean, variance)


def average(function: Callable[[Array], Array], mean: Array, variance: ArrayLike) -> Array:
    """E function(mean + sqrt(variance) e), e standard normal, by the trapezoid rule; elementwise."""
    nodes, weights = quadrature.trapezoid(1, SHIFTS)
    spread = jnp.sqrt(jnp.maximum(jnp.asarray(variance), 0.0))

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        shift, share = node
        return total + share * function(mean + spread * shift), None

    start = jnp.zeros(jnp.broadcast_shapes(mean.shape, spread.shape))
    return lax.scan(add, start, (jnp.asarray(nodes[:, 0]), jnp.asarray(weights)))[0]
