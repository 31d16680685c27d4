"""The deep counterpart, measured and not predicted: one network against the average of K smaller ones, at a fixed
total number of parameters, with weight decay and richness tuned for each K; docs/rf_ensembles.md section 8.

    python -m theorylab.compare rf_ensembles --preset networks
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from theorylab.core import Cells, Outcome, Table, require
from theorylab.systems.rf_ensembles import networks_digits, networks_text

WIDEN = 3
"""How often an optimum at the grid's edge widens the grid."""
LEAST_RUNS = 2
Grid = dict[tuple[float, float], dict[str, np.ndarray]]
"""Losses of every run, by richness and decay."""


@dataclass(frozen=True)
class Task:
    """Data, a single network, and the grid on which every K is tuned.

    Arguments:
      name: of task and regime.
      measure: losses "validation" and "test" of every run, (runs,), from the question's entries and members,
        richness, decay; other names are shown beside them.
      question: what the losses depend on beside members, richness and decay.
      parameters: entries of all members together, for K members.
      members: numbers of members; the first is what the others are compared with.
      richness, decay: the grid, ascending.
      largest_decay: the grid is not widened beyond it.
      loss: what the loss is, in words.
    """

    name: str
    measure: Callable[..., dict[str, np.ndarray]]
    question: Mapping[str, Any]
    parameters: Callable[[int], int]
    members: tuple[int, ...] = (1, 4)
    richness: tuple[float, ...] = (0.3, 1.0, 3.0)
    decay: tuple[float, ...] = (0.0, 0.03, 0.1, 0.3)
    largest_decay: float = math.inf
    loss: str = "loss"

    def __post_init__(self) -> None:
        require(len(self.members) >= 1 and min(self.members) >= 1, f"members must be at least 1, got {self.members}")
        for gamma in self.richness:
            require(gamma > 0 and math.isfinite(gamma), f"richness must be positive, got {gamma}")
        for wd in self.decay:
            require(
                0 <= wd <= self.largest_decay and math.isfinite(wd),
                f"decay must be between 0 and {self.largest_decay:g}, where a step turns no weight over; got {wd}",
            )
        require(
            len(self.richness) >= 2 and len(self.decay) >= 2,
            f"a grid to tune on has at least two values each, got richness {self.richness}, decay {self.decay}",
        )
        runs = self.question.get("runs", 0)
        require(runs >= LEAST_RUNS, f"runs must be at least {LEAST_RUNS} for a standard error, got {runs}")


@dataclass(frozen=True)
class Tuned:
    """The best place of a grid, by the mean validation loss.

    Arguments:
      members, richness, decay: K, and where.
      edge: at which edges of the widened grid it stays; decay 0 is none.
      losses: of every run there, by name.
      grid: everything that was measured.
    """

    members: int
    richness: float
    decay: float
    edge: tuple[str, ...]
    losses: Mapping[str, np.ndarray]
    grid: Grid = field(repr=False)

    @property
    def test(self) -> Float[np.ndarray, "runs"]:
        return self.losses["test"]


def best_place(grid: Grid) -> tuple[float, float]:
    """Richness and decay of the smallest mean validation loss; one that is not finite never wins."""
    means = {place: float(np.mean(found["validation"])) for place, found in grid.items()}
    return min(means, key=lambda place: means[place] if math.isfinite(means[place]) else math.inf)


def wider(values: Sequence[float], below: bool, largest: float = math.inf) -> list[float]:
    """The grid with one value more, in the ratio of its last two; as it is where that would pass `largest`."""
    first, second, last = (values[0], values[1], None) if below else (values[-1], values[-2], values)
    ratio = first / second if second > 0 else 2.0
    added = first * ratio
    if last is None:
        return [added, *values]
    return [*values, added] if added <= largest else list(values)


