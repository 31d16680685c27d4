"""Coordinates and labels as an axis shows them."""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float, Shaped

from theorylab.core import Observable

_UPRIGHT = 30


def geometric(at: Shaped[np.ndarray, " n"]) -> bool:
    """Whether a grid spans decades in roughly even ratios (a zero at its start aside)."""
    if at.size < 4 or np.any(at[1:] <= 0) or at[0] < 0:
        return False
    positive = at[at > 0]
    steps = np.diff(np.log(positive))
    if positive[-1] / positive[0] <= 50 or np.any(steps <= 0):
        return False
    # even ratios, rounding to integers allowed for: an even grid has a spread above 1 here
    return bool(np.std(steps) < 0.8 * np.mean(steps))


def thinned(at: Shaped[np.ndarray, " n"], values: Shaped[np.ndarray, " n"], most: int) -> Shaped[np.ndarray, " k"]:
    """Indices of at most `most` finite points, even along the axis as it is drawn."""
    finite = np.flatnonzero(np.isfinite(values))
    if finite.size <= most:
        return finite
    grid = positions(at)[0]
    if geometric(grid):
        grid = np.log(np.where(grid > 0, grid, np.min(grid[grid > 0]) / 2))
    wanted = np.linspace(grid[finite[0]], grid[finite[-1]], most)
    return np.unique(finite[np.abs(grid[finite][None, :] - wanted[:, None]).argmin(axis=1)])


def positions(at: Shaped[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], list[str] | None]:
    """Where to draw a coordinate, and its names where it is no number."""
    at = np.asarray(at)
    if at.dtype.kind in "biuf":
        return at.astype(float), None
    return np.arange(at.size, dtype=float), [str(name) for name in at]


def edges(centres: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n+1"]:
    """Edges of the bins around `centres`."""
    if centres.size < 2:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate(([2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]))


def upright(observable: Observable) -> str:
    """The label, on two lines where it is longer than the panel is high (mathematics never broken)."""
    visible = re.sub(
        r"\\[a-zA-Z]+|[${}^_\\]", lambda found: "x" if found[0].startswith("\\") else "", observable.axis_label
    )
    if len(visible) <= _UPRIGHT:
        return observable.axis_label
    if observable.unit:
        return f"{observable.label}\n[{observable.unit}]"
    spaces = [i for i, c in enumerate(observable.label) if c == " " and observable.label.count("$", 0, i) % 2 == 0]
    if not spaces:
        return observable.label
    cut = min(spaces, key=lambda i: abs(i - len(observable.label) / 2))
    return f"{observable.label[:cut]}\n{observable.label[cut + 1 :]}"
