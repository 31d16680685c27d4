"""Theory on simulation: one figure a comparison."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from theorylab.compare.result import Agreement, ComparisonData, Rung
from theorylab.core import Observable, require
from theorylab.engine import files
from theorylab.report import panels
from theorylab.report.series import Series
from theorylab.report.style import COLUMN, LIMIT, MARGIN, SIMULATION, THEORY, shades, style

DPI = 150
_ACROSS = 3
_HEIGHT = 2.95


def overlay(data: ComparisonData) -> Figure:
    """Every observable of a comparison: theory as a line, simulation as points with standard errors, the residual
    in percent in a strip below with its simultaneous 95 % band and the margin; sizes by shade, the largest darkest.

    A comparison that failed, and values that are not finite, are said in words. The figure belongs to no pyplot
    state: it is freed with its last reference.
    """
    name = f"{data.name} · {data.case}"
    with style():
        if data.failure or not data.rungs:
            return _failure(name, data.failure or "nothing was computed")
        drawn = [(one, [_series(one, rung) for rung in data.rungs]) for one in data.system.observables]
        unfit = {one.name: panels.unfit(one, series) for one, series in drawn}
        if all(unfit.values()):
            return _failure(name, "; ".join(dict.fromkeys(unfit.values())) or "nothing is judged here")
        several = len(data.rungs) > 1
        size_name = data.system.size or "size"
        figure = _figure(len(drawn))
        for (panel, strip), (observable, series) in zip(_grid(figure, len(drawn)), drawn, strict=True):
            ladder = data.ladder.get(observable.name)
            panels.draw(panel, strip, observable, series, ladder, size_name, data.system.axis_labels)
        _head(figure, name)
        _legend(figure, _keys(data.rungs, size_name if several else "", bool(data.ladder)))
        return _settled(figure)


def overlay_measured(
    observable: Observable,
    at: Sequence[Shaped[np.ndarray, "..."]],
    predicted: Shaped[np.ndarray, "..."],
    measured_at: Sequence[Shaped[np.ndarray, "..."]],
    measured: Shaped[np.ndarray, "..."],
    *,
    stderr: Shaped[np.ndarray, "..."] | None = None,
    runs: Shaped[np.ndarray, "runs *points"] | None = None,
    agreement: Agreement | None = None,
    name: str = "",
) -> Figure:
    """A measured curve on the prediction: points on the theory's line.

    Arguments:
      observable: what was measured.
      at: coordinates of the prediction, one array an axis of the observable.
      predicted: the prediction there.
      measured_at: coordinates of the measurement, one array an axis.
      measured: the measured mean.
      stderr: its standard error; made from `runs` where those are given.
      runs: every run, the first axis; needs at least two for error bars.
      agreement: the verdict, on the measurement's points; None where nothing is judged.
      name: heading.

    Raises: `Refused` where shapes do not fit their coordinates.
    """
    predicted, measured = np.asarray(predicted), np.asarray(measured)
    for what, values, axes in (("predicted", predicted, at), ("measured", measured, measured_at)):
        shape = tuple(len(axis) for axis in axes)
        require(values.shape == shape, f"{what} {observable.name} has shape {values.shape}, its coordinates {shape}")
    if stderr is None and runs is not None and len(runs) > 1:
        stderr = np.std(runs, axis=0, ddof=1) / np.sqrt(len(runs))
    series = Series(
        at=tuple(np.asarray(axis) for axis in at),
        predicted=predicted,
        measured_at=tuple(np.asarray(axis) for axis in measured_at),
        mean=measured,
        stderr=stderr,
        runs=runs,
        agreement=agreement,
    )
    with style():
        figure = _figure(1)
        (panel, strip) = _grid(figure, 1)[0]
        panels.draw(panel, strip, observable, [series])
        if agreement is None:
            panel.set_xlabel(strip.get_xlabel())
            panel.tick_params(labelbottom=True)
            strip.remove()
            panel.set_subplotspec(figure.add_gridspec(1, 1)[0])
        _head(figure, name)
        count = f", {len(runs)} runs" if runs is not None else ""
        bars = " ± s.e." if stderr is not None else ""
        keys = [_line_key("theory"), _point_key(f"measured{bars}{count}", SIMULATION)]
        _legend(figure, keys + (_strip_keys(stderr is not None, False) if agreement is not None else []))
        return _settled(figure)


def png(figure: Figure) -> bytes:
    """The figure as a PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, folder: str | Path) -> tuple[Path, Path]:
    """Write `overlay.png` and `overlay.pdf` into `folder`, each whole or not at all; no dates inside.

    Raises: `Refused` where they cannot be written.
    """
    folder = Path(folder)
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    written = folder / "overlay.png", folder / "overlay.pdf"
    files.write_bytes(written[0], png(figure))
    files.write_bytes(written[1], buffer.getvalue())
    return written


# -- what the figure is made of ------------------------------------------------------------------------------


class _Figure(Figure):
    """A figure that shows itself in a notebook without pyplot."""

    def _repr_png_(self) -> bytes:
        return png(self)


