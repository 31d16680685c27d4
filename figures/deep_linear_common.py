"""What the deep-linear figures share: theory and simulation of one setting, colours, saving."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from theorylab.core.casting import cast, in_precision
from theorylab.systems.deep_linear_dmft import DeepLinearDMFT

LABELS = {"step": "gradient steps", "loss": "test loss (target power 1)", "rate": "learning rate $\\eta$"}


def network(dimension: int, width: float, samples: float, **fields: Any) -> DeepLinearDMFT:
    """A setting by the ratios N/D and P/D."""
    return DeepLinearDMFT(dimension=dimension, width=width * dimension, samples=samples * dimension, **fields)


def theory(system: DeepLinearDMFT) -> dict[str, np.ndarray]:
    """Predicted curves."""
    with in_precision("float64"):
        numerics = system.numerics(None)
        prediction = eqx.filter_jit(lambda s: s.predict(None, numerics))(cast(system, "float64"))
        return {name: np.asarray(curve) for name, curve in prediction.curves.items()}


def training(system: DeepLinearDMFT, runs: int = 32, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Mean and standard error of `runs` trained networks."""
    with in_precision("float32"):
        single, tile = cast(system, "float32"), 8
        simulate = jax.jit(
            lambda s, first: jax.vmap(lambda i: s.simulate(None, jax.random.fold_in(jax.random.key(seed), i)))(
                first + jnp.arange(tile)
            )
        )
        tiles = [jax.tree.map(np.asarray, simulate(single, n)) for n in range(0, runs, tile)]
    curves = {name: np.concatenate([t[name] for t in tiles]).astype(float) for name in tiles[0]}
    mean = {name: c.mean(0) for name, c in curves.items()}
    return mean, {name: c.std(0, ddof=1) / len(c) ** 0.5 for name, c in curves.items()}


def shade(i: int, count: int) -> Any:
    """Colour of curve i of `count`, ordered, readable in grey and by the colour-blind."""
    return plt.get_cmap("viridis")(0.05 + 0.8 * i / max(count - 1, 1))


def points(axis: Any, x: Any, mean: Any, error: Any, colour: Any, every: int = 1) -> None:
    """Simulation as markers with error bars."""
    axis.errorbar(x[::every], mean[::every], error[::every], fmt="o", ms=3, color=colour, lw=0.8)


def save(figure: Any, name: str, description: str | None) -> None:
    """Write figures/out/NAME.png, or to --out."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out", help="folder of the figure")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(folder / f"{name}.png", dpi=160)
    print(folder / f"{name}.png")
