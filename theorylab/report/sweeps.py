"""Sweeps as figures: where each curve ends against one coupling, and heat maps over two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from theorylab.compare.result import ComparisonData
from theorylab.core import Observable, require
from theorylab.engine import files
from theorylab.report.grids import edges, geometric, plain_decades, positions, spaced, upright
from theorylab.report.overlay import png
from theorylab.report.style import COLUMN, THEORY, family, style

WIDE = 6.9
"""Inches of two columns."""
TOGETHER = 6
"""Most cases that share a panel; more cannot be told apart."""
_MARKS = "osD^vP"
_TICKS = 7
"""Most values that an axis of a heat map names."""


@dataclass(frozen=True)
class Swept:
    """One setting of a sweep: the swept coupling's value, and the comparison there."""

    value: float
    data: ComparisonData


# -- one coupling --------------------------------------------------------------------------------------------


def overview(cases: Mapping[str, Sequence[Swept]], field: str) -> Figure:
    """Last recorded value of every one-dimensional observable (or the number itself): theory as lines, simulation as
    points with standard errors, a colour and a mark a case. Many cases are drawn in rows, those whose names differ
    in a number only in one row, on the same axes. Failed settings are left out: a divergence is no value.

    Arguments:
      cases: settings by case, in the order that they are drawn in.
      field: the swept coupling.
    """
    systems = [one.data.system for swept in cases.values() for one in swept]
    common = [o for o in systems[0].observables if len(o.dims) < 2 and o.scale != "density"]
    common = [o for o in common if all(o.name in {other.name for other in system.observables} for system in systems)]
    rows = grouped(list(cases))
    values = np.array([one.value for swept in cases.values() for one in swept])
    with style():
        height = 0.4 + (2.4 if len(rows) == 1 else 1.75) * len(rows)
        figure = Figure(figsize=(WIDE * max(1.0, len(common) / 3), height), layout="constrained")
        FigureCanvasAgg(figure)
        if not common:
            figure.text(0.02, 0.5, "No observable of this sweep is a number or a curve that all its cases share.")
            return figure
        grid = figure.subplots(len(rows), len(common), squeeze=False, sharex=True, sharey="col")
        for panels, names in zip(grid, rows, strict=True):
            for panel, observable in zip(panels, common, strict=True):
                for name, colour, mark in zip(names, family(len(names)), _MARKS, strict=False):
                    _ends(panel, observable, cases[name], name, colour, mark)
            handles, labels = panels[-1].get_legend_handles_labels()
            panels[-1].legend(
                handles,
                labels,
                title="lines: theory\nmarks: simulation" if names is rows[0] else None,
                title_fontsize=7.0,
                alignment="left",
                loc="upper left",
                bbox_to_anchor=(1.02, 1.0),
                borderaxespad=0.0,
            )
        for column, observable in zip(grid.T, common, strict=True):
            drawn = [np.asarray(line.get_ydata(), float) for panel in column for line in panel.get_lines()]
            ends = np.concatenate(drawn) if drawn else np.ones(1)
            ends = ends[np.isfinite(ends)]
            if ends.size and ends.min() > 0 and ends.max() / ends.min() > 3:
                for panel in column:
                    panel.set_yscale("log")
                    plain_decades(panel.yaxis, ends.min(), ends.max())
            for panel in column:
                panel.set_ylabel(_end_label(observable))
            column[-1].set_xlabel(spaced(field))
        if values.min() > 0 and values.max() / values.min() > 5:
            for panel in grid.flat:
                panel.set_xscale("log")
                plain_decades(panel.xaxis, values.min(), values.max())
        figure.align_ylabels()
    return figure


def grouped(names: Sequence[str]) -> list[list[str]]:
    """Cases in rows: one row while they can be told apart, else a row for each kind of name, its last number aside."""
    if len(names) <= TOGETHER:
        return [list(names)]
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(re.sub(r"[-_.]?\d[\dpe.+-]*$", "", name), []).append(name)
    if len(kinds) > len(names) / 2:  # names of no kind: in the order they came in
        kinds = {"": list(names)}
    return [group[i : i + TOGETHER] for group in kinds.values() for i in range(0, len(group), TOGETHER)]


def _ends(panel: Axes, observable: Observable, swept: Sequence[Swept], name: str, colour: str, mark: str) -> None:
    good = sorted((one for one in swept if one.data.rungs and not one.data.failure), key=lambda one: one.value)
    x = [one.value for one in good]
    theory, mean, error = (
        [float(np.ravel(getattr(one.data.rungs[-1], what)[observable.name])[-1]) for one in good]
        for what in ("predicted", "simulated", "stderr")
    )
    panel.plot(x, theory, color=colour)
    bars = np.nan_to_num(error) if good else None
    panel.errorbar(x, mean, bars, fmt=mark, color=colour, mec="white", mew=0.4, ms=4, label=spaced(name))


def _end_label(observable: Observable) -> str:
    return upright(observable) + ("\nat the end" if observable.dims else "")


# -- two couplings -------------------------------------------------------------------------------------------


