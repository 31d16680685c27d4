"""What the figures of the precision laws share."""

from __future__ import annotations

import argparse
from pathlib import Path

import jax
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from theorylab.systems.precision_scaling import theory_laws as laws
from theorylab.systems.precision_scaling import theory_optima as optima

jax.config.update("jax_enable_x64", True)

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""
PUBLISHED = laws.published()


def synthetic(seed: int = 0, noise: float = 0.004, runs: int = 500, truth: laws.Constants = PUBLISHED) -> dict:
    """Runs of the law of training precision on 5 x 5 cells with log-normal noise."""
    rng = np.random.default_rng(seed)
    size, data = np.geomspace(3e7, 1e9, 5), np.geomspace(1.5e9, 5e10, 5)
    cell = np.arange(runs) % 25
    N, D = size[cell // 5], data[cell % 5]
    bits = np.stack([rng.choice(b, size=runs) for b in ((3, 4, 5, 6, 8, np.inf),) * 2 + ((2, 3, 4, 6, 8, np.inf),)], 1)
    loss = np.asarray(laws.loss(N, D, truth, bits)) * np.exp(noise * rng.standard_normal(runs))
    return {"N": N, "D": D, "loss": loss, "P_w": bits[:, 0], "P_a": bits[:, 1], "P_kv": bits[:, 2]}


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


__all__ = ["COLOURS", "PUBLISHED", "laws", "np", "optima", "plt", "save", "synthetic"]
