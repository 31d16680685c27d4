"""What the flow_autoencoder figures share: compiled predictions, runs, one style, one place to save."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from theorylab.core import Prediction
from theorylab.core.casting import cast, in_precision
from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.theory import generated_over_time

plt.rcParams["legend.frameon"] = False

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


_predict = jax.jit(lambda system, instance, numerics: system.predict(instance, numerics))


def predict(system: FlowAutoencoder, instance: Any = None, **numerics: Any) -> Prediction:
    """The prediction in float64, on the host."""
    with in_precision("float64"):
        chosen = system.numerics(instance).replace(**numerics)
        answer = _predict(cast(system, "float64"), cast(instance, "float64"), chosen)
        return jax.tree.map(np.asarray, answer).raise_if_failed()


def generated(system: FlowAutoencoder) -> dict[str, np.ndarray]:
    """What would be generated had training stopped at each recorded time, the time last."""
    with in_precision("float64"):
        numerics = system.numerics(None)
        made = jax.jit(lambda s: generated_over_time(s, None, numerics))(cast(system, "float64"))
        return {name: np.asarray(curve) for name, curve in made.items()}


def simulate(system: FlowAutoencoder, runs: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Curves of independent runs, run the leading axis."""
    with in_precision("float32"):
        keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(jnp.arange(runs))
        curves = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), (None, 0)))(cast(system, "float32"), keys)
        return {name: np.asarray(curve, float) for name, curve in curves.items()}


def points(axis: Any, x: np.ndarray, runs: np.ndarray, colour: str, **more: Any) -> None:
    """Means of runs with their standard errors."""
    error = runs.std(0, ddof=1) / np.sqrt(len(runs))
    axis.errorbar(x, runs.mean(0), error, fmt="o", color=colour, markersize=3.5, **more)


def target_density(system: FlowAutoencoder, x: np.ndarray) -> np.ndarray:
    """The target's own density along the first direction, for a pair of modes."""
    a, p, sigma = float(system.separation), float(system.share), float(system.noise)
    normal = lambda m: np.exp(-((x - m) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi) / sigma  # noqa: E731
    return p * normal(a) + (1 - p) * normal(-a)


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
