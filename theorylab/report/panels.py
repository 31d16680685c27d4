"""One observable drawn: theory as lines, simulation as points with error bars, residuals in a strip below."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from theorylab.compare.result import Convergence
from theorylab.core import Observable
from theorylab.report.format import percent_interval
from theorylab.report.grids import edges, geometric, plain_decades, positions, real, short, spaced, thinned, upright
from theorylab.report.numbers import draw_number, draw_numbers
from theorylab.report.series import Series, squeezed
from theorylab.report.strips import Line, points, residuals
from theorylab.report.style import MARGIN, THEORY, WORDS, family, shades

MARKERS = 30
"""Most markers a curve; more run together in print."""
INDICES = 5
"""Most indices of an observable's first axis that one panel shows."""
WRAP = 46
"""Letters a line of a sentence where a result would be."""
_ROW = 10.5
"""Height of a row of text above a panel, points."""
_ACROSS = 46
"""Letters of a legend that fit above a panel."""


def draw(
    panel: Axes,
    strip: Axes,
    observable: Observable,
    series: Sequence[Series],
    ladder: Convergence | None = None,
    size_name: str = "size",
    axis_labels: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Draw one observable into `panel` and its residuals, in percent, into `strip`.

    Arguments:
      series: its rungs in order of size; the last one carries the verdict.
      ladder: the verdict of the size ladder, whose extrapolated residual goes into the strip.
      size_name: name of the system's size field.
      axis_labels: labels of axes whose names do not say enough.

    What failed, or is not finite, is said in words and not drawn. An axis of a single value is no axis: it is named
    below the panel.
    """
    sentence = unfit(observable, series)
    if sentence:
        say(panel, strip, sentence)
        panel.set_title(observable.axis_label, loc="left")
        return
    observable, series, ladder, fixed = squeezed(observable, series, ladder)
    panel.set_ylabel(upright(observable))
    strip.set_ylabel("residual [%]" if observable.scale != "density" else "residual [%]\nof the CDF")
    rows = 0
    if observable.dims:
        rows = _draw_curves(panel, strip, observable, series, ladder)
        axis = observable.dims[-1]
        strip.set_xlabel(axis_labels.get(axis, spaced(axis)))
    elif len(series) > 1:
        draw_numbers(panel, strip, series, ladder, size_name)
    else:
        draw_number(panel, strip, observable, series[0])
    if fixed:
        named = ", ".join(f"{axis_labels.get(name, spaced(name))} {short(value)}" for name, value in fixed.items())
        strip.set_xlabel(f"{strip.get_xlabel()} ({named})" if strip.get_xlabel() else named)
    _title(panel, series[-1], ladder, size_name, 4.0 + _ROW * rows)
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


def say(panel: Axes, strip: Axes | None, sentence: str, width: int = WRAP) -> None:
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
) -> int:
    """Draw curves; returns how many rows of words stand above the panel."""
    leading = observable.dims[:-1]
    lines = _indexed(series[-1]) if leading else _rungs(series)
    one_theory = _same_theory(lines)
    hidden = 0
    most = MARKERS if len(series) == 1 else MARKERS // 2
    for place, line in enumerate(lines):
        if not (one_theory and place > 0):
            colour = THEORY if one_theory or len(lines) == 1 else line.colour
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
            points(panel, line.measured_at[keep], line.mean[keep], error, line.colour)
        if observable.scale == "log":
            hidden += int(np.sum(line.mean[keep] <= 0))
    if observable.scale == "log":
        panel.set_yscale("log", nonpositive="mask")
        _keep_to_values(panel, lines)
    _curve_axis(strip, lines[-1].at)
    rows = _legend(panel, spaced(", ".join(leading)), lines) if leading else 0
    if hidden:
        note = f"{hidden} point{'s' if hidden > 1 else ''} at or below 0 not shown"
        _above(panel, 0.0, "left", note, 4.0 + _ROW * rows, fontsize=6.5, color=MARGIN)
        rows += 1
    residuals(strip, lines, observable, series[-1].agreement, ladder)
    return rows


def _legend(panel: Axes, title: str, lines: Sequence[Line]) -> int:
    """Name the lines above the panel, where they hide none; returns the rows that this takes."""
    handles = [Line2D([], [], color=line.colour, marker="o", mec="white", mew=0.4, label=line.label) for line in lines]
    longest = 4 + max(len(line.label) for line in lines)
    columns = max(1, min(len(lines), (_ACROSS - len(title) - 1) // longest))
    inside = columns < len(lines)
    if inside:  # the title has a row of its own
        columns = max(1, min(len(lines), _ACROSS // longest))
    rows = -(-len(lines) // columns)
    columns = -(-len(lines) // rows)
    name = Line2D([], [], ls="", label=title)
    order = [*range(len(lines))]
    by_column = [
        order[row * columns + c] for c in range(columns) for row in range(rows) if row * columns + c < len(order)
    ]
    shown = [handles[i] for i in by_column]
    panel.legend(
        handles=shown if inside else [name, *shown], ncols=columns if inside else columns + 1, fontsize=6.5,
        loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0.1, borderpad=0.0, labelspacing=0.2,
        columnspacing=0.8, handlelength=1.2, handletextpad=0.35, title=title if inside else None, title_fontsize=6.5,
        alignment="left",
    )  # fmt: skip
    return rows + inside


def _rungs(series: Sequence[Series]) -> list[Line]:
    return [
        Line(
            colour=colour,
            at=positions(one.at[0])[0],
            predicted=real(one.predicted),
            measured_at=positions(one.measured_at[0])[0],
            mean=real(one.mean),
            stderr=None if one.stderr is None else real(one.stderr),
            residual=None if one.agreement is None else real(one.agreement.residual),
            band=None if one.agreement is None else real(one.agreement.band),
        )
        for one, colour in zip(series, shades(len(series)), strict=True)
    ]


def _indexed(one: Series) -> list[Line]:
    """One line for each of a few indices of the leading axes."""
    lead: tuple[int, ...] = tuple(len(axis) for axis in one.at[:-1])
    count = int(np.prod(lead))
    chosen = np.unique(np.linspace(0, count - 1, min(INDICES, count)).round().astype(int))

    def row(values: Any, index: int) -> Any:
        return None if values is None else real(np.asarray(values).reshape(count, -1)[index])

    def label(index: int) -> str:
        where = np.unravel_index(index, lead)
        return ", ".join(short(np.asarray(axis)[i]) for axis, i in zip(one.at, where, strict=False))

    judged = one.agreement
    return [
        Line(
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


# -- axes and words ------------------------------------------------------------------------------------------


def _title(panel: Axes, last: Series, ladder: Convergence | None, size_name: str, above: float) -> None:
    """Word at the left, deviation with its interval at the right; with a ladder, its limit above the largest size."""
    rows: list[tuple[str, str]] = []
    if ladder is not None:
        deviation = percent_interval(ladder.deviation, ladder.low, ladder.high)
        where = f"{spaced(size_name)} → ∞: "
        rows.append((ladder.word, f"{where}{deviation}" if ladder.word != "failed" else where.rstrip(": ")))
    if last.agreement is not None:
        judged = last.agreement
        deviation = percent_interval(judged.deviation, judged.low, judged.high)
        at_size = f"{spaced(size_name)} {last.size}: " if ladder is not None and last.size is not None else ""
        rows.append((judged.word, f"{at_size}{deviation}"))
        if judged.word == "undecided" and judged.needed and ladder is None:
            rows.append(("", f"about {judged.needed} {judged.unit.split()[0]}s would decide"))
    if not rows:
        rows.append(("", "not judged"))
    for word, text in reversed(rows):
        sign, colour = WORDS.get(word, ("", MARGIN))
        named = _above(panel, 0.0, "left", f"{sign} {word}".strip(), above, color=colour, weight="bold")
        number = _above(panel, 1.0, "right", text, above)
        above += _ROW
        if word and text and len(word) + len(text) > _ACROSS:  # side by side they would meet
            number.xyann = (0, above - _ROW)
            named.xyann = (0, above)
            above += _ROW


def _above(panel: Axes, x: float, side: str, text: str, points: float, **look: Any) -> Any:
    """A row of words above a panel."""
    return panel.annotate(
        text, (x, 1.0), (0, points), xycoords="axes fraction", textcoords="offset points", ha=side, va="baseline",
        **{"color": THEORY, **look},
    )  # fmt: skip


def _curve_axis(strip: Axes, grid: Float[np.ndarray, " n"]) -> None:
    """The shared axis; logarithmic for a geometric grid, with room for its zero where it has one."""
    if geometric(grid) and grid[0] > 0:
        strip.set_xscale("log")
    elif geometric(grid):
        strip.set_xscale("symlog", linthresh=float(np.min(grid[grid > 0])), linscale=0.4)
    elif grid.size and np.all(grid == np.round(grid)) and np.ptp(grid) < 12:
        strip.xaxis.set_major_locator(MaxNLocator(integer=True))


def _keep_to_values(panel: Axes, lines: Sequence[Line]) -> None:
    """Limits from the means, so that an error bar reaching to zero does not open empty decades."""
    values = np.concatenate([np.concatenate((line.predicted, line.mean)) for line in lines])
    values = values[np.isfinite(values) & (values > 0)]
    if values.size:
        low, high = np.log10(np.min(values)), np.log10(np.max(values))
        room = 0.06 * max(high - low, 0.3)
        panel.set_ylim(10 ** (low - room), 10 ** (high + room))
        plain_decades(panel.yaxis, 10**low, 10**high)


def _same_theory(lines: Sequence[Line]) -> bool:
    first = lines[0]
    return all(
        np.array_equal(line.at, first.at) and np.allclose(line.predicted, first.predicted, rtol=1e-6, atol=0.0)
        for line in lines
    )


def _never(values: Any) -> Any:
    return np.zeros(np.shape(values), bool)
