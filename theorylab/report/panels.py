"""One observable drawn: theory as lines, simulation as points with error bars, residuals in a strip below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from theorylab.compare.result import Agreement, Convergence
from theorylab.core import Observable
from theorylab.report.format import percent_interval
from theorylab.report.grids import edges, geometric, positions, thinned, upright
from theorylab.report.style import LIMIT, MARGIN, SIMULATION, THEORY, WORDS, family, shades

MARKERS = 30
"""Most markers a curve; more run together in print."""
INDICES = 5
"""Most indices of an observable's first axis that one panel shows."""
_WRAP = 46


@dataclass(frozen=True)
class Series:
    """One observable at one size, ready to draw.

    Arguments:
      at: coordinates of the prediction, one array an axis.
      predicted: the prediction.
      measured_at: coordinates of the measured mean.
      mean: measured mean.
      stderr: its standard error; None where it is not known.
      runs: every run, for single numbers; None where it is not known.
      agreement: the verdict; None where nothing was judged.
      size: the rung's size; None where there is none.
    """

    at: tuple[Shaped[np.ndarray, "..."], ...]
    predicted: Shaped[np.ndarray, "..."]
    measured_at: tuple[Shaped[np.ndarray, "..."], ...]
    mean: Shaped[np.ndarray, "..."]
    stderr: Shaped[np.ndarray, "..."] | None = None
    runs: Shaped[np.ndarray, "..."] | None = None
    agreement: Agreement | None = None
    size: int | None = None


@dataclass(frozen=True)
class _Line:
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


def draw(
    panel: Axes,
    strip: Axes,
    observable: Observable,
    series: Sequence[Series],
    ladder: Convergence | None = None,
    size_name: str = "size",
) -> None:
    """Draw one observable into `panel` and its residuals, in percent, into `strip`.

    Arguments:
      series: its rungs in order of size; the last one carries the verdict.
      ladder: the verdict of the size ladder, whose extrapolated residual goes into the strip.
      size_name: name of the system's size field.

    What failed, or is not finite, is said in words and not drawn.
    """
    sentence = unfit(observable, series)
    if sentence:
        say(panel, strip, sentence)
        panel.set_title(observable.axis_label, loc="left")
        return
    _title(panel, series[-1], ladder, size_name)
    panel.set_ylabel(upright(observable))
    strip.set_ylabel("residual [%]" if observable.scale != "density" else "residual [%]\nof the CDF")
    if observable.dims:
        _draw_curves(panel, strip, observable, series, ladder)
    elif len(series) > 1:
        _draw_numbers(panel, strip, series, ladder, size_name)
    else:
        _draw_number(panel, strip, observable, series[0])
    panel.tick_params(labelbottom=False)


def unfit(observable: Observable, series: Sequence[Series]) -> str:
    """Why an observable may not be drawn as a result; "" where it may."""
    if not series:
        return "nothing was computed"
    for one in series:
        at_size = f" at size {one.size}" if one.size is not None and len(series) > 1 else ""
        if one.agreement is not None and one.agreement.word == "failed":
            return (one.agreement.reason or f"{observable.name} failed numerically") + at_size
        for what, values in (("predicted", one.predicted), ("simulated", one.mean)):
            missing = np.isnan if observable.undefined_ok else _never
            if not np.all(np.isfinite(values) | missing(values)):
                return f"{what} {observable.name} is not finite{at_size}; it is no result and is not drawn"
            if np.size(values) and not np.any(np.isfinite(values)):
                return f"{what} {observable.name} is undefined everywhere{at_size}"
    return ""


def say(panel: Axes, strip: Axes | None, sentence: str, width: int = _WRAP) -> None:
    """Put a sentence where a result would be."""
    sign, colour = WORDS["failed"]
    for axes in (panel, strip):
        if axes is not None:
            axes.set_axis_off()
    text = "\n".join(textwrap.wrap(sentence, width))
    panel.text(0.0, 0.95, f"{sign} failed", color=colour, weight="bold", va="top", transform=panel.transAxes)
    panel.text(0.0, 0.82, text, va="top", transform=panel.transAxes, linespacing=1.4)


