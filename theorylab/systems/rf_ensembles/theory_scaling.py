"""Scaling of the risk with the number of features, and when an ensemble is nearly optimal: section 4."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes, data_exponent, model_exponent
from theorylab.systems.rf_ensembles.theory_tuned import tuned


def _require_growth(growth: float) -> None:
    require(0 < growth <= 1, f"growth of the width, N = M^growth, must be in (0, 1], got {growth}")


def budget_exponent(capacity: float, source: float, growth: float) -> float:
    """s with risk ~ M^-s at N = M^growth features in each of K = M^(1 - growth) members; eq. (14).

    The smaller exponent of squared bias and feature variance; best ridge, samples unlimited.

    Raises: `Refused` for growth outside (0, 1] or exponents that are not above 1.
    """
    _require_growth(growth)
    bias = growth * data_exponent(capacity, source)
    variance = (1 - growth) + growth * model_exponent(capacity, source)
    return min(bias, variance)


def critical_growth(capacity: float, source: float) -> float:
    """Growth from which on the feature variance limits the risk; eq. (15). 1 for hard tasks, source <= 1 + capacity.

    Raises: `Refused` for exponents that are not above 1.
    """
    gap = data_exponent(capacity, source) - model_exponent(capacity, source)
    return 1 / (1 + gap)


def exponent_loss(capacity: float, source: float, growth: float) -> float:
    """How much slower an ensemble of that growth scales than one model, s(1) - s(growth); eq. (16).

    Small only for easy tasks (source > 1 + capacity), growth above `critical_growth`, and capacity near 1.

    Raises: `Refused`.
    """
    return budget_exponent(capacity, source, 1.0) - budget_exponent(capacity, source, growth)


def endless_modes(capacity: float, source: float, largest: int = 10**12) -> Modes:
    """A power law without end, k^-capacity, of unit target power. Raises: `Refused`."""
    found = spectra.scaled(spectra.endless_power_law(capacity, source, largest), 1.0)
    return Modes(*(jnp.asarray(x, float) for x in found))


@jax.jit
def tuned_risks(
    modes: Modes,
    samples: Float[ArrayLike, "points"],
    widths: Float[ArrayLike, "points"],
    members: Float[ArrayLike, "points"],
    noise: ArrayLike,
) -> Float[Array, "points"]:
    """Risk at the best ridge of each setting (P, N, K), one after another: memory of one."""
    points = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (samples, widths, members)))
    return jax.lax.map(lambda point: tuned(modes, point[0], point[1], point[2], noise).risk, tuple(points))


def local_exponents(
    capacity: float, source: float, growth: float, parameters: Float[ArrayLike, "points"]
) -> Float[np.ndarray, "points-1"]:
    """-d log risk / d log M between neighbouring M, samples unlimited, no noise, best ridge.

    Arguments:
      growth: N = M^growth, K = M^(1 - growth), not rounded.
      parameters: M, shape (points,).

    Raises: `Refused`.
    """
    _require_growth(growth)
    total = np.asarray(parameters, float)
    modes = endless_modes(capacity, source)
    risk = np.asarray(tuned_risks(modes, math.inf, total**growth, total ** (1 - growth), 0.0))
    return -np.diff(np.log(risk)) / np.diff(np.log(total))
