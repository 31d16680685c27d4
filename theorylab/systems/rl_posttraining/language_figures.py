"""Figures of a pipeline of language models: every seed is shown, the failing ones too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.systems.rl_posttraining.language_transfer import transfers

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining.language import Explored

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colour-blind palette."""


def figures(explored: Explored) -> dict[str, Callable[[], Any]]:
    """By name, functions that draw."""
    found: dict[str, Callable[[], Any]] = {"shares": functools.partial(shares, explored)}
    for name, by in explored.overlays.items():
        if len(by) > 1:
            plain = name.replace(", beta .", "_beta_0p").replace(" ", "_")
            found[f"overlays_{plain}"] = functools.partial(overlays, explored, name)
    found["passes"] = functools.partial(passes, explored)
    if len(explored.pipeline.task.kinds) > 1:
        found["transfer"] = functools.partial(transfer, explored)
    found["expert_iteration"] = functools.partial(mild, explored)
    return found


def _plot(*size: Any, **options: Any) -> Any:
    from matplotlib import pyplot as plt

    return plt.subplots(*size, layout="constrained", squeeze=False, **options)


def _steps(explored: Explored, name: str) -> np.ndarray:
    run = explored.pipeline.runs[name]
    return np.arange(run.records + 1) * run.every


def _kind(explored: Explored, name: str) -> int:
    return explored.pipeline.task.kinds.index(explored.pipeline.runs[name].kind)


def shares(explored: Explored) -> Any:
    """Format shares in time, a panel an algorithm; thin lines are seeds, thick lines their mean."""
    names = list(explored.runs)
    figure, axes = _plot(1, len(names), figsize=(3.2 * len(names), 3.3), sharey=True)
    for axis, name in zip(axes[0], names, strict=True):
        seen = explored.runs[name].shares[:, :, _kind(explored, name)]
        for k, label in enumerate(explored.pipeline.task.names):
            axis.plot(_steps(explored, name), seen[..., k].T, color=COLOURS[k], linewidth=0.6, alpha=0.6)
            axis.plot(_steps(explored, name), seen[..., k].mean(0), color=COLOURS[k], linewidth=2.2, label=label)
        expert = explored.pipeline.runs[name].every == 1
        axis.set(xlabel="round" if expert else "step", title=name, ylim=(0, 1))
    axes[0, 0].set_ylabel("share of format")
    axes[0, 0].legend(frameon=False)
    return figure