def heat_map(
    values: Float[np.ndarray, "n m"],
    axes: Sequence[tuple[str, Shaped[np.ndarray, "..."]]],
    label: str,
    *,
    margin: float | None = None,
    signs: Shaped[np.ndarray, "n m"] | None = None,
) -> Figure:
    """Values over two swept fields, one cell a setting; a cell without a value is hatched.

    Arguments:
      values: first axis the first field, drawn upwards; nan where there is no value.
      axes: name and values of the two fields.
      label: what the colour means, with its unit.
      margin: for deviations: a line around the cells below it, and a mark in the colour bar.
      signs: a sign for each cell (a verdict's, say), written into it.

    Raises: `Refused` where shapes do not fit.
    """
    values = np.asarray(values, float)
    (row_name, rows), (column_name, columns) = axes
    shape = (len(rows), len(columns))
    require(values.shape == shape, f"a heat map over {shape} settings needs values of that shape, got {values.shape}")
    finite = values[np.isfinite(values)]
    with style():
        figure = Figure(figsize=(1.15 * COLUMN, 0.92 * COLUMN), layout="constrained")
        FigureCanvasAgg(figure)
        panel = figure.add_subplot()
        panel.set_facecolor("#e8e6e0")
        panel.patch.set(hatch="////", edgecolor="#b0ada4", lw=0)
        x, y = (_axis(panel, which, name, at) for which, name, at in
                (("x", column_name, columns), ("y", row_name, rows)))  # fmt: skip
        norm = None
        if finite.size and finite.min() > 0 and finite.max() / finite.min() > 30:
            norm = LogNorm(finite.min(), finite.max())
        mesh = panel.pcolormesh(x, y, np.ma.masked_invalid(values), cmap="viridis", norm=norm)
        bar = figure.colorbar(mesh, ax=panel, label=label)
        if norm is not None:
            plain_decades(bar.ax.yaxis, norm.vmin or 1.0, norm.vmax or 1.0)
        if margin is not None and finite.size:
            _fence(panel, x, y, values <= margin)
            if finite.min() <= margin <= finite.max():
                bar.ax.axhline(margin, color="white", lw=2.4)
                bar.ax.axhline(margin, color=THEORY, lw=1.2)
        if signs is not None:
            _write(panel, x, y, values, np.asarray(signs), mesh)
        for side in ("top", "right"):
            panel.spines[side].set_visible(True)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _axis(panel: Axes, which: str, name: str, at: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Edges of the cells along one axis, which is labelled; even cells where the values are uneven or no numbers."""
    at = np.asarray(at)
    centres, words = positions(at)
    getattr(panel, f"set_{which}label")(spaced(name))
    if words is None and at.size > 2 and geometric(centres) and centres[0] > 0:
        getattr(panel, f"set_{which}scale")("log")
        axis = getattr(panel, f"{which}axis")
        plain_decades(axis, centres[0], centres[-1])
        return np.exp(edges(np.log(centres)))
    steps = np.diff(centres)
    if words is None and at.size > 2 and np.all(steps > 0) and np.ptp(steps) < 1e-6 * np.max(steps):
        return edges(centres)
    shown = range(0, at.size, -(-at.size // _TICKS))
    axis = getattr(panel, f"{which}axis")
    axis.set_major_locator(FixedLocator([float(i) for i in shown]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FixedFormatter([words[i] if words else f"{centres[i]:.4g}" for i in shown]))
    return np.arange(at.size + 1) - 0.5


def _fence(panel: Axes, x: Any, y: Any, inside: Any) -> None:
    """A line around the cells that are inside."""
    padded = np.pad(inside, 1)
    lines = []
    for i, j in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]):
        lines.append(((x[j], x[j + 1]), (y[i], y[i])))
    for i, j in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]):
        lines.append(((x[j], x[j]), (y[i], y[i + 1])))
    for across, up in lines:
        panel.plot(across, up, color="white", lw=2.6, solid_capstyle="projecting", clip_on=False)
    for across, up in lines:
        panel.plot(across, up, color=THEORY, lw=1.2, solid_capstyle="projecting", clip_on=False)


def _write(panel: Axes, x: Any, y: Any, values: Any, signs: Any, mesh: Any) -> None:
    """Signs into the cells, dark on bright ones; as small as the cells need."""

    def middle(ends: Any, scale: str) -> Any:
        return np.sqrt(ends[1:] * ends[:-1]) if scale == "log" else (ends[1:] + ends[:-1]) / 2

    size = float(np.clip(90 / max(signs.shape), 3, 8))
    for (i, j), sign in np.ndenumerate(signs):
        red, green, blue, _ = mesh.cmap(mesh.norm(values[i, j])) if np.isfinite(values[i, j]) else (1.0, 1.0, 1.0, 1.0)
        dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
        panel.text(
            middle(x, panel.get_xscale())[j], middle(y, panel.get_yscale())[i], sign, ha="center", va="center",
            fontsize=size, color="white" if dark else THEORY,
        )  # fmt: skip


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all. Raises: `Refused` where it cannot be written."""
    files.write_bytes(path, png(figure))
    return path
