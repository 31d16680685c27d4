"""What the rf_ensembles figures share: risks of many settings at once, at given ridges and at the best."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes
from theorylab.systems.rf_ensembles import theory
from theorylab.systems.rf_ensembles.theory_tuned import tuned

jax.config.update("jax_enable_x64", True)

SPLITS = (1, 2, 4, 8, 16, 32)

_risks = jax.jit(jax.vmap(theory.ensemble_risk, (None, 0, 0, 0, 0, None)))
_tuned = jax.jit(jax.vmap(tuned, (None, 0, 0, 0, None)))


def power_law(dimension: int = 3000, capacity: float = 1.3, source: float = 2.04) -> Modes:
    """A power-law spectrum of target power 1."""
    found = spectra.scaled(spectra.power_law(dimension, capacity, source), 1.0)
    return Modes(*(jnp.asarray(x) for x in found))


def risks(modes: Modes, ridge: Any, samples: Any, width: Any, members: Any, noise: float) -> theory.Risk:
    """Risk and its parts, any of the settings an array."""
    parts = np.broadcast_arrays(*(np.asarray(x, float) for x in (ridge, samples, width, members)))
    found = _risks(modes, *(jnp.asarray(x.ravel()) for x in parts), noise)
    return jax.tree.map(lambda x: np.asarray(x).reshape(parts[0].shape), found)


def best(modes: Modes, samples: Any, width: Any, members: Any, noise: float) -> Any:
    """Risk and ridge at the best ridge, any of the sizes an array."""
    parts = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, float)) for x in (samples, width, members)))
    found = _tuned(modes, *(jnp.asarray(x.ravel()) for x in parts), noise)
    return jax.tree.map(lambda x: np.asarray(x).reshape(parts[0].shape), found)
