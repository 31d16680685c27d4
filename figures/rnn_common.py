"""What the rnn_integrator figures share: compiled predictions, runs, one style, one place to save."""

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
from theorylab.systems.rnn_integrator import RNNIntegrator

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def predict(system: RNNIntegrator, **numerics: Any) -> Prediction:
    """The prediction in float64, on the host."""
    with in_precision("float64"):
        chosen = system.numerics(None).replace(**numerics)
        answer = jax.jit(lambda s: s.predict(None, chosen))(cast(system, "float64"))
        return jax.tree.map(np.asarray, answer).raise_if_failed()


def simulate(system: RNNIntegrator, runs: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Curves of independent runs, run the leading axis."""
    with in_precision("float32"):
        keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(jnp.arange(runs))
        curves = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), (None, 0)))(cast(system, "float32"), keys)
        return {name: np.asarray(curve, float) for name, curve in curves.items()}


def times(system: RNNIntegrator) -> np.ndarray:
    """The recorded times."""
    return np.asarray(system.coordinates()["time"])


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
