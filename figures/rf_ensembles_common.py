"""What the rf_ensembles figures share: risks, runs, and how they are drawn."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from theorylab.core.casting import cast, in_precision
from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes
from theorylab.systems.rf_ensembles import RFEnsembles, theory
from theorylab.systems.rf_ensembles.theory_tuned import tuned

jax.config.update("jax_enable_x64", True)

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
SPLITS = (1, 2, 4, 8, 16, 32)

_risks = jax.jit(jax.vmap(theory.ensemble_risk, (None, 0, 0, 0, 0, None)))
_tuned = jax.jit(jax.vmap(tuned, (None, 0, 0, 0, None)))


def power_law(dimension: int = 3000, capacity: float = 1.3, source: float = 2.04) -> Modes:
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


def runs_of(system: RFEnsembles, runs: int) -> dict[str, np.ndarray]:
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(0), runs)
        found = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)))(cast(system, "float32"), keys)
    return {name: np.asarray(curve, float) for name, curve in found.items()}


def points(axes: Axes, x: np.ndarray, runs: np.ndarray, colour: str) -> None:
    """Mean of the runs with its standard error."""
    axes.errorbar(x, runs.mean(0), runs.std(0) / math.sqrt(len(runs)), fmt="o", ms=3, lw=1, color=colour)


def panels(count: int) -> tuple[Any, Any]:
    return plt.subplots(1, count, figsize=(4.6 * count, 3.6), constrained_layout=True, squeeze=False)


def finish(axes: Axes, xlabel: str, ylabel: str, title: str = "") -> None:
    axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, frameon=False)


def save(figure: Any, name: str) -> None:
    """Write figures/out/NAME.png, or where --out says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"rf_ensembles_{name}.png", dpi=150)
    print(folder / f"rf_ensembles_{name}.png")
