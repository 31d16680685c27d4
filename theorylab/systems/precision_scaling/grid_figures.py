"""Figures of a grid of trained transformers, and what they show in numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from theorylab.systems.precision_scaling.fitting import Fit
from theorylab.systems.precision_scaling.grid import FULL, Measured, Plan

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colour-blind palette."""
PARTS = ("weights", "activations", "cache")
SCANNED = np.geomspace(1e-3, 3.0, 600)
"""Shares of N that are tried."""


def shares(plan: Plan, every: Measured, law: Fit, index: int) -> Float[np.ndarray, "cells"]:
    """N_eff / N of one setting in every cell: where the law's full-precision loss is the one measured, the cell's own
    deviation from the law in full precision taken out."""
    found = []
    for (shape, tokens), runs in every.items():
        size, mean = shape.size(plan.setup), runs.loss.mean(0)
        scanned = law.log_loss({"N": size * SCANNED, "D": np.full(len(SCANNED), tokens)})
        whole = law.log_loss({"N": np.array([float(size)]), "D": np.array([tokens])})[0]
        wanted = np.log(mean[index]) - np.log(mean[0]) + whole
        found.append(float(SCANNED[np.argmin(np.abs(scanned - wanted))]))
    return np.array(found)


def by_size(plan: Plan, every: Measured) -> dict[int, list[tuple[float, Any]]]:
    """For each N, (D, runs) by rising D."""
    found: dict[int, list[tuple[float, Any]]] = {}
    for (shape, tokens), runs in every.items():
        found.setdefault(shape.size(plan.setup), []).append((tokens, runs))
    return {size: sorted(rows, key=lambda row: row[0]) for size, rows in sorted(found.items())}


def turned_up(plan: Plan, every: Measured) -> list[tuple[int, float, float]]:
    """(N, bits, D) where the mean loss after rounding is least, if that is not at the largest D."""
    found = []
    for size, rows in by_size(plan, every).items():
        for j, bits in enumerate(plan.post):
            after = [runs.rounded[:, 0, j].mean() for _, runs in rows]
            at = int(np.argmin(after))
            if len(rows) > 2 and at < len(rows) - 1:
                found.append((size, bits, rows[at][0]))
    return found


def _axes(columns: int, width: float = 4.2) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    return plt.subplots(1, columns, figsize=(width * columns, 3.7), layout="constrained", squeeze=False)


def bits(plan: Plan, every: Measured, entropy: float) -> Any:
    """Loss above the entropy against the bits of each part, at the largest D of each N."""
    figure, axes = _axes(3, 3.6)
    for part, axis in enumerate(axes[0]):
        alone = [i for i, b in enumerate(plan.bits) if all(b[k] >= FULL for k in range(3) if k != part)]
        alone.sort(key=lambda i: plan.bits[i][part])
        for (size, rows), colour in zip(by_size(plan, every).items(), COLOURS, strict=False):
            tokens, runs = rows[-1]
            label = f"N = {size:,}, D = {tokens / 1e6:.2g}M"
            excess = runs.loss.mean(0)[alone] - entropy
            axis.plot([plan.bits[i][part] for i in alone], excess, "o-", ms=4, color=colour, label=label)
        axis.set(xlabel=f"bits of the {PARTS[part]} (16: full)", xscale="log", yscale="log")
        axis.set_xticks([2, 3, 4, 6, 8, 16], ["2", "3", "4", "6", "8", "16"])
        axis.minorticks_off()
    axes[0][0].set_ylabel("loss above the entropy [nats]")
    axes[0][0].legend(fontsize=7, frameon=False)
    return figure


