"""What a pipeline of language models found, in tables and sentences: fractions of all seeds, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.core import Table
from theorylab.systems.rl_posttraining.language_measures import fraction, mean_error
from theorylab.systems.rl_posttraining.language_transfer import transfers

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining.language import Explored

CONTROL = (
    "Control number: twice the drift over the variance of the logit between the two largest formats, at equal "
    "shares, with the final accuracies and the fitted time a step; below about one, chance decides between them."
)
DOMINANT = 0.9
"""Share above which one format is said to hold nearly all answers."""


def tables(explored: Explored) -> tuple[Table, ...]:
    """Everything that is printed of one pipeline."""
    return (
        _pretraining(explored),
        _algorithms(explored),
        *(_seeds(explored, name) for name in explored.runs),
        _overlay_fractions(explored),
        *(_overlay_seeds(explored, name) for name in explored.runs if explored.overlays[name]),
        _transfer(explored),
    )


def _triple(values: np.ndarray) -> str:
    return ", ".join("undefined" if np.isnan(v) else f"{v:.2f}" for v in values)


def _kind(explored: Explored, name: str) -> int:
    return explored.pipeline.task.kinds.index(explored.pipeline.runs[name].kind)


def _pretraining(explored: Explored) -> Table:
    task, base = explored.pipeline.task, explored.base
    rows = []
    for seed in range(explored.pipeline.seeds):
        shares = base.shares[seed, 0].mean(0)
        row = [seed, f"{explored.losses[seed, -20:].mean():.3f}", _triple(shares)]
        row += [f"{np.abs(shares - np.asarray(task.shares)).max():.3f}"]
        row += [_triple(base.accuracy[seed, 0, kind]) for kind in range(len(task.kinds))]
        rows.append(tuple(row))
    columns = ("seed", "loss", f"shares ({', '.join(task.names)})", "off the mixture's")
    return Table(
        f"{explored.pipeline.name}: after pretraining",
        (*columns, *(f"accuracy, {kind}" for kind in task.kinds)),
        tuple(rows),
        f"Mixture {task.shares}. Loss: mean of the last 20 steps.",
    )


def _algorithms(explored: Explored) -> Table:
    rows = []
    for name, seen in explored.runs.items():
        kind = _kind(explored, name)
        end, begin = seen.shares[:, -1, kind], seen.shares[:, 0, kind]
        moved = 0.5 * np.abs(end - begin).sum(-1)
        passes = seen.passes[:, :, kind]
        rows.append(
            (
                name,
                explored.pipeline.runs[name].steps,
                str(fraction(end.max(-1) > DOMINANT)),
                mean_error(end.max(-1)),
                mean_error(end.min(-1)),
                mean_error(moved),
                f"{passes[:, 0, 0].mean():.3f} → {mean_error(passes[:, -1, 0])}",
                f"{passes[:, 0, -1].mean():.3f} → {mean_error(passes[:, -1, -1])}",
                mean_error(seen.divergence[:, -1, kind]),
            )
        )
    last = next(iter(explored.runs.values())).attempts[-1]
    return Table(
        f"{explored.pipeline.name}: what each algorithm does to the formats",
        ("algorithm", "steps", f"one format above {DOMINANT}", "largest share", "smallest share", "share moved",
         "pass@1", f"pass@{last}", "KL to the start"),
        tuple(rows),
        "On the prompts that were trained on; mean over seeds and standard error. Share moved: half the sum of the "
        "absolute changes.",
    )  # fmt: skip


def _seeds(explored: Explored, name: str) -> Table:
    seen, task = explored.runs[name], explored.pipeline.task
    kind = _kind(explored, name)
    rows = []
    for seed in range(explored.pipeline.seeds):
        row: list[Any] = [seed]
        row += [f"{_triple(seen.shares[seed, 0, kind])} → {_triple(seen.shares[seed, -1, kind])}"]
        row += [f"{_triple(seen.accuracy[seed, 0, kind])} → {_triple(seen.accuracy[seed, -1, kind])}"]
        for other in range(len(task.kinds)):
            for i in range(len(seen.attempts)):
                row.append(f"{seen.passes[seed, 0, other, i]:.3f} → {seen.passes[seed, -1, other, i]:.3f}")
            row.append(f"{seen.majority[seed, 0, other]:.3f} → {seen.majority[seed, -1, other]:.3f}")
        rows.append(tuple(row))
    measured = [f"{kind} {what}" for kind in task.kinds for what in (*(f"pass@{k}" for k in seen.attempts), "majority")]
    return Table(
        f"{explored.pipeline.name}, {name}: every seed",
        ("seed", "shares", "accuracy", *measured),
        tuple(rows),
        f"Shares and accuracies of {', '.join(task.names)}, on the prompts that were trained on.",
    )


def _overlay_fractions(explored: Explored) -> Table:
    rows = []
    for name, by in explored.overlays.items():
        for (level, geometry), found in by.items():
            rows.append(
                (
                    name,
                    level,
                    geometry,
                    str(fraction(np.array([one.winner for one in found]))),
                    str(fraction(np.array([one.good for one in found]))),
                    str(fraction(np.array([one.fit_all >= 0.8 and one.error <= 0.1 for one in found]))),
                    str(fraction(np.array([one.error <= 0.1 for one in found]))),
                    f"{np.median([one.error for one in found]):.3f}",
                    f"{np.median([one.fit for one in found]):.3f}",
                )
            )
    return Table(
        f"{explored.pipeline.name}: tabular theory laid over the runs",
        ("algorithm", "skills", "geometry", "names the winner", "R² ≥ .8 and error ≤ .10, later two thirds",
         "the same with R² over all", "error ≤ .10", "median error", "median R²"),
        tuple(rows),
        "A diagnostic with measured inputs, not a verdict. Time scales are fitted on the first third. Seeds as "
        "fractions, with 95 % intervals. R² about each format's own mean: hard to reach where shares hardly move.",
    )  # fmt: skip


def _overlay_seeds(explored: Explored, name: str) -> Table:
    by = explored.overlays[name]
    rows = []
    for seed in range(explored.pipeline.seeds):
        for (level, geometry), found in by.items():
            one = found[seed]
            rows.append(
                (
                    seed,
                    level,
                    geometry,
                    f"{one.error:.3f}",
                    f"{one.fit:.3f}",
                    f"{one.fit_all:.3f}",
                    f"{one.rate:.3g}",
                    "" if np.isnan(one.ratio) else f"{one.ratio:.3g}",
                    "" if np.isnan(one.control) else f"{one.control:.3g}",
                    _triple(one.shares[-1]),
                    "yes" if one.winner else "no",
                    "good" if one.good else "fails",
                )
            )
    return Table(
        f"{explored.pipeline.name}, {name}: overlay of every seed",
        ("seed", "skills", "geometry", "share error", "R²", "R², all", "time a step", "skills' rate", "control number",
         "final shares", "winner named", ""),
        tuple(rows),
        CONTROL if any(np.isfinite(one.control) for found in by.values() for one in found) else "",
    )  # fmt: skip


def _transfer(explored: Explored) -> Table:
    rows = []
    for name in explored.runs:
        found = transfers(explored, name)
        if found is None:
            continue
        agree = np.sign(found.gain) == np.sign(found.expected)
        rows.append(
            (
                name,
                mean_error(found.gain),
                mean_error(found.rate),
                f"{found.correlation_rate:.2f}",
                str(fraction(np.sign(found.gain) == np.sign(found.rate))),
                mean_error(found.expected),
                f"{found.correlation_expected:.2f}",
                str(fraction(agree)),
            )
        )
    return Table(
        f"{explored.pipeline.name}: from easy to hard prompts",
        ("algorithm", "gain in hard pass@1", "Cov_p(a easy, a hard)", "correlation", "same sign",
         "winner's hard accuracy above the mixture's", "correlation", "same sign"),
        tuple(rows),
        "Both predictors are read off the pretrained model (the second knows which format won).",
    )  # fmt: skip


def scale(explored: list[Explored]) -> Table:
    """Which format wins at which size, seed by seed as fractions."""
    names = explored[0].pipeline.task.names
    rows = []
    for one in explored:
        for run, seen in one.runs.items():
            end = seen.shares[:, -1, _kind(one, run)]
            winners = end.argmax(-1)
            rows.append(
                (
                    one.pipeline.name,
                    one.pipeline.model.width,
                    run,
                    *(str(fraction(winners == k)) for k in range(len(names))),
                    *(mean_error(end[:, k]) for k in range(len(names))),
                )
            )
    return Table(
        "Scale: which format wins",
        (
            "pipeline",
            "width",
            "algorithm",
            *(f"{name} wins" for name in names),
            *(f"share of {name}" for name in names),
        ),
        tuple(rows),
        "At the end of the run; fractions of seeds with 95 % intervals, shares with standard errors.",
    )


def findings(explored: Explored) -> tuple[str, ...]:
    """Sentences, whichever way they fell."""
    said = []
    task, name = explored.pipeline.task, explored.pipeline.name
    off = np.abs(explored.base.shares[:, 0].mean(1) - np.asarray(task.shares)).max(-1)
    said.append(f"{name}: after pretraining no share is further than {off.max():.3f} from the mixture's, any seed.")
    for run, seen in explored.runs.items():
        kind = _kind(explored, run)
        end, begin = seen.shares[:, -1, kind], seen.shares[:, 0, kind]
        winner = end.argmax(-1)
        rows = np.arange(len(winner))
        accurate = np.nan_to_num(seen.accuracy[:, 0, kind], nan=-1).argmax(-1)
        said.append(
            f"{name}, {run}: one format holds more than {DOMINANT} at the end in {fraction(end.max(-1) > DOMINANT)} "
            f"seeds; its share grew from {mean_error(begin[rows, winner])} to {mean_error(end[rows, winner])}; the "
            f"smallest share anywhere is {end.min():.3f}; the winner is the format that was most accurate at the "
            f"start in {fraction(winner == accurate)}."
        )
        for (level, geometry), found in explored.overlays[run].items():
            good, named = (fraction(np.array([getattr(o, what) for o in found])) for what in ("good", "winner"))
            said.append(
                f"{name}, {run}: theory with {level} skills ({geometry}) fits in {good}, names the winner in {named}."
            )
    return tuple(said)


def numbers(explored: Explored) -> dict[str, Any]:
    """Curves as plain numbers, means over nothing."""
    found: dict[str, Any] = {"kinds": explored.pipeline.task.kinds, "formats": explored.pipeline.task.names, "runs": {}}
    for name, seen in explored.runs.items():
        run = explored.pipeline.runs[name]
        found["runs"][name] = {
            "steps": [run.every * i for i in range(run.records + 1)],
            "shares": seen.shares.tolist(),
            "accuracy": seen.accuracy.tolist(),
            "passes": seen.passes.tolist(),
            "majority": seen.majority.tolist(),
            "divergence": seen.divergence.tolist(),
            "overlays": {
                f"{level}, {geometry}": [
                    {
                        "error": o.error,
                        "fit": o.fit,
                        "fit_all": o.fit_all,
                        "rate": o.rate,
                        "winner": o.winner,
                        "control": o.control,
                    }
                    for o in found_
                ]
                for (level, geometry), found_ in explored.overlays[name].items()
            },
        }
    return found
