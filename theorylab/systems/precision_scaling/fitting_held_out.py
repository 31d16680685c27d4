"""Runs that judge a law which has not seen them, and its rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Int, Key

from theorylab.core import require
from theorylab.solvers import fit as least_squares
from theorylab.systems.precision_scaling.fitting_forms import Data, Form
from theorylab.systems.precision_scaling.fitting_table import Runs

UNSEEN = ("larger", "random")
"""Kinds of held-out rows: beyond everything fitted in N or D, and within it."""
SHARE = 0.2
"""Share of the other cells that is held out at random."""
RESAMPLING = 20
LANES = 16
STARTS = 32
"""Random starts of each law that is judged."""
FAR = 1.05
"""Smallest ratio of rms errors that is called better or worse, however well it is resolved."""


@dataclass(frozen=True)
class HeldOut:
    """How well a law predicts runs that it was not fitted to; errors are those of ln L.

    Arguments:
      rows: which rows of the fit's table, (n,).
      larger: which rows are beyond all fitted ones in N or D, (n,).
      cells: number of held-out cells.
      r2, r2_ends: of all held-out rows, and its 95 % interval (percentiles of resampled fits on resampled held-out
        cells).
      rms, rms_larger, rms_random: NaN where there are none.
      predicted: ln L of every row of the table by the law as fitted without the held-out rows, (n,).
    """

    rows: Bool[np.ndarray, "n"]
    larger: Bool[np.ndarray, "n"]
    cells: int
    r2: float
    r2_ends: tuple[float, float]
    rms: float
    rms_larger: float
    rms_random: float
    predicted: np.ndarray


@dataclass(frozen=True)
class Rival:
    """Another law, fitted and judged on the same rows.

    Arguments:
      name, parameters: what it is, and its number of fitted constants.
      r2, rms: on the held-out rows.
      ratio, ends: its rms error over ours, and the 95 % interval of that from resampled held-out cells.
      word: "worse", "better" or "undecided".
    """

    name: str
    parameters: int
    r2: float
    rms: float
    ratio: float
    ends: tuple[float, float]
    word: str


@dataclass(frozen=True)
class Split:
    """Rows to fit, and rows to judge by."""

    held: Bool[np.ndarray, "n"]
    larger: Bool[np.ndarray, "n"]


def split(table: Runs, form: Form, held_out: Any, key: Key[Array, ""]) -> tuple[Split | None, str]:
    """Held-out cells, and why there are none.

    Automatic: every cell at the largest N or the largest D (the upper tenth of the values where there are more than
    ten), and a fifth of the other cells at random; without the largest where too little would be left to fit.

    Raises: `Refused` where given rows leave fewer runs than constants.
    """
    if isinstance(held_out, str) and held_out == "none":
        return None, "no run is held out, as asked: the law is not judged"
    needed = len(form.names) + 1
    if not isinstance(held_out, str):
        held = np.asarray(held_out, bool)
        require(held.any(), "held_out names no row that the law is about")
        require(
            (~held).sum() >= needed,
            f"{(~held).sum()} rows are left to fit {len(form.names)} constants; hold out fewer",
        )
        return Split(held, _beyond(table, held)), ""
    cells = table.cells
    for top in (True, False):
        held = _largest(table) if top else np.zeros(len(table), bool)
        rest = np.unique(cells[~held])
        drawn = np.asarray(jax.random.permutation(key, len(rest)))[: round(SHARE * len(rest))]
        held = held | np.isin(cells, rest[drawn])
        if held.any() and _enough(table, form, ~held):
            return Split(held, _beyond(table, held)), ""
    return None, (
        f"no run is held out: {len(np.unique(cells))} cells are too few to leave {needed} and three values of N and "
        "of D for fitting; the law is not judged on runs that it has not seen"
    )


def _largest(table: Runs) -> Bool[np.ndarray, "n"]:
    held = np.zeros(len(table), bool)
    for axis in (table.N, table.D):
        values = np.unique(axis)
        held |= axis >= (values[-1] if len(values) <= 10 else np.quantile(values, 0.9))
    return held


def _beyond(table: Runs, held: Bool[np.ndarray, "n"]) -> Bool[np.ndarray, "n"]:
    fitted = ~held
    return held & ((table.N[fitted].max() < table.N) | (table.D[fitted].max() < table.D))


def _enough(table: Runs, form: Form, fitted: Bool[np.ndarray, "n"]) -> bool:
    left = table.chosen(fitted)
    if len(np.unique(left.cells)) < min(len(form.names) + 1, 8) or len(left) <= len(form.names) + 1:
        return False
    axes = [left.N] * form.size_term + [left.D] * form.data_term
    return all(len(np.unique(axis)) >= 3 for axis in axes)


Minimise = Callable[..., tuple[np.ndarray, float]]


def judged(
    forms: tuple[Form, ...],
    table: Runs,
    data: Data,
    parts: Split,
    huber: float | str,
    keys: tuple[Key[Array, ""], Key[Array, ""]],
    bootstraps: int,
    minimise: Minimise,
) -> tuple[HeldOut, tuple[Rival, ...]]:
    """The first form judged on the held-out rows, and the others beside it."""
    held = parts.held
    weights = (~held).astype(float)
    measured = np.log(table.loss)
    cells = _numbered(table.cells[held])
    many = max(bootstraps, 200)
    times = least_squares.resampled(jax.random.fold_in(keys[1], 1), cells, many)
    squares: list[np.ndarray] = []
    r2s: list[float] = []
    outcome = None
    for index, form in enumerate(forms):
        at, threshold = minimise(form, data, weights, huber, keys[0], STARTS)
        predicted = np.asarray(form.log_loss(at, data))
        squares.append((predicted - measured)[held] ** 2)
        r2s.append(least_squares.coefficient_of_determination(measured[held], predicted[held]))
        if index == 0:
            ends = (float("nan"), float("nan"))
            if bootstraps and cells.max() > 0:
                ends = _r2_ends(form, at, threshold, table, data, held, times, keys[1])
            outcome = HeldOut(
                held,
                parts.larger,
                int(cells.max()) + 1,
                r2s[0],
                ends,
                _rms(squares[0]),
                _rms(squares[0][parts.larger[held]]),
                _rms(squares[0][~parts.larger[held]]),
                predicted,
            )
    assert outcome is not None
    others = []
    for form, square, r2 in zip(forms[1:], squares[1:], r2s[1:], strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.sqrt((times @ square) / (times @ squares[0]))
        low, high = (float(x) for x in np.nanquantile(ratios, [0.025, 0.975]))
        ratio = _rms(square) / outcome.rms
        resolved = cells.max() > 0
        word = "worse" if resolved and low > 1 and ratio > FAR else "undecided"
        word = "better" if resolved and high < 1 and ratio < 1 / FAR else word
        others.append(Rival(form.name, len(form.names), r2, _rms(square), ratio, (low, high), word))
    return outcome, tuple(sorted(others, key=lambda one: one.rms))


def _r2_ends(
    form: Form,
    at: np.ndarray,
    threshold: float,
    table: Runs,
    data: Data,
    held: Bool[np.ndarray, "n"],
    times: np.ndarray,
    key: Key[Array, ""],
) -> tuple[float, float]:
    """Percentiles of R^2 where the fitted cells are drawn again, and the held-out ones too."""
    fitted_cells = _numbered(table.cells[~held])
    weights = np.zeros((len(times), len(table)))
    weights[:, ~held] = least_squares.resampled(jax.random.fold_in(key, 2), fitted_cells, len(times))
    again = np.broadcast_to(at, (len(times), len(at)))
    moved = least_squares.in_blocks(form, data, again, weights, threshold, RESAMPLING, LANES).at
    predicted = np.asarray(jax.vmap(form.log_loss, in_axes=(0, None))(moved, data))[:, held]
    measured = np.log(table.loss)[held]
    found = [
        least_squares.coefficient_of_determination(measured, row, weight)
        for row, weight in zip(predicted, times, strict=True)
    ]
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def _numbered(cells: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    return np.unique(cells, return_inverse=True)[1].reshape(-1)


def _rms(squares: np.ndarray) -> float:
    return float(np.sqrt(np.mean(squares))) if len(squares) else float("nan")
