"""What the adaptive_kernels figures share: predictions, runs, colours, one place to save."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import theorylab as tl
from theorylab.core import Prediction
from theorylab.systems.adaptive_kernels import AdaptiveKernels

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def predict(system: AdaptiveKernels, **numerics: Any) -> Prediction:
    """The prediction, or an error that says why there is none."""
    return tl.predict(system, numerics=system.numerics(None).replace(**numerics)).raise_if_failed()


def simulate(system: AdaptiveKernels, runs: int, tile: int | None = None) -> Any:
    """An ensemble with its mean and standard error."""
    return tl.simulate(system, runs=runs, key=jax.random.key(0), tile=tile)


def panels(count: int, width: float = 3.7, height: float = 3.3) -> tuple[Figure, Any]:
    """A row of panels."""
    figure, axes = plt.subplots(1, count, figsize=(width * count, height), layout="constrained", squeeze=False)
    return figure, axes[0]


def points(axis: Any, x: Any, ensemble: Any, pick: Any, colour: str, label: str | None = None) -> None:
    """The runs' mean with standard errors, as markers; `pick` takes the curve from a dictionary of arrays."""
    mean, error = np.asarray(pick(ensemble.mean)), np.asarray(pick(ensemble.stderr))
    axis.errorbar(x, mean, error, fmt="o", ms=3, lw=0.8, color=colour, label=label)


def save(figure: Figure, script: str) -> None:
    """Save under the script's name, into figures/out or the folder given as the first argument."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "out")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (Path(script).stem + ".png")
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(path)
