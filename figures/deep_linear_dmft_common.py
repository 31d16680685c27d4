"""What the deep-linear figures share: settings by ratios, and theory beside training."""

from __future__ import annotations

from typing import Any

import numpy as np
from common import points, predict, simulate

from theorylab.systems.deep_linear_dmft import DeepLinearDMFT

STEP, LOSS, RATE = "gradient steps", "test loss (target power 1)", r"learning rate $\eta$"


def network(dimension: int, width: float, samples: float, **fields: Any) -> DeepLinearDMFT:
    """A setting by the ratios N/D and P/D."""
    return DeepLinearDMFT(dimension=dimension, width=width * dimension, samples=samples * dimension, **fields)


def theory(system: DeepLinearDMFT) -> dict[str, np.ndarray]:
    """Predicted curves."""
    return dict(predict(system).curves)


def training(system: DeepLinearDMFT, runs: int) -> dict[str, np.ndarray]:
    """Curves of trained networks, run the leading axis."""
    return simulate(system, runs, tile=8)


def dots(axis: Any, runs: np.ndarray, colour: Any, every: int, first: int = 0) -> None:
    """A curve of trained networks against the step, every so often."""
    steps = np.arange(first, runs.shape[-1], every)
    points(axis, steps, runs[:, steps], colour)
