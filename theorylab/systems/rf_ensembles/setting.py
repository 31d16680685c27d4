"""What theory and simulation share: the data's spectrum, the target on it, and the ridges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.data import digits, spectra

if TYPE_CHECKING:
    from theorylab.systems.rf_ensembles import RFEnsembles


def spectrum(system: RFEnsembles) -> spectra.Spectrum:
    """Eigenvalues, target powers (of total `signal`) and multiplicities; docs/rf_ensembles.md section 1."""
    return spectra.described(system)


def counts(system: RFEnsembles) -> np.ndarray:
    """Multiplicities on the host: static under a trace."""
    match system.spectrum:
        case "given":
            return np.asarray(system.multiplicity or np.ones(np.shape(system.eigenvalues)))
        case "flat":
            return np.asarray([float(system.dimension)])
        case "digits":
            return np.ones(digits.COUNT)
        case _:
            return spectra.binned_indices(system.dimension)[1]


def ridge_grid(system: RFEnsembles) -> Any:
    """The ridges, evenly over decades, shape (ridges,): numpy on the host, JAX under a trace."""
    low, high = system.ridge_low, system.ridge_high
    xp = jnp if isinstance(low, jax.Array) or isinstance(high, jax.Array) else np
    if system.ridges == 1:
        return xp.stack([xp.asarray(low)])
    share = np.linspace(0.0, 1.0, system.ridges)
    logs = xp.log(low) + xp.asarray(share, dtype=xp.result_type(low)) * (xp.log(high) - xp.log(low))
    return xp.exp(logs)
