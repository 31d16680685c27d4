"""Coordinates and labels as an axis shows them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axis import Axis
from matplotlib.ticker import LogFormatterMathtext

from theorylab.core import Observable

_UPRIGHT = 27
"""Letters of a label that are no longer than a panel is high."""


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
    """The label, on lines that are no longer than the panel is high (mathematics never broken, the unit kept whole)."""
    parts = [observable.label, f"[{observable.unit}]"] if observable.unit else [observable.label]
    if _letters(" ".join(parts)) <= _UPRIGHT:
        return observable.axis_label
    return "\n".join(line for part in parts for line in _lines(part))


def _lines(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split(" "):  # what stands between dollars is one word
        if words and words[-1].count("$") % 2:
            words[-1] += f" {word}"
        else:
            words.append(word)
    lines = [words[0]]
    for word in words[1:]:
        if _letters(f"{lines[-1]} {word}") <= _UPRIGHT:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _letters(text: str) -> int:
    """Letters that are seen, about: a command of mathematics is one, that of a font none."""
    text = re.sub(r"\\math[a-z]+", "", text)
    return len(re.sub(r"\\[a-zA-Z]+|[${}^_\\]", lambda found: "x" if found[0].startswith("\\") else "", text))


class _Plain(LogFormatterMathtext):
    """Labels where the mathematical ones would be, written 0.2 and not 2 x 10^-1."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def plain_decades(axis: Axis, low: float, high: float) -> None:
    """Write a logarithmic axis in plain numbers where those are short."""
    if low >= 1e-3 and high <= 1e4:
        axis.set_major_formatter(_Plain())
        axis.set_minor_formatter(_Plain(labelOnlyBase=False, minor_thresholds=(1.1, 0.5)))


def real(values: Any) -> Any:
    """Values as float64."""
    return np.asarray(values, float)


def short(value: Any) -> str:
    """A coordinate as it is read."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.0f}" if value == np.round(value) else f"{value:.3g}"
    return str(value)


def spaced(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")
