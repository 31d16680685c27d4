"""The data's definition, shared by theory and simulation: covariance, target, schedules of rate and batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theorylab.data import gaussian
from theorylab.data.spectra import Spectrum

if TYPE_CHECKING:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT


def spectrum(system: DeepLinearDMFT, groups: int = 0) -> Spectrum:
    """Eigenvalues lambda_k, target powers lambda_k w*_k^2 and multiplicities of the covariance, docs eq. (22).

    Arguments:
      groups: logarithmic groups that a power law is gathered in; 0: every mode by itself.
    """
    if system.spectrum == "power_law":
        grid = gaussian.log_groups(system.dimension, groups) if groups else gaussian.every_mode(system.dimension)
        return gaussian.power_law(*grid, system.spectrum_exponent, system.task_exponent, system.normalized)
    if system.spectrum == "modes":
        lam, power, count = (jnp.asarray(column, float) for column in zip(*system.modes, strict=True))
        return Spectrum(lam, lam * power, count)
    each = jnp.full(1, 1.0 / system.dimension)
    return Spectrum(each, each, jnp.full(1, float(system.dimension)))


def rates(system: DeepLinearDMFT) -> Float[Array, "time"]:
    """Learning rate of every step: rate / (1 + rate_decay t), times the profile, linear between its knots."""
    t = jnp.arange(system.steps)
    falling = system.rate / (1 + system.rate_decay * t)
    profile = jnp.asarray(system.rate_profile)
    if profile.shape == (1,):
        return falling * profile[0]
    return falling * jnp.interp(t, jnp.linspace(0, system.steps - 1, profile.shape[0]), profile)


def batches(system: DeepLinearDMFT) -> np.ndarray:
    """Samples that each step sees, (T,); inf where the population is seen."""
    seen = np.full(system.steps, math.inf if system.data == "population" else float(system.samples))
    if system.data == "online":
        for start, size in system.batch_schedule:
            seen[start:] = size
    return seen


def anchors(steps: int) -> np.ndarray:
    """Steps s of the recorded two-time correlation C_v(t, s): first, last and two between."""
    return np.unique(np.round(np.linspace(0, steps - 1, 4)).astype(int))
