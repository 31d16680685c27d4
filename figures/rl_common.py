"""What the rl_posttraining figures share: theory and runs of a setting, how they are drawn and saved."""

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
from theorylab.systems.rl_posttraining import RLPosttraining

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def both(system: RLPosttraining, runs: int) -> tuple[dict[str, np.ndarray], Any]:
    """Predicted curves, and the runs' means and standard errors."""
    curves = tl.predict(system).raise_if_failed().curves
    return {k: np.asarray(v) for k, v in curves.items()}, tl.simulate(system, runs=runs, key=jax.random.key(0))


def points(axis: Any, x: Any, mean: Any, error: Any, colour: str, **style: Any) -> None:
    """Simulated values with their standard errors."""
    axis.errorbar(x, mean, error, fmt="o", markersize=3.5, capsize=2, linewidth=1, color=colour, **style)


def shares(axis: Any, system: RLPosttraining, runs: int, labels: tuple[str, ...], title: str) -> None:
    """Shares of the formats: theory as lines, the mean of the runs as points, every fourth."""
    theory, found = both(system, runs)
    x = np.asarray(system.coordinates()[system.axis])
    for k, label in enumerate(labels):
        axis.plot(x, theory["share"][:, k], color=COLOURS[k], label=label)
        points(axis, x[::4], found.mean["share"][::4, k], found.stderr["share"][::4, k], COLOURS[k])
    axis.set(title=title, xlabel=system.axis_labels[system.axis], ylim=(-0.02, 1.02))


def panels(count: int, **options: Any) -> tuple[Figure, Any]:
    return plt.subplots(1, count, figsize=(4.2 * count, 3.5), layout="constrained", squeeze=False, **options)


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


__all__ = ["COLOURS", "RLPosttraining", "both", "in_precision", "panels", "plt", "points", "save", "shares"]
