"""What the figures of the language models share: the runs, kept in the store, and one place to save."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import jax
from matplotlib import pyplot as plt

from theorylab.engine.cells import StoredCells
from theorylab.engine.store import default_root
from theorylab.systems.rl_posttraining import language

jax.config.update("jax_enable_x64", True)


@cache
def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent / "out")
    return parser.parse_args()


class Told(StoredCells):
    """Cells that say how far they are: training takes minutes where nothing is kept yet."""

    def say(self, sentence: str) -> None:
        print(sentence, flush=True)


def explored(pipeline: language.Pipeline = language.TINY) -> language.Explored:
    """The preset's runs, trained now where the store does not have them."""
    return language.explore(pipeline, Told("rl_posttraining", default_root()))


def save(figure: Any, script: str, suffix: str = "") -> None:
    """Save under the script's name, into figures/out or the folder given as the first argument."""
    options().folder.mkdir(parents=True, exist_ok=True)
    path = options().folder / f"{Path(script).stem}{suffix}.png"
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(path)