def degradation(plan: Plan, every: Measured) -> Any:
    """Loss added by rounding after training, against tokens a parameter: to the nearest, and compensated."""
    figure, axes = _axes(len(plan.post), 3.2)
    for j, axis in enumerate(axes[0]):
        for (size, rows), colour in zip(by_size(plan, every).items(), COLOURS, strict=False):
            ratio = [tokens / size for tokens, _ in rows]
            near = [(runs.rounded[:, 0, j] - runs.loss[:, 0]).mean() for _, runs in rows]
            gptq = [(runs.compensated[:, j] - runs.loss[:, 0]).mean() for _, runs in rows]
            axis.plot(ratio, near, "o-", ms=4, color=colour, label=f"N = {size:,}")
            axis.plot(ratio, gptq, "s:", ms=3, color=colour, mfc="none")
        axis.set(xlabel="tokens a parameter, D / N", xscale="log", yscale="log", title=f"{plan.post[j]:g} bits")
    axes[0][0].set_ylabel("degradation [nats]")
    axes[0][0].legend(fontsize=7, frameon=False, title="squares: compensated", title_fontsize=7)
    return figure


def turning(plan: Plan, every: Measured, entropy: float) -> Any:
    """Loss after rounding against data, for each size."""
    sizes = {size: rows for size, rows in by_size(plan, every).items() if len(rows) > 2}
    figure, axes = _axes(max(1, len(sizes)), 3.0)
    for axis, (size, rows) in zip(axes[0], sizes.items(), strict=False):
        tokens = [one for one, _ in rows]
        full = [runs.loss[:, 0].mean() - entropy for _, runs in rows]
        axis.plot(tokens, full, "ko-", ms=3, label="full")
        for j, colour in zip(reversed(range(len(plan.post))), COLOURS, strict=False):
            after = [runs.rounded[:, 0, j].mean() - entropy for _, runs in rows]
            axis.plot(tokens, after, "o-", ms=3, color=colour, label=f"{plan.post[j]:g} bits")
        axis.set(xscale="log", yscale="log", xlabel="tokens D", title=f"N = {size:,}")
    axes[0][0].set_ylabel("loss above the entropy [nats]")
    axes[0][0].legend(fontsize=7, frameon=False)
    return figure


def held_out(law: Fit) -> Any:
    """Predicted against measured loss, the held-out larger runs apart."""
    figure, axes = _axes(1, 4.6)
    axis = axes[0][0]
    measured = law.table.loss
    held = law.held_out
    predicted = np.exp(law.log_loss(law.table) if held is None else held.predicted)
    rows = np.zeros(len(measured), bool) if held is None else held.rows
    axis.plot(predicted[~rows], measured[~rows], ".", color=COLOURS[0], label="fitted")
    axis.plot(predicted[rows], measured[rows], "o", ms=4, mfc="none", color=COLOURS[1], label="held out, larger")
    ends = [measured.min(), measured.max()]
    axis.plot(ends, ends, "k-", lw=0.8)
    title = "" if held is None else f"held out: R$^2$ {held.r2:.3f} [{held.r2_ends[0]:.3f}, {held.r2_ends[1]:.3f}]"
    axis.set(xlabel="predicted loss [nats]", ylabel="measured loss [nats]", title=title)
    axis.legend(frameon=False)
    return figure


def effective(plan: Plan, every: Measured, law: Fit) -> Any:
    """N_eff / N against bits: what each cell says, and the law's factors."""
    figure, axes = _axes(3, 3.6)
    gamma = np.asarray(law.constants().gamma)
    for part, axis in enumerate(axes[0]):
        alone = [i for i, b in enumerate(plan.bits) if b[part] < FULL and sum(x < FULL for x in b) == 1]
        for i in alone:
            found = shares(plan, every, law, i)
            axis.plot(np.full(len(found), plan.bits[i][part]), found, ".", color=COLOURS[part])
        line = np.linspace(1.5, 8, 60)
        axis.plot(line, -np.expm1(-line / gamma[part]), "k-", lw=1, label=f"$\\gamma$ = {gamma[part]:.2f}")
        axis.set(xlabel=f"bits of the {PARTS[part]}", ylim=(0, 1.6))
        axis.legend(frameon=False)
    axes[0][0].set_ylabel("N_eff / N")
    return figure