def tuned(cells: Cells, task: Task, members: int, widen: int = WIDEN) -> Tuned:
    """Measure the grid for K members, and widen it while the best place lies at an edge (`widen` times at most)."""
    gammas, decays = sorted(task.richness), sorted(task.decay)
    grid: Grid = {}

    def look() -> tuple[float, float, list[str]]:
        for gamma, wd in itertools.product(gammas, decays):
            if (gamma, wd) not in grid:
                asked = {**task.question, "members": members, "richness": gamma, "decay": wd}
                grid[gamma, wd] = cells({"task": task.name, **asked}, functools.partial(task.measure, **asked))
        gamma, wd = best_place(grid)
        at = {"richness": gamma in (gammas[0], gammas[-1]), "decay": wd == decays[-1]}
        return gamma, wd, [name for name, there in at.items() if there]

    gamma, wd, edge = look()
    for _ in range(widen if edge else 0):
        if "richness" in edge:
            gammas = wider(gammas, gamma == gammas[0])
        if "decay" in edge:
            decays = wider(decays, False, task.largest_decay)
        gamma, wd, edge = look()
        if not edge:
            break
    cells.say(f"{task.name}, K = {members}: best at richness {gamma:g}, decay {wd:g}" + (" (edge)" if edge else ""))
    return Tuned(members, gamma, wd, tuple(edge), grid[gamma, wd], grid)