# -- curves --------------------------------------------------------------------------------------------------


def _draw_curves(
    panel: Axes, strip: Axes, observable: Observable, series: Sequence[Series], ladder: Convergence | None
) -> None:
    *leading, axis = observable.dims
    lines = _indexed(series[-1]) if leading else _rungs(series)
    one_theory = _same_theory(lines)
    hidden = 0
    most = MARKERS if len(series) == 1 else MARKERS // 2
    for place, line in enumerate(lines):
        if not (one_theory and place > 0):
            colour = THEORY if not leading and (one_theory or len(lines) == 1) else line.colour
            panel.plot(line.at, line.predicted, color=colour, zorder=3 if observable.scale == "density" else 2)
        keep = thinned(line.measured_at, line.mean, most)
        error = None if line.stderr is None else line.stderr[keep]
        if observable.scale == "density":
            panel.stairs(line.mean, edges(line.measured_at), color=line.colour, lw=0.9, zorder=1)
            if len(lines) == 1:
                panel.stairs(line.mean, edges(line.measured_at), color=line.colour, fill=True, alpha=0.15, lw=0)
            if error is not None:
                panel.errorbar(line.measured_at[keep], line.mean[keep], error, ls="", color=line.colour, elinewidth=0.8)
        else:
            _points(panel, line.measured_at[keep], line.mean[keep], error, line.colour)
        if observable.scale == "log":
            hidden += int(np.sum(line.mean[keep] <= 0))
    if observable.scale == "log":
        panel.set_yscale("log", nonpositive="mask")
        _keep_to_values(panel, lines)
    if hidden:
        note = f"{hidden} point{'s' if hidden > 1 else ''} at or below 0 not shown"
        panel.text(0.02, 0.03, note, transform=panel.transAxes, fontsize=6.5, color=MARGIN)
    _curve_axis(strip, lines[-1].at, axis)
    if leading:
        handles = [
            panel.plot([], [], color=line.colour, marker="o", mec="white", mew=0.4, label=line.label)[0]
            for line in lines
        ]
        panel.legend(
            handles=handles,
            title=_words(", ".join(leading)),
            title_fontsize=6.5,
            fontsize=6.5,
            labelspacing=0.25,
            loc="best",
        )
    _residuals(strip, lines, observable, series[-1].agreement, ladder)


def _rungs(series: Sequence[Series]) -> list[_Line]:
    return [
        _Line(
            colour=colour,
            at=positions(one.at[0])[0],
            predicted=_real(one.predicted),
            measured_at=positions(one.measured_at[0])[0],
            mean=_real(one.mean),
            stderr=None if one.stderr is None else _real(one.stderr),
            residual=None if one.agreement is None else _real(one.agreement.residual),
            band=None if one.agreement is None else _real(one.agreement.band),
        )
        for one, colour in zip(series, shades(len(series)), strict=True)
    ]


def _indexed(one: Series) -> list[_Line]:
    """One line for each of a few indices of the leading axes."""
    lead: tuple[int, ...] = tuple(len(axis) for axis in one.at[:-1])
    count = int(np.prod(lead))
    chosen = np.unique(np.linspace(0, count - 1, min(INDICES, count)).round().astype(int))

    def row(values: Any, index: int) -> Any:
        return None if values is None else _real(np.asarray(values).reshape(count, -1)[index])

    def label(index: int) -> str:
        where = np.unravel_index(index, lead)
        return ", ".join(_short(np.asarray(axis)[i]) for axis, i in zip(one.at, where, strict=False))

    judged = one.agreement
    return [
        _Line(
            colour=colour,
            at=positions(one.at[-1])[0],
            predicted=row(one.predicted, index),
            measured_at=positions(one.measured_at[-1])[0],
            mean=row(one.mean, index),
            stderr=row(one.stderr, index),
            residual=None if judged is None else row(judged.residual, index),
            band=None if judged is None else row(judged.band, index),
            label=label(index),
        )
        for index, colour in zip(chosen, family(len(chosen)), strict=True)
    ]


