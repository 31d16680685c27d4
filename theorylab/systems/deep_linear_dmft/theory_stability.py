"""Largest learning rate at which a lazy network does not diverge (docs eqs. (27)-(29))."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from theorylab.systems.deep_linear_dmft import spectrum as data

if TYPE_CHECKING:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT

HALVINGS = 60


def sharpness(system: DeepLinearDMFT) -> Float[Array, ""]:
    """Curvature a unit of kernel: rate * kernel * sharpness < 2 is stable.

    Largest eigenvalue of the sample covariance for one set of samples, of the covariance itself for the population,
    and 2 / (largest stable rate) with the sampling noise of fresh batches.
    """
    unit = float(system.dimension) if system.spectrum == "isotropic" else 1.0
    modes = data.spectrum(system, 200 if system.dimension > 300 else 0)
    values, count = jnp.asarray(modes.values * unit), jnp.asarray(modes.multiplicity / unit)
    samples = float(data.batches(system).min()) / unit
    if math.isinf(samples):
        return values.max()
    if system.data == "batch":
        return sample_edge(values, count, samples)
    return 2 / batch_edge(values, count, samples)


def sample_edge(values: Float[Array, "modes"], count: Float[Array, "modes"], samples: ArrayLike) -> Float[Array, ""]:
    """Upper edge of the sample covariance's eigenvalues: least value above lambda_1 of
    x + (x/P) sum m lambda / (x - lambda), docs eq. (28); (1 + (D/P)^1/2)^2 where all are 1."""
    top = values.max()
    x = _root(
        lambda x: 1 - jnp.sum(count * values**2 / (x - values) ** 2) / samples,
        top,
        top + jnp.sqrt(jnp.sum(count * values**2) / samples),
    )
    return x * (1 + jnp.sum(count * values / (x - values)) / samples)


def batch_edge(values: Float[Array, "modes"], count: Float[Array, "modes"], samples: ArrayLike) -> Float[Array, ""]:
    """Largest rate * kernel x of one-pass descent: sum m x lambda / (P (2 - x lambda)) = 1, docs eq. (29)."""
    return _root(
        lambda x: jnp.sum(count * x * values / (2 - x * values)) / samples - 1, 0 * values.max(), 2 / values.max()
    )


def _root(increasing, low: Float[Array, ""], high: Float[Array, ""]) -> Float[Array, ""]:
    """Root of an increasing function by bisection."""

    def halve(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        above = increasing(middle) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = lax.fori_loop(0, HALVINGS, halve, (low, high))
    return (low + high) / 2
