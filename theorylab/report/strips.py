"""Markers, and the strip of residuals below a panel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from theorylab.compare.result import Agreement, Convergence
from theorylab.core import Observable
from theorylab.report.grids import real
from theorylab.report.style import LIMIT, MARGIN, SIMULATION, THEORY


@dataclass(frozen=True)
class Line:
    """One curve of theory and the points that belong to it."""

    colour: str
    at: Float[np.ndarray, "..."]
    predicted: Float[np.ndarray, "..."]
    measured_at: Float[np.ndarray, "..."]
    mean: Float[np.ndarray, "..."]
    stderr: Float[np.ndarray, "..."] | None
    residual: Float[np.ndarray, "..."] | None
    band: Float[np.ndarray, "..."] | None
    label: str = ""


def points(axes: Axes, x: Any, y: Any, error: Any, colour: str) -> None:
    """Markers with their error bars."""
    axes.errorbar(x, y, error, ls="", marker="o", color=colour, mec="white", mew=0.35, elinewidth=0.8, zorder=2.5)


def residuals(
    strip: Axes, lines: Sequence[Line], observable: Observable, judged: Agreement | None, ladder: Convergence | None
) -> None:
    """Residuals in percent, one line a curve, what they may be, and the margin."""
    at = lines[-1].measured_at
    reach: list[tuple[Any, Any]] = []
    for line in lines:
        if line.residual is not None and np.shape(line.residual) == np.shape(line.measured_at):
            strip.plot(line.measured_at, 100 * line.residual, color=line.colour, lw=0.9, zorder=2)
            reach.append((line.residual, line.band))
    if judged is not None and len(observable.dims) > 1:
        _envelope(strip, at, judged)
    elif judged is not None:
        _band(strip, at, lines[-1].residual, lines[-1].band, lines[-1].colour)
    # one line an index: there an extrapolation would double every one of them
    if ladder is not None and ladder.word != "failed" and np.shape(ladder.residual) == np.shape(at):
        limit, band = real(ladder.residual), real(ladder.band)
        _band(strip, at, limit, band, LIMIT)
        strip.plot(at, 100 * limit, color=LIMIT, lw=1.2, ls=(0, (4, 1.2)), zorder=3)
        reach.append((limit, band))
    margins(strip, observable.margin, reach)


def number_residual(strip: Axes, x: float, residual: Any, band: Any, colour: str) -> None:
    """The residual of a single number, with its band as an error bar."""
    half = 100 * float(band) if np.shape(band) == () else np.nan
    points(strip, x, 100 * float(real(residual)), half if np.isfinite(half) else None, colour)


def margins(strip: Axes, margin: float, reach: Sequence[tuple[Any, Any]]) -> None:
    """Dashed lines at the margin, and limits that show residuals first, bands as far as they stay legible."""
    strip.axhline(0.0, color=THEORY, lw=0.5, zorder=0)
    for sign in (-1, 1):
        strip.axhline(sign * 100 * margin, color=MARGIN, lw=0.8, ls=(0, (3, 2)), zorder=0)
    own = _largest(reach[-1][0]) if reach else 0.0
    every = max((_largest(residual) for residual, _ in reach), default=0.0)
    wide = max(
        (_largest(np.abs(residual) + np.abs(band)) for residual, band in reach if np.shape(band) == np.shape(residual)),
        default=0.0,
    )
    limit = max(1.3 * margin, 1.15 * own, min(1.1 * every, 4 * margin), min(1.1 * wide, 3 * margin, 3 * every))
    strip.set_ylim(-100 * limit, 100 * limit)
    strip.yaxis.set_major_locator(MaxNLocator(nbins=3, symmetric=True, min_n_ticks=3))


def _envelope(strip: Axes, at: Any, judged: Agreement) -> None:
    """What the bands of all indices cover together."""
    if np.shape(judged.band) == np.shape(judged.residual):
        residual, band = (real(values).reshape(-1, len(at)) for values in (judged.residual, judged.band))
        low = np.fmin.reduce(residual - band, axis=0)
        high = np.fmax.reduce(residual + band, axis=0)
        strip.fill_between(at, 100 * low, 100 * high, color=SIMULATION, alpha=0.15, lw=0, zorder=1)


def _band(strip: Axes, x: Any, residual: Any, band: Any, colour: str) -> None:
    if band is not None and np.shape(band) == np.shape(residual):
        low, high = 100 * (residual - band), 100 * (residual + band)
        strip.fill_between(x, low, high, where=np.isfinite(low), color=colour, alpha=0.22, lw=0, zorder=1)


def _largest(values: Any) -> float:
    values = np.abs(real(values))
    values = values[np.isfinite(values)]
    return float(np.max(values)) if values.size else 0.0