def _points(axes: Axes, x: Any, y: Any, error: Any, colour: str) -> None:
    axes.errorbar(x, y, error, ls="", marker="o", color=colour, mec="white", mew=0.35, elinewidth=0.8, zorder=2.5)


def _residuals(
    strip: Axes, lines: Sequence[_Line], observable: Observable, judged: Agreement | None, ladder: Convergence | None
) -> None:
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
        limit, band = _real(ladder.residual), _real(ladder.band)
        _band(strip, at, limit, band, LIMIT)
        strip.plot(at, 100 * limit, color=LIMIT, lw=1.2, ls=(0, (4, 1.2)), zorder=3)
        reach.append((limit, band))
    _margins(strip, observable.margin, reach)


def _envelope(strip: Axes, at: Any, judged: Agreement) -> None:
    """What the bands of all indices cover together."""
    if np.shape(judged.band) == np.shape(judged.residual):
        residual, band = (_real(values).reshape(-1, len(at)) for values in (judged.residual, judged.band))
        low = np.fmin.reduce(residual - band, axis=0)
        high = np.fmax.reduce(residual + band, axis=0)
        strip.fill_between(at, 100 * low, 100 * high, color=SIMULATION, alpha=0.15, lw=0, zorder=1)


def _band(strip: Axes, x: Any, residual: Any, band: Any, colour: str) -> None:
    if band is not None and np.shape(band) == np.shape(residual):
        low, high = 100 * (residual - band), 100 * (residual + band)
        strip.fill_between(x, low, high, where=np.isfinite(low), color=colour, alpha=0.22, lw=0, zorder=1)


def _margins(strip: Axes, margin: float, reach: Sequence[tuple[Any, Any]]) -> None:
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


# -- single numbers ------------------------------------------------------------------------------------------


def _draw_number(panel: Axes, strip: Axes, observable: Observable, one: Series) -> None:
    panel.axhline(float(_real(one.predicted)), color=THEORY)
    if one.runs is not None and np.size(one.runs):
        runs = _real(np.ravel(one.runs))
        spread = 0.25 * (np.modf(0.618034 * np.arange(runs.size))[0] - 0.5)  # golden ratio: even, and no randomness
        panel.plot(spread, runs, "o", color=SIMULATION, ms=2, alpha=0.35, mew=0)
    error = None if one.stderr is None else _real(one.stderr)
    _points(panel, 1.0, float(_real(one.mean)), error, SIMULATION)
    if one.agreement is not None:
        _number_residual(strip, 1.0, one.agreement.residual, one.agreement.band, SIMULATION)
        _margins(strip, observable.margin, [(one.agreement.residual, one.agreement.band)])
    strip.set_xlim(-0.5, 1.5)
    panel.set_xlim(-0.5, 1.5)
    strip.xaxis.set_major_locator(FixedLocator([0.0, 1.0]))
    strip.xaxis.set_major_formatter(FixedFormatter(["every run", "mean ± s.e."]))
    panel.xaxis.set_major_locator(FixedLocator([0.0, 1.0]))


def _draw_numbers(
    panel: Axes, strip: Axes, series: Sequence[Series], ladder: Convergence | None, size_name: str
) -> None:
    sizes = np.asarray([np.nan if one.size is None else one.size for one in series], float)
    sizes = sizes if np.all(np.isfinite(sizes)) else np.arange(1.0, len(series) + 1)
    panel.plot(sizes, [float(_real(one.predicted)) for one in series], color=THEORY)
    reach: list[tuple[Any, Any]] = []
    margin = 0.0
    for size, one, colour in zip(sizes, series, shades(len(series)), strict=True):
        _points(panel, size, float(_real(one.mean)), None if one.stderr is None else _real(one.stderr), colour)
        if one.agreement is not None:
            _number_residual(strip, size, one.agreement.residual, one.agreement.band, colour)
            reach.append((one.agreement.residual, one.agreement.band))
            margin = one.agreement.observable.margin
    if ladder is not None and ladder.word != "failed" and np.shape(ladder.residual) == ():
        limit, band = 100 * float(_real(ladder.residual)), 100 * float(_real(ladder.band))
        strip.axhline(limit, color=LIMIT, lw=1.2, ls=(0, (4, 1.2)), zorder=3)
        if np.isfinite(band):
            strip.axhspan(limit - band, limit + band, color=LIMIT, alpha=0.22, lw=0, zorder=1)
        reach.append((ladder.residual, ladder.band))
    if reach:
        _margins(strip, margin, reach)
    for axes in (panel, strip):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FixedFormatter([_short(size) for size in sizes]))
    strip.set_xlabel(_words(size_name))


