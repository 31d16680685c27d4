"""Observables that are single numbers, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from theorylab.compare.result import Convergence
from theorylab.core import Observable
from theorylab.report.grids import real, short, spaced
from theorylab.report.series import Series
from theorylab.report.strips import margins, number_residual, points
from theorylab.report.style import LIMIT, SIMULATION, THEORY, shades


def draw_number(panel: Axes, strip: Axes, observable: Observable, one: Series) -> None:
    """One number: every run, their mean, the theory as a line across."""
    panel.axhline(float(real(one.predicted)), color=THEORY)
    if one.runs is not None and np.size(one.runs):
        runs = real(np.ravel(one.runs))
        spread = 0.25 * (np.modf(0.618034 * np.arange(runs.size))[0] - 0.5)  # golden ratio: even, and no randomness
        panel.plot(spread, runs, "o", color=SIMULATION, ms=2, alpha=0.35, mew=0)
    error = None if one.stderr is None else real(one.stderr)
    points(panel, 1.0, float(real(one.mean)), error, SIMULATION)
    if one.agreement is not None:
        number_residual(strip, 1.0, one.agreement.residual, one.agreement.band, SIMULATION)
        margins(strip, observable.margin, [(one.agreement.residual, one.agreement.band)])
    strip.set_xlim(-0.5, 1.5)
    panel.set_xlim(-0.5, 1.5)
    strip.xaxis.set_major_locator(FixedLocator([0.0, 1.0]))
    strip.xaxis.set_major_formatter(FixedFormatter(["every run", "mean ± s.e."]))
    panel.xaxis.set_major_locator(FixedLocator([0.0, 1.0]))


def draw_numbers(
    panel: Axes, strip: Axes, series: Sequence[Series], ladder: Convergence | None, size_name: str
) -> None:
    """A number at every size, against the size."""
    sizes = np.asarray([np.nan if one.size is None else one.size for one in series], float)
    sizes = sizes if np.all(np.isfinite(sizes)) else np.arange(1.0, len(series) + 1)
    panel.plot(sizes, [float(real(one.predicted)) for one in series], color=THEORY)
    reach: list[tuple[Any, Any]] = []
    margin = 0.0
    for size, one, colour in zip(sizes, series, shades(len(series)), strict=True):
        points(panel, size, float(real(one.mean)), None if one.stderr is None else real(one.stderr), colour)
        if one.agreement is not None:
            number_residual(strip, size, one.agreement.residual, one.agreement.band, colour)
            reach.append((one.agreement.residual, one.agreement.band))
            margin = one.agreement.observable.margin
    if ladder is not None and ladder.word != "failed" and np.shape(ladder.residual) == ():
        limit, band = 100 * float(real(ladder.residual)), 100 * float(real(ladder.band))
        strip.axhline(limit, color=LIMIT, lw=1.2, ls=(0, (4, 1.2)), zorder=3)
        if np.isfinite(band):
            strip.axhspan(limit - band, limit + band, color=LIMIT, alpha=0.22, lw=0, zorder=1)
        reach.append((ladder.residual, ladder.band))
    if reach:
        margins(strip, margin, reach)
    for axes in (panel, strip):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FixedFormatter([short(size) for size in sizes]))
    strip.set_xlabel(spaced(size_name))