def mean_and_error(values: Float[np.ndarray, "runs"]) -> tuple[float, float]:
    """Mean over runs and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))


def outcome(cells: Cells, tasks: Sequence[Task], widen: int = WIDEN) -> Outcome:
    """Every task and K, tuned; differences to the first K run by run (same data), whichever way they fall."""
    tables, findings, numbers, figures = [], [], {}, {}
    for task in tasks:
        found = [tuned(cells, task, k, widen) for k in task.members]
        tables.append(_table(task, found))
        findings += [_finding(task, found[0], other) for other in found[1:]]
        numbers[task.name] = [_numbers(task, found[0], one) for one in found]
        figures[task.name.replace(", ", "-").replace(" ", "-")] = functools.partial(figure, task, found)
    return Outcome(tuple(tables), figures, tuple(findings), numbers)


def _numbers(task: Task, first: Tuned, one: Tuned) -> dict[str, Any]:
    test, error = mean_and_error(one.test)
    difference, its_error = mean_and_error(one.test - first.test)
    return {
        "members": one.members,
        "parameters": task.parameters(one.members),
        "richness": one.richness,
        "decay": one.decay,
        "edge": list(one.edge),
        "test": test,
        "test_error": error,
        "difference": difference,
        "difference_error": its_error,
    } | {name: float(np.mean(values)) for name, values in one.losses.items() if name not in ("test", "validation")}


def _table(task: Task, found: Sequence[Tuned]) -> Table:
    others = [name for name in found[0].losses if name not in ("validation", "test")]
    rows = []
    for one in found:
        said = _numbers(task, found[0], one)
        change = f"{said['difference']:+.4f} +- {said['difference_error']:.4f}" if one is not found[0] else ""
        place = (one.members, said["parameters"], one.richness, one.decay, ", ".join(one.edge))
        test = f"{said['test']:.4f} +- {said['test_error']:.4f}"
        rows.append((*place, test, *(f"{said[name]:.4f}" for name in others), change))
    columns = (
        "K",
        "parameters",
        "richness",
        "decay",
        "at an edge",
        task.loss,
        *others,
        f"minus K = {found[0].members}",
    )
    runs = task.question["runs"]
    return Table(task.name, columns, tuple(rows), f"{runs} runs, the same data for every K; mean and standard error")


def _finding(task: Task, first: Tuned, other: Tuned) -> str:
    change, error = mean_and_error(other.test - first.test)
    share = f"{abs(change) / float(np.mean(first.test)):.1%}"
    if abs(change) < 2 * error:
        what = f"a tie ({change:+.4f} +- {error:.4f})"
    else:
        winner, loser = (first, other) if change > 0 else (other, first)
        what = f"K = {winner.members} beats K = {loser.members} by {share} ({change:+.4f} +- {error:.4f})"
    edges = [
        f"K = {one.members} stays at the grid's edge in {' and '.join(one.edge)}" for one in (first, other) if one.edge
    ]
    return "; ".join((f"{task.name}, tuned: {what}", *edges))


def figure(task: Task, found: Sequence[Tuned]) -> Any:
    """Test loss over the grid for each K, and against K: tuned, and at fixed places of the grid."""
    import matplotlib.pyplot as plt

    panels, axes = plt.subplots(1, 1 + len(found), figsize=(4.2 * (1 + len(found)), 3.6), layout="constrained")
    members = [one.members for one in found]
    values = [mean_and_error(one.test) for one in found]
    axes[0].errorbar(members, *np.transpose(values), fmt="ko-", label="tuned for each K")
    shared = sorted(set.intersection(*(set(one.grid) for one in found)))
    for place in sorted({shared[0], shared[len(shared) // 2], shared[-1]}):
        curve = [float(np.mean(one.grid[place]["test"])) for one in found]
        axes[0].plot(members, curve, "o--", ms=3, label=f"richness {place[0]:g}, decay {place[1]:g}")
    axes[0].set(xscale="log", xticks=members, xticklabels=members, xlabel="members K", ylabel=task.loss)
    axes[0].xaxis.minorticks_off()
    axes[0].legend(fontsize=7, frameon=False)
    for axis, one in zip(axes[1:], found, strict=True):
        gammas, decays = (sorted({place[i] for place in one.grid}) for i in (0, 1))
        table = np.array([[float(np.mean(one.grid[g, wd]["test"])) for wd in decays] for g in gammas])
        shown = axis.imshow(np.log10(table), origin="lower", aspect="auto", cmap="viridis_r")
        axis.plot(decays.index(one.decay), gammas.index(one.richness), "r*", ms=12)
        axis.set(xticks=range(len(decays)), xticklabels=[f"{wd:g}" for wd in decays], xlabel="decay")
        axis.set(yticks=range(len(gammas)), yticklabels=[f"{g:g}" for g in gammas], ylabel="richness")
        axis.set_title(f"K = {one.members}: log10 of the {task.loss}", fontsize=8)
        panels.colorbar(shown, ax=axis)
    panels.suptitle(task.name)
    return panels


def digits_task(name: str, samples: int, width: int, runs: int, steps: int, **grid: Any) -> Task:
    """Two-hidden-layer networks on the digits; `width` units in each layer of the single one."""
    return Task(
        f"digits, {name}",
        networks_digits.measure,
        {"samples": samples, "width": width, "runs": runs, "steps": steps},
        lambda k: networks_digits.parameters(width, k),
        largest_decay=0.5 / networks_digits.RATE,
        loss="squared error",
        **{"members": (1, 4, 16), "richness": (3.0, 4.5, 6.75, 10.0), "decay": (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)} | grid,
    )


def text_task(name: str, samples: int, width: int, runs: int, steps: int, batch: int, **grid: Any) -> Task:
    """Two-block transformers on Markov text; residual stream of `width` in the single one."""
    return Task(
        f"text, {name}",
        networks_text.measure,
        {"samples": samples, "width": width, "runs": runs, "steps": steps, "batch": batch},
        lambda k: networks_text.parameters(width, k),
        largest_decay=0.5 / networks_text.RATE,
        loss="excess cross-entropy",
        **grid,
    )


def small(cells: Cells) -> Outcome:
    """Preset `networks`: digits and Markov text at a size for two cores."""
    return outcome(
        cells,
        (
            digits_task("parameter-limited", 900, 32, runs=8, steps=300),
            digits_task("data-limited", 300, 128, runs=8, steps=300),
            text_task("parameter-limited", 4000, 17, runs=8, steps=400, batch=32),
            text_task("data-limited", 400, 17, runs=8, steps=400, batch=32),
        ),
    )


def large(cells: Cells) -> Outcome:
    """Preset `networks-large`: more members, runs and steps, a wider transformer; hours."""
    return outcome(
        cells,
        (
            digits_task("parameter-limited", 900, 64, runs=16, steps=1000),
            digits_task("data-limited", 300, 256, runs=16, steps=1000),
            text_task("parameter-limited", 16000, 35, runs=16, steps=2000, batch=64, members=(1, 4, 16)),
            text_task("data-limited", 1600, 35, runs=16, steps=2000, batch=64, members=(1, 4, 16)),
        ),
    )