def _number_residual(strip: Axes, x: float, residual: Any, band: Any, colour: str) -> None:
    half = 100 * float(band) if np.shape(band) == () else np.nan
    _points(strip, x, 100 * float(_real(residual)), half if np.isfinite(half) else None, colour)


# -- axes and words ------------------------------------------------------------------------------------------


def _title(panel: Axes, last: Series, ladder: Convergence | None, size_name: str) -> None:
    """Word at the left, deviation with its interval at the right; with a ladder, its limit above the largest size."""
    rows: list[tuple[str, str]] = []
    if ladder is not None:
        deviation = percent_interval(ladder.deviation, ladder.low, ladder.high)
        where = f"{_words(size_name)} → ∞: "
        rows.append((ladder.word, f"{where}{deviation}" if ladder.word != "failed" else where.rstrip(": ")))
    if last.agreement is not None:
        judged = last.agreement
        deviation = percent_interval(judged.deviation, judged.low, judged.high)
        at_size = f"{_words(size_name)} {last.size}: " if ladder is not None and last.size is not None else ""
        rows.append((judged.word, f"{at_size}{deviation}"))
        if judged.word == "undecided" and judged.needed and ladder is None:
            rows.append(("", f"about {judged.needed} {judged.unit.split()[0]}s would decide"))
    if not rows:
        rows.append(("", "not judged"))
    above = 4.0
    for word, text in reversed(rows):
        sign, colour = WORDS.get(word, ("", MARGIN))
        for x, side, content, weight in (
            (0.0, "left", f"{sign} {word}".strip(), "bold"),
            (1.0, "right", text, "normal"),
        ):
            panel.annotate(
                content, (x, 1.0), (0, above), xycoords="axes fraction", textcoords="offset points",
                ha=side, va="baseline", color=colour if side == "left" else THEORY, weight=weight,
            )  # fmt: skip
        above += 10.5


def _curve_axis(strip: Axes, grid: Float[np.ndarray, " n"], name: str) -> None:
    """Label the shared axis; logarithmic for a geometric grid, with room for its zero where it has one."""
    strip.set_xlabel(_words(name))
    if geometric(grid) and grid[0] > 0:
        strip.set_xscale("log")
    elif geometric(grid):
        strip.set_xscale("symlog", linthresh=float(np.min(grid[grid > 0])), linscale=0.4)
    elif grid.size and np.all(grid == np.round(grid)) and np.ptp(grid) < 12:
        strip.xaxis.set_major_locator(MaxNLocator(integer=True))


def _keep_to_values(panel: Axes, lines: Sequence[_Line]) -> None:
    """Limits from the means, so that an error bar reaching to zero does not open empty decades."""
    values = np.concatenate([np.concatenate((line.predicted, line.mean)) for line in lines])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size:
        low, high = np.log10(np.min(values)), np.log10(np.max(values))
        room = 0.06 * max(high - low, 0.3)
        panel.set_ylim(10 ** (low - room), 10 ** (high + room))


def _same_theory(lines: Sequence[_Line]) -> bool:
    first = lines[0]
    return all(
        np.array_equal(line.at, first.at) and np.allclose(line.predicted, first.predicted, rtol=1e-6, atol=0.0)
        for line in lines
    )


def _largest(values: Any) -> float:
    values = np.abs(_real(values))
    values = values[np.isfinite(values)]
    return float(np.max(values)) if values.size else 0.0


def _real(values: Any) -> Any:
    return np.asarray(values, float)


def _never(values: Any) -> Any:
    return np.zeros(np.shape(values), bool)


def _short(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.0f}" if value == np.round(value) else f"{value:.3g}"
    return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
