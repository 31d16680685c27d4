"""What the sgd_resolvent figures share: theory and simulation of a setting, and how they are drawn."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from theorylab.core.casting import cast, in_precision
from theorylab.systems.sgd_resolvent import SGDResolvent

jax.config.update("jax_enable_x64", True)

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]


def theory_of(system: SGDResolvent) -> dict[str, np.ndarray]:
    numerics = system.numerics(None)
    found = jax.jit(lambda s: s.predict(None, numerics))(cast(system, "float64"))
    found.raise_if_failed()
    return {name: np.asarray(curve) for name, curve in found.curves.items()}


def runs_of(system: SGDResolvent, runs: int) -> dict[str, np.ndarray]:
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(0), runs)
        found = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)))(cast(system, "float32"), keys)
    return {name: np.asarray(curve, float) for name, curve in found.items()}


def overlay(axes: Axes, system: SGDResolvent, name: str, colour: str, label: str, runs: int, **style: Any) -> None:
    """Theory as a line, the mean of the runs with its standard error as points."""
    (x,) = system.coordinates().values()
    axes.plot(x, theory_of(system)[name], color=colour, label=label, **style)
    found = runs_of(system, runs)[name]
    mean, error = found.mean(0), found.std(0) / math.sqrt(runs)
    axes.errorbar(x[::3], mean[::3], error[::3], fmt="o", ms=3, lw=1, color=colour)


def panels(count: int) -> tuple[Any, Any]:
    return plt.subplots(1, count, figsize=(4.6 * count, 3.6), constrained_layout=True, squeeze=False)


def finish(axes: Axes, xlabel: str, ylabel: str, title: str = "") -> None:
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    axes.legend(fontsize=8, frameon=False)


def save(figure: Any, name: str) -> None:
    """Write figures/out/NAME.png, or where --out says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"sgd_resolvent_{name}.png", dpi=150)
    print(folder / f"sgd_resolvent_{name}.png")
