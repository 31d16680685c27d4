"""Figures of the image benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def _bars(axis: Any, rows: Mapping[str, Any], title: str) -> None:
    names = list(rows)
    means = [float(np.mean(rows[name])) for name in names]
    errors = [float(np.std(rows[name], ddof=1) / len(rows[name]) ** 0.5) for name in names]
    axis.errorbar(means, range(len(names)), xerr=errors, fmt="o", color=COLOURS[0], capsize=3)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="test accuracy", title=title)
    axis.grid(axis="x", alpha=0.3)


def accuracy_figure(tuned: Mapping[str, Any], fixed: Mapping[str, Any], name: str) -> Any:
    """Means and standard errors of every rule, at fixed settings and tuned, a panel a network."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 1 + len(tuned), figsize=(4.6 * (1 + len(tuned)), 4.2), layout="constrained")
    _bars(axes[0], fixed, f"{name}, fixed settings")
    for axis, (network, found) in zip(axes[1:], tuned.items(), strict=True):
        _bars(axis, {rule: one["runs"] for rule, one in found.items()}, f"{network}, tuned")
    return figure


def correlation_figure(fixed: Mapping[str, Any], samples: int) -> Any:
    """Correlation of layers with the error against epochs, and |R|^2 beside its floor."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    epochs = np.arange(1, fixed["BP"]["correlation"].shape[1] + 1)
    for colour, name in zip(COLOURS, ("BP", "DFA", "EBD"), strict=False):
        curves = fixed[name]["correlation"].mean(0)
        for layer, style in zip(range(curves.shape[1]), ("-", "--", ":"), strict=False):
            left.plot(epochs, curves[:, layer], style, color=colour, label=f"{name}, layer {layer + 1}")
    left.axhline((2 / np.pi / samples) ** 0.5, color="black", linewidth=1, label="by chance")
    left.set(xlabel="epoch", ylabel="mean |correlation| with the error")
    left.legend(fontsize=7)
    epochs = np.arange(1, fixed["BP"]["correlation"].shape[1] + 1)
    short = fixed["EBD, lambda = 0.99"]
    for layer, colour in zip(range(short["feedback"].shape[-1]), COLOURS, strict=False):
        feedback, floor = short["feedback"][..., layer].mean(0), short["floor"][..., layer].mean(0)
        right.semilogy(epochs, feedback, "o-", color=colour, label=f"layer {layer + 1}")
        right.semilogy(epochs, floor, "--", color=colour, label="its open-loop floor")
    right.set(xlabel="epoch", ylabel=r"$|R|^2$, $\lambda = 0.99$")
    right.legend(fontsize=7)
    return figure


def entropy_figure(rates: Sequence[float], accuracy: Any) -> Any:
    """Paired difference in accuracy that the entropy regularizer makes, by its rate."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
    differences = np.asarray(accuracy)[1:] - np.asarray(accuracy)[0]
    errors = differences.std(1, ddof=1) / differences.shape[1] ** 0.5
    axis.errorbar(rates[1:], differences.mean(1), errors, fmt="o-", color=COLOURS[0], capsize=3)
    axis.axhline(0.0, color="black", linewidth=1)
    axis.set(xscale="log", xlabel="rate of the entropy regularizer", ylabel="change in test accuracy")
    return figure
