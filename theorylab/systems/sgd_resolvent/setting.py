"""What theory and simulation share: the data's spectrum, the target on it, and when the losses are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.data import digits, spectra

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent import SGDResolvent

RECORDS = 48
"""Recorded times at most."""
FIRST_TIME = 1e-3
"""First recorded time of gradient flow, in units of the horizon."""


def spectrum(system: SGDResolvent) -> spectra.Spectrum:
    """Eigenvalues, target powers (of total `signal`) and multiplicities; docs/sgd_resolvent.md section 1."""
    match system.spectrum:
        case "power_law":
            found = spectra.power_law(system.dimension, system.capacity, system.source)
        case "two_level":
            found = spectra.two_level(system.dimension, system.level)
        case "flat":
            found = spectra.flat(system.dimension)
        case "digits":
            values, power = digits.kernel_spectrum()
            found = spectra.Spectrum(values, power, np.ones_like(values))
        case _:
            values: Any = system.eigenvalues
            power: Any = system.target_power
            counts = system.multiplicity or np.ones(np.shape(values))
            found = spectra.Spectrum(values, power, np.asarray(counts, np.float64))  # pyright: ignore[reportArgumentType]
    return spectra.scaled(found, system.signal)


def recorded_steps(steps: int) -> np.ndarray:
    """Integer steps from 1 to `steps` at which losses are recorded, evenly over decades."""
    return np.unique(np.round(np.geomspace(1, steps, RECORDS)).astype(int))


def relative_times() -> np.ndarray:
    """Recorded times of gradient flow in units of the horizon, evenly over decades."""
    return np.geomspace(FIRST_TIME, 1.0, RECORDS)