def overlays(explored: Explored, name: str) -> Any:
    """Every seed of a run with the theory at three levels, euclid geometry; grey: what the time scale is fitted to."""
    by, seen = explored.overlays[name], explored.runs[name].shares[:, :, _kind(explored, name)]
    steps = _steps(explored, name)
    columns = (explored.pipeline.seeds + 1) // 2
    figure, axes = _plot(2, columns, figsize=(2.8 * columns, 5.4), sharey=True, sharex=True)
    styles = {"frozen": ":", "measured": "--", "coupled": "-"}
    for seed, axis in enumerate(axes.ravel()[: explored.pipeline.seeds]):
        axis.axvspan(0, steps[-1] / 3, color="0.93", linewidth=0)
        for k, label in enumerate(explored.pipeline.task.names):
            axis.plot(steps, seen[seed, :, k], "o", color=COLOURS[k], markersize=3.5, label=label)
            for level, style in styles.items():
                axis.plot(steps, by[level, "euclid"][seed].shares[:, k], style, color=COLOURS[k], linewidth=1.1)
        words = [f"{level[0]} {by[level, 'euclid'][seed].error:.2f}" for level in styles]
        axis.set_title(f"seed {seed}; error: {', '.join(words)}", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    for axis in axes[:, 0]:
        axis.set_ylabel("share of format")
    handles = [
        axes[0, 0].plot([], [], style, color="0.3", label=f"{level} skills")[0] for level, style in styles.items()
    ]
    axes[0, 0].legend(handles=handles, frameon=False, fontsize=7)
    figure.suptitle(f"{explored.pipeline.name}, {name}", fontsize=10)
    return figure


def passes(explored: Explored) -> Any:
    """pass@k and majority against steps, trained and untrained kinds of prompt, mean over seeds with standard error."""
    kinds, names = explored.pipeline.task.kinds, list(explored.runs)
    figure, axes = _plot(
        len(kinds), len(names), figsize=(3.2 * len(names), 2.8 * len(kinds)), sharey="row", sharex="col"
    )
    for column, name in enumerate(names):
        seen, steps = explored.runs[name], _steps(explored, name)
        lines = [(f"pass@{k}", seen.passes[..., i]) for i, k in enumerate(seen.attempts)]
        lines.append(("majority", seen.majority))
        for row, kind in enumerate(kinds):
            for colour, (label, values) in zip(COLOURS, lines, strict=False):
                mean, error = values[:, :, row].mean(0), values[:, :, row].std(0) / max(len(values) - 1, 1) ** 0.5
                axes[row, column].plot(steps, mean, color=colour, label=label)
                axes[row, column].fill_between(steps, mean - error, mean + error, color=colour, alpha=0.2, linewidth=0)
            axes[row, 0].set_ylabel(f"{kind} prompts")
        axes[0, column].set_title(name)
        axes[-1, column].set_xlabel("round" if explored.pipeline.runs[name].every == 1 else "step")
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def scale(explored: list[Explored]) -> Any:
    """Final shares at every size, a panel an algorithm: points are seeds."""
    names = list(explored[0].runs)
    figure, axes = _plot(1, len(names), figsize=(3.2 * len(names), 3.3), sharey=True)
    for axis, name in zip(axes[0], names, strict=True):
        for k, label in enumerate(explored[0].pipeline.task.names):
            for x, one in enumerate(explored):
                end = one.runs[name].shares[:, -1, _kind(one, name), k]
                place = x + 0.22 * (k - 1) + np.linspace(-0.06, 0.06, len(end))
                axis.plot(place, end, "o", color=COLOURS[k], markersize=4, label=label if x == 0 else None)
                axis.plot(x + 0.22 * (k - 1), end.mean(), "_", color="black", markersize=16)
        widths = [f"{one.pipeline.name}\nd = {one.pipeline.model.width}" for one in explored]
        axis.set_xticks(range(len(explored)), widths)
        axis.set(title=name, ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel("share at the end")
    axes[0, 0].legend(frameon=False)
    return figure


def transfer(explored: Explored) -> Any:
    """Gain on hard prompts against what the pretrained model says of it."""
    figure, axes = _plot(1, 2, figsize=(8, 3.4), sharey=True)
    for colour, name in zip(COLOURS, explored.runs, strict=False):
        found = transfers(explored, name)
        assert found is not None
        axes[0, 0].plot(found.rate, found.gain, "o", color=colour, label=f"{name} ({found.correlation_rate:.2f})")
        label = f"{name} ({found.correlation_expected:.2f})"
        axes[0, 1].plot(found.expected, found.gain, "o", color=colour, label=label)
    axes[0, 0].set(xlabel="Cov$_p$(a easy, a hard), pretrained", ylabel="gain in hard pass@1")
    axes[0, 1].set(xlabel="hard accuracy of the winning format\nless the mixture's, pretrained")
    for axis in axes[0]:
        axis.axhline(0, color="0.8", linewidth=0.8)
        axis.axvline(0, color="0.8", linewidth=0.8)
        axis.legend(frameon=False, fontsize=7, title="correlation over seeds", title_fontsize=7)
    return figure


def mild(explored: Explored) -> Any:
    """How far each algorithm moves the shares, and the smallest share that is left."""
    figure, axes = _plot(1, 2, figsize=(8, 3.4))
    for x, name in enumerate(explored.runs):
        seen = explored.runs[name].shares[:, :, _kind(explored, name)]
        spread = x + np.linspace(-0.15, 0.15, len(seen))
        axes[0, 0].plot(spread, 0.5 * np.abs(seen[:, -1] - seen[:, 0]).sum(-1), "o", color=COLOURS[x % 6], markersize=4)
        axes[0, 1].plot(spread, seen[:, -1].min(-1), "o", color=COLOURS[x % 6], markersize=4)
    for axis, label in zip(axes[0], ("share moved", "smallest share at the end"), strict=True):
        axis.set_xticks(range(len(explored.runs)), [name.replace(", ", "\n") for name in explored.runs], fontsize=8)
        axis.set(ylabel=label, ylim=(0, None))
    return figure
