"""What theory and simulation share: the data's spectrum, the target on it, and when the losses are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from theorylab.data import spectra

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent import SGDResolvent

RECORDS = 48
"""Recorded times at most."""
FIRST_TIME = 1e-3
"""First recorded time of gradient flow, in units of the horizon."""


def spectrum(system: SGDResolvent) -> spectra.Spectrum:
    """Eigenvalues, target powers (of total `signal`) and multiplicities; docs/sgd_resolvent.md section 1."""
    if system.spectrum == "two_level":
        return spectra.scaled(spectra.two_level(system.dimension, system.level), system.signal)
    return spectra.described(system)


def recorded_steps(steps: int) -> np.ndarray:
    """Integer steps from 1 to `steps` at which losses are recorded, evenly over decades."""
    return np.unique(np.round(np.geomspace(1, steps, RECORDS)).astype(int))


def relative_times() -> np.ndarray:
    """Recorded times of gradient flow in units of the horizon, evenly over decades."""
    return np.geomspace(FIRST_TIME, 1.0, RECORDS)