def _series(observable: Observable, rung: Rung) -> Series:
    name = observable.name
    runs = np.asarray(rung.curves[name]) if name in rung.curves else None
    few = runs is not None and len(runs) < 2
    at = tuple(np.asarray(rung.coordinates[axis]) for axis in observable.dims)
    return Series(
        at=at,
        predicted=np.asarray(rung.predicted[name]),
        measured_at=at,
        mean=np.asarray(rung.simulated[name]),
        stderr=None if few or name not in rung.stderr else np.asarray(rung.stderr[name]),
        runs=runs,
        agreement=rung.agreements.get(name),
        size=rung.size,
    )


def _figure(count: int) -> Figure:
    across, down = _shape(count)
    width = COLUMN if across == 1 else across * 0.94 * COLUMN
    figure = _Figure(figsize=(width, 0.45 + down * _HEIGHT), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, hspace=0.04, wspace=0.03)  # pyright: ignore
    return figure


def _shape(count: int) -> tuple[int, int]:
    """Columns and rows: at most three across, rows of even length (four are two and two)."""
    down = math.ceil(count / _ACROSS)
    return math.ceil(count / down), down


def _grid(figure: Figure, count: int) -> list[tuple[Any, Any]]:
    """A panel and its strip for each observable; the strip shares the panel's horizontal axis."""
    across, down = _shape(count)
    outer = figure.add_gridspec(down, across)
    pairs = []
    for place in range(count):
        cell = outer[place // across, place % across].subgridspec(2, 1, height_ratios=[2.5, 1], hspace=0.04)
        panel = figure.add_subplot(cell[0])
        strip = figure.add_subplot(cell[1], sharex=panel)
        pairs.append((panel, strip))
    return pairs


def _failure(name: str, sentence: str) -> Figure:
    lines = len(textwrap.wrap(sentence, panels.WRAP))
    figure = _Figure(figsize=(COLUMN, max(1.6, 0.8 + 0.15 * lines)), layout="constrained")
    FigureCanvasAgg(figure)
    panels.say(figure.add_subplot(), None, sentence)
    _head(figure, name)
    return _settled(figure)


def _head(figure: Figure, name: str) -> None:
    if name:
        width = int(figure.get_figwidth() * 14)
        figure.suptitle("\n".join(textwrap.wrap(name, width)), x=0.012, ha="left", fontsize=8.5, weight="bold")


def _legend(figure: Figure, keys: Sequence[Artist]) -> None:
    rows = math.ceil(len(keys) / max(1, int(figure.get_figwidth() / 1.5)))
    columns = math.ceil(len(keys) / rows)
    by_column = [keys[row * columns + column] for column in range(columns) for row in range(rows)
                 if row * columns + column < len(keys)]  # fmt: skip
    figure.legend(handles=by_column, loc="outside lower left", ncols=columns, borderaxespad=0.2, labelspacing=0.3)


def _keys(rungs: Sequence[Rung], size_name: str, ladder: bool) -> list[Artist]:
    counts = sorted({len(curves) for rung in rungs for curves in rung.curves.values()})
    runs = "–".join(str(n) for n in dict.fromkeys((counts[0], counts[-1]))) if counts else ""
    several = not counts or counts[-1] > 1  # without every run kept there are moments, so there were several
    bars = " ± s.e." if several else ""
    each = " each" if size_name else ""
    of = f", {runs} run{'' if runs == '1' else 's'}{each}" if runs else ""
    keys: list[Artist] = [_line_key("theory")]
    if not size_name:
        keys.append(_point_key(f"simulation{bars}{of}", SIMULATION))
    else:
        for rung, colour in zip(rungs, shades(len(rungs)), strict=True):
            last = f"{bars}{of}" if rung is rungs[-1] else ""
            keys.append(_point_key(f"{size_name.replace('_', ' ')} {rung.size}{last}", colour))
    return keys + _strip_keys(several, ladder)


def _strip_keys(band: bool, ladder: bool) -> list[Artist]:
    keys: list[Artist] = [Line2D([], [], color=MARGIN, lw=0.8, ls=(0, (3, 2)), label="margin")]
    if band:
        keys.append(Patch(color=SIMULATION, alpha=0.22, lw=0, label="simultaneous 95 % band"))
    if ladder:
        keys.append(Line2D([], [], color=LIMIT, lw=1.2, ls=(0, (4, 1.2)), label="extrapolated"))
    return keys


def _line_key(text: str) -> Artist:
    return Line2D([], [], color=THEORY, label=text)


def _point_key(text: str, colour: str) -> Artist:
    return Line2D([], [], color=colour, ls="", marker="o", mec="white", mew=0.35, label=text)


def _settled(figure: Figure) -> Figure:
    """The figure laid out once, in its style; saving it twice or elsewhere changes nothing."""
    for panel, strip in zip(figure.axes[::2], figure.axes[1::2], strict=False):
        figure.align_ylabels([panel, strip])
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


__all__ = ["DPI", "overlay", "overlay_measured", "png", "save"]
