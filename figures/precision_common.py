"""What the precision_scaling figures share: stored measurements of networks, one place to save."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from theorylab.engine.cells import StoredCells
from theorylab.engine.store import default_root

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def cells() -> StoredCells:
    """The store of the experiments; what it lacks is measured."""
    return StoredCells("precision_scaling", default_root())


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


__all__ = ["COLOURS", "cells", "plt", "save"]
