"""What the error_broadcast figures share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import theorylab as tl
from theorylab.core.casting import in_precision
from theorylab.systems.error_broadcast import ErrorBroadcast

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""
KEY = jax.random.key(0)


def both(system: ErrorBroadcast, runs: int) -> tuple[dict[str, np.ndarray], Any]:
    """Mean prediction over the runs' own problems, and the simulated ensemble."""
    found = tl.compare.run(system, runs=runs, key=KEY).rungs[-1]
    return dict(found.predicted), found


def bars(axis: Any, x: Any, mean: Any, error: Any, **style: Any) -> None:
    """Points with their standard errors."""
    axis.errorbar(x, mean, error, **{"fmt": "o", "markersize": 3.5, "capsize": 2, **style})


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


__all__ = ["COLOURS", "KEY", "ErrorBroadcast", "bars", "both", "in_precision", "plt", "save"]
