"""What the equality_reasoning figures share: predictions and runs of many instances, one place to save."""

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
from theorylab.core.casting import in_precision
from theorylab.systems.equality_reasoning import EqualityReasoning

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def last(system: EqualityReasoning, draws: int, **numerics: Any) -> dict[str, np.ndarray]:
    """Every predicted curve's last value, mean and standard error over drawn instances: (2,) an observable."""
    found: dict[str, list[float]] = {}
    for seed in range(draws):
        chosen = system.numerics(None).replace(**numerics)
        prediction = tl.predict(system, key=jax.random.key(seed), numerics=chosen).raise_if_failed()
        for name, curve in prediction.curves.items():
            found.setdefault(name, []).append(float(curve[-1]))
    spread = max(draws - 1, 1)
    return {k: np.array([np.mean(v), np.sqrt(np.var(v) * draws / spread / draws)]) for k, v in found.items()}


def simulated(system: EqualityReasoning, runs: int) -> dict[str, np.ndarray]:
    """Every simulated curve's last value, mean and standard error."""
    found = tl.simulate(system, runs=runs)
    return {k: np.array([found.mean[k][-1], found.stderr[k][-1]]) for k in found.mean}


def bars(axis: Any, x: Any, points: list[np.ndarray], **style: Any) -> None:
    """Points with their standard errors."""
    values = np.array(points)
    axis.errorbar(x, values[:, 0], values[:, 1], fmt="o", markersize=4, capsize=2, **style)


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


__all__ = ["COLOURS", "EqualityReasoning", "bars", "in_precision", "last", "plt", "save", "simulated"]
