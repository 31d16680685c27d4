"""A fit, drawn: predicted against measured loss, loss against data, effective parameters against bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.systems.precision_scaling.fitting_forms import SHORT
from theorylab.systems.precision_scaling.fitting_table import PRECISIONS
from theorylab.systems.precision_scaling.theory_laws import HIGH, base_loss, loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theorylab.systems.precision_scaling.fitting_result import Fit

SIZE = (3.35, 2.9)
"""Inches: one column of a journal."""
FITTED, HELD, INK = "#0b5a9c", "#c4500a", "#1a1a1a"
MOST = 8
"""Curves in one panel."""


def figures(result: Fit) -> dict[str, Callable[[], Figure]]:
    """Functions that draw, by name."""
    found: dict[str, Callable[[], Figure]] = {
        "predicted_against_measured": lambda: predicted_against_measured(result),
        "loss_against_data": lambda: loss_against_data(result),
    }
    if result.form.parts:
        found["effective_parameters"] = lambda: effective_parameters(result)
    return found


def _panels(count: int) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE[0] * max(1, 0.8 * count), SIZE[1]), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def predicted_against_measured(result: Fit) -> Figure:
    """Loss of every run by the law against its measured one; held-out runs by the law that has not seen them."""
    figure, (axis,) = _panels(1)
    held = result.held_out
    rows = np.zeros(len(result.table), bool) if held is None else held.rows
    predicted = np.exp(result.log_loss(result.table) if held is None else held.predicted)
    measured = result.table.loss
    ends = np.array([min(measured.min(), predicted.min()), max(measured.max(), predicted.max())])
    axis.plot(ends, ends, color=INK, linewidth=0.8)
    axis.plot(measured[~rows], predicted[~rows], "o", color=FITTED, markersize=2.5, label="fitted")
    if held is not None:
        axis.plot(measured[rows], predicted[rows], "^", color=HELD, markersize=3, label=f"held out, R² {held.r2:.3f}")
    axis.set(xlabel="measured loss [nats/token]", ylabel="predicted loss [nats/token]", title=f"law {result.law}")
    axis.legend()
    return figure


def loss_against_data(result: Fit) -> Figure:
    """Runs and law against tokens, by size: in high precision, and, where the law has it, quantized after training to
    the fewest bits that were measured. Every run is moved to these precisions by the law (its residual is kept)."""
    from matplotlib import colormaps

    table, constants = result.table, result.constants()
    predicted = np.exp(result.log_loss(table))
    panels = [("trained in high precision", HIGH)]
    if result.form.post != "none":
        panels.append((f"then quantized to {table.post.min():g} bits", float(table.post.min())))
    figure, axes = _panels(len(panels))
    sizes = np.unique(table.N)
    if len(sizes) > MOST:
        sizes = sizes[np.round(np.linspace(0, len(sizes) - 1, MOST)).astype(int)]
    grid = np.geomspace(table.D.min(), table.D.max(), 100)
    for axis, (title, post) in zip(axes, panels, strict=True):
        moved = table.loss * np.asarray(loss(table.N, table.D, constants, post=post)) / predicted
        rows = ~np.isfinite(table.post) if post == HIGH else table.post == post
        for place, size in enumerate(sizes):
            colour = colormaps["viridis"](0.8 * place / max(len(sizes) - 1, 1))
            here = (size == table.N) & rows
            axis.plot(table.D[here], moved[here], "o", color=colour, markersize=2.5, alpha=0.6)
            curve = np.asarray(loss(size, grid, constants, post=post))
            axis.plot(grid, curve, color=colour, linewidth=1, label=f"N = {size:.2g}")
        axis.set(xscale="log", xlabel="training tokens D", ylabel="loss [nats/token]", title=title)
        axis.xaxis.set_minor_formatter("")
    axes[-1].legend(fontsize=6)
    return figure


def effective_parameters(result: Fit) -> Figure:
    """N_eff / N of each part against bits: the law, and what each run's loss implies once all other terms are taken off
    (runs where that leaves nothing are not drawn)."""
    table, k, form = result.table, result.constants(), result.form
    figure, axes = _panels(len(form.parts))
    plain = ~np.isfinite(table.post)
    rest = table.loss - np.asarray(base_loss(np.inf, table.D, k))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (rest / np.asarray(k.A)) ** (-1 / np.asarray(k.alpha)) / table.N
    for axis, part in zip(axes, form.parts, strict=True):
        bits = table.bits[:, part]
        gammas, offsets = np.asarray(k.gamma), np.asarray(k.offset)
        others = np.ones(len(table))
        for other in form.parts:
            if other != part:
                others = others * -np.expm1(offsets[other] - table.bits[:, other] / gammas[other])
        usable = plain & np.isfinite(bits) & np.isfinite(share)
        values = share / others
        axis.plot(bits[usable], values[usable], ".", color=FITTED, markersize=2, alpha=0.35, label="runs")
        levels = np.unique(bits[usable])
        medians = [np.median(values[usable & (bits == level)]) for level in levels]
        axis.plot(levels, medians, "o", color=FITTED, markersize=4, label="median")
        grid = np.linspace(max(0.5, offsets[part] * gammas[part]), max(bits[np.isfinite(bits)].max(), 8), 200)
        label = f"γ = {gammas[part]:.3g} bits"
        axis.plot(grid, -np.expm1(offsets[part] - grid / gammas[part]), color=INK, label=label)
        axis.set(xlabel=f"bits {PRECISIONS[part]}", ylabel=f"N_eff / N, factor {SHORT[part]}", ylim=(0, 1.6))
        axis.legend()
    return figure
