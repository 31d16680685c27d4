"""Language models from scratch: pretrained on a mixture of formats, then reinforced; theory overlaid as a diagnostic.

docs/rl_posttraining_language.md has the mathematics and what was measured. An experiment is `explore(pipeline, cells)`;
a pipeline of your own goes through the same door.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from theorylab.core import Cells, Outcome
from theorylab.networks.policy_gradient import PPO, ExpertIteration, PolicyGradient
from theorylab.systems.rl_posttraining import language_figures, language_tables
from theorylab.systems.rl_posttraining.language_measures import Curves, curves
from theorylab.systems.rl_posttraining.language_setting import Model, Pipeline, Run, standard_runs
from theorylab.systems.rl_posttraining.language_training import measure_pretraining, measure_reinforcement
from theorylab.systems.rl_posttraining.overlay import GEOMETRIES, LEVELS, Overlay, Seen, overlay, overlay_expert

TINY = Pipeline("tiny", Model(rate=1e-2), runs=standard_runs(2e-4))
SMALL = Pipeline("small", Model(width=64, steps=3000), runs=standard_runs(1e-4))
ACCELERATOR = Pipeline(
    "accelerator",
    Model(width=256, layers=6, heads=8, steps=20_000, batch=1024),
    runs=standard_runs(3e-5, steps=400, every=20, prompts=64),
    tile=1,
)


@dataclass(frozen=True)
class Explored:
    """What a pipeline found.

    Arguments:
      pipeline: its settings.
      base: curves of the pretrained models, with one record.
      skills: their accuracy at every question with each tag forced, (seed, format, kind, prompt).
      losses: of pretraining, (seed, step).
      runs: curves of every run, by name.
      overlays: of every run, (level, geometry) -> one a seed; levels "expert" for Expert Iteration.
    """

    pipeline: Pipeline
    base: Curves
    skills: Float[np.ndarray, "seed format kind prompt"]
    losses: Float[np.ndarray, "seed step"]
    runs: Mapping[str, Curves]
    overlays: Mapping[str, Mapping[tuple[str, str], list[Overlay]]]


def tiny(cells: Cells) -> Outcome:
    """26 thousand parameters, 8 seeds: minutes on two cores."""
    return outcome(explore(TINY, cells))


def small(cells: Cells) -> Outcome:
    """101 thousand parameters beside the tiny ones: does the winner change?"""
    return outcome(explore(SMALL, cells), beside=explore(TINY, cells))


def accelerator(cells: Cells) -> Outcome:
    """5 million parameters beside the tiny ones; needs an accelerator."""
    return outcome(explore(ACCELERATOR, cells), beside=explore(TINY, cells))


def explore(pipeline: Pipeline, cells: Cells, overlaid: Collection[str] | None = None) -> Explored:
    """Pretrain, reinforce, lay the theory over every run; what was trained before under the same question is reused.

    Arguments:
      overlaid: names of the runs that the theory is laid over, which takes up to a minute a run; None: all.
    """
    bases, found = [], {name: [] for name in pipeline.runs}
    tiles = pipeline.seeds // pipeline.tile
    for tile in range(tiles):
        base = cells(pipeline.question(tile), functools.partial(measure_pretraining, pipeline, tile))
        cells.say(f"{pipeline.name}, tile {tile + 1} of {tiles}: pretrained")
        bases.append({name: value for name, value in base.items() if name != "parameters"})
        for name, run in pipeline.runs.items():
            measure = functools.partial(measure_reinforcement, pipeline, tile, run, base["parameters"])
            found[name].append(cells(pipeline.question(tile, run), measure))
            cells.say(f"{pipeline.name}, tile {tile + 1} of {tiles}: {name}")
    pretrained = _joined(bases)
    skills = np.asarray(pretrained["skills"], float)
    runs = {name: curves(_joined(tiles)) for name, tiles in found.items()}
    overlays = {
        name: _overlays(pipeline, run, runs[name], skills)
        for name, run in pipeline.runs.items()
        if overlaid is None or name in overlaid
    }
    counted = ("answered", "right", "reward", "majority", "divergence")
    base_curves = curves({name: pretrained[name][:, None] for name in counted})
    return Explored(pipeline, base_curves, skills, pretrained["losses"], runs, overlays)


def outcome(explored: Explored, beside: Explored | None = None) -> Outcome:
    """Tables, figures and sentences of a pipeline; of two of them where scale is asked about."""
    both = [one for one in (beside, explored) if one is not None]
    tables, findings = language_tables.tables(explored), language_tables.findings(explored)
    figures = language_figures.figures(explored)
    if beside is not None:
        tables = (language_tables.scale(both), *tables)
        figures["scale"] = functools.partial(language_figures.scale, both)
    return Outcome(tables=tables, figures=figures, findings=findings, numbers=language_tables.numbers(explored))


def _overlays(pipeline: Pipeline, run: Run, seen: Curves, skills: np.ndarray) -> dict[tuple[str, str], list[Overlay]]:
    kind = pipeline.task.kinds.index(run.kind)
    steps = np.arange(run.records + 1) * float(run.every)
    every = [
        Seen(steps, seen.shares[s, :, kind], seen.accuracy[s, :, kind], skills[s, :, kind].T)
        for s in range(pipeline.seeds)
    ]
    how = run.algorithm
    if isinstance(how, ExpertIteration):
        return {("expert", "restart"): [overlay_expert(one) for one in every]} if how.restart else {}
    if not isinstance(how, (PolicyGradient, PPO)) or run.records < 5:
        return {}
    known: dict[str, Any] = {
        "advantage": how.baseline, "group": how.group, "batch": how.prompts, "offset": how.offset, "kl": how.kl
    }  # fmt: skip
    return {
        (level, geometry): [overlay(level, geometry, one, **known) for one in every]
        for geometry in GEOMETRIES
        for level in LEVELS
    }


def _joined(tiles: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([tile[name] for tile in tiles]) for name in tiles[0]}
