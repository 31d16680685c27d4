"""What every figure script shares: its arguments, its sizes, its look, and where it is saved.

python figures/NAME.py [FOLDER] [--preset quick|paper]
"""

from __future__ import annotations

import argparse
import atexit
import json
import math
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import jax
import matplotlib
import numpy as np
from matplotlib.figure import Figure

import theorylab as tl
from theorylab.core import AbstractSystem, Prediction
from theorylab.engine.cells import StoredCells
from theorylab.engine.store import default_root

matplotlib.use("agg")
import matplotlib.pyplot as plt

Size = TypeVar("Size")

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""
OUT = Path(__file__).parent / "out"
CELLS = "FIGURE_CELLS"
"""Environment variable: the file that is told how long the networks of a figure were trained."""

plt.rcParams["legend.frameon"] = False
plt.rcParams["legend.fontsize"] = 8
plt.rcParams["legend.title_fontsize"] = 8


@cache
def options() -> argparse.Namespace:
    """The script's arguments: where it saves, and the preset."""
    parser = argparse.ArgumentParser()
    parser.add_argument("place", nargs="?", type=Path, help="the same as --folder")
    parser.add_argument("--folder", type=Path, default=OUT, help="where the figure is saved")
    parser.add_argument("--preset", choices=("quick", "paper"), default="quick", help="size of the runs")
    chosen = parser.parse_args()
    chosen.folder = chosen.place or chosen.folder
    return chosen


def size(quick: Size, paper: Size) -> Size:
    """A number of runs, a width, a grid, or anything else that the preset decides."""
    return paper if options().preset == "paper" else quick


def panels(count: int, width: float = 4.2, height: float = 3.6, **more: Any) -> tuple[Figure, np.ndarray]:
    """A row of panels: the figure and its axes, (count,)."""
    figure, axes = plt.subplots(1, count, figsize=(width * count, height), layout="constrained", squeeze=False, **more)
    return figure, axes[0]


def shade(i: int, count: int) -> Any:
    """Colour of curve i of `count`, ordered, readable in grey and by the colour-blind."""
    return plt.get_cmap("viridis")(0.05 + 0.8 * i / max(count - 1, 1))


def bars(axis: Any, x: Any, mean: Any, error: Any, colour: Any = None, **style: Any) -> None:
    """Points with their standard errors."""
    style = {"fmt": "o", "markersize": 3.5, "linewidth": 1, "capsize": 2} | style
    axis.errorbar(x, mean, error, color=colour, **style)


def points(axis: Any, x: Any, runs: np.ndarray, colour: Any = None, **style: Any) -> None:
    """Mean over runs, the first axis, with its standard error; no bar for a single run."""
    error = runs.std(0, ddof=1) / math.sqrt(len(runs)) if len(runs) > 1 else np.zeros(runs.shape[1:])
    bars(axis, x, runs.mean(0), error, colour, **style)


def ticks(axis: Any, values: Any, which: str = "x") -> None:
    """The values as plain numbers, in place of powers of ten."""
    one = axis.xaxis if which == "x" else axis.yaxis
    one.set_ticks(values, [f"{value:g}" for value in values])
    one.set_ticks([], minor=True)


def logarithmic(axis: Any, xlabel: str, ylabel: str, title: str = "") -> None:
    """Both scales logarithmic, labels, and a legend where there is something to name."""
    axis.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    if axis.get_legend_handles_labels()[1]:
        axis.legend()


def predict(system: AbstractSystem, instance: Any = None, **numerics: Any) -> Prediction:
    """The prediction, or an error that says why there is none; `numerics` change the system's own choice."""
    chosen = system.numerics(instance).replace(**numerics)
    return tl.predict(system, instance=instance, numerics=chosen).raise_if_failed()


def simulate(system: AbstractSystem, runs: int, tile: int | None = None, instance: Any = None) -> dict[str, np.ndarray]:
    """Curves of independent runs, in float64, run the leading axis.

    Arguments:
      tile: runs in one program, all of them up to 16 if not given.
      instance: one drawn instance for all runs.
    """
    tile = min(runs, 16) if tile is None else tile
    found = tl.simulate(system, runs=runs, key=jax.random.key(0), tile=tile, instance=instance)
    return {name: np.asarray(curve, float) for name, curve in found.curves.items()}


@dataclass
class Told(StoredCells):
    """Cells of an experiment that say how far they are: training takes minutes where nothing is kept yet."""

    asked: dict[str, dict[str, np.ndarray]] = field(default_factory=dict, init=False)

    def say(self, sentence: str) -> None:
        print(sentence, flush=True)

    def __call__(self, question: Any, measure: Any) -> dict[str, np.ndarray]:
        name = json.dumps(question, sort_keys=True)
        if name not in self.asked:
            self.asked[name] = super().__call__(question, measure)
        return self.asked[name]

    def tell(self) -> None:
        """How long its networks were trained, now or in an earlier call."""
        print(f"{self.measured} cells measured, {self.reused} kept: {self.seconds:.0f} s")
        if CELLS in os.environ:
            Path(os.environ[CELLS]).write_text(str(self.seconds))


@cache
def cells(system: str) -> Told:
    """What networks measured, in the store; what is not there is measured now."""
    kept = Told(system, default_root())
    atexit.register(kept.tell)
    return kept


def save(figure: Figure, script: str, part: str = "") -> None:
    """Save as NAME.png after the script, or as NAME--PART.png, into the folder that was asked for."""
    folder: Path = options().folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(script).stem}{f'--{part}' if part else ''}.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(path)
