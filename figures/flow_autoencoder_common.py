"""What the flow_autoencoder figures share: what is generated in time, and the target's density."""

from __future__ import annotations

import jax
import numpy as np

from theorylab.core.casting import cast, in_precision
from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.theory import generated_over_time


def generated(system: FlowAutoencoder) -> dict[str, np.ndarray]:
    """What would be generated had training stopped at each recorded time, the time last."""
    with in_precision("float64"):
        numerics = system.numerics(None)
        made = jax.jit(lambda s: generated_over_time(s, None, numerics))(cast(system, "float64"))
        return {name: np.asarray(curve) for name, curve in made.items()}


def target_density(system: FlowAutoencoder, x: np.ndarray) -> np.ndarray:
    """The target's own density along the first direction, for a pair of modes."""
    a, p, sigma = float(system.separation), float(system.share), float(system.noise)

    def normal(mean: float) -> np.ndarray:
        return np.exp(-((x - mean) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi) / sigma

    return p * normal(a) + (1 - p) * normal(-a)
