"""What the figures of the language models share: the runs, kept in the store, trained now where they are not there."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection
from typing import Any

import jax
import numpy as np
from common import cells, size

from theorylab.systems.rl_posttraining import language
from theorylab.systems.rl_posttraining.language_measures import Curves, curves
from theorylab.systems.rl_posttraining.language_training import measure_pretraining, measure_reinforcement

jax.config.update("jax_enable_x64", True)

TINY, SMALL = language.TINY, language.SMALL


def explored(pipeline: language.Pipeline | None = None, overlaid: Collection[str] = ()) -> language.Explored:
    """The runs of a pipeline, by default of the tiny or the small models as the preset says, and the theory laid over
    those named: fitting it takes up to a minute a run."""
    pipeline = pipeline or size(TINY, SMALL)
    kept = cells("rl_posttraining")
    laid = {name: run for name, run in pipeline.runs.items() if name in overlaid}
    found = language.explore(dataclasses.replace(pipeline, runs=laid), kept)
    tiles = range(pipeline.seeds // pipeline.tile)
    bases = [kept(pipeline.question(t), functools.partial(measure_pretraining, pipeline, t)) for t in tiles]

    def seen(run: Any) -> Curves:
        parts = [
            kept(
                pipeline.question(t, run),
                functools.partial(measure_reinforcement, pipeline, t, run, bases[t]["parameters"]),
            )
            for t in tiles
        ]
        return curves({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})

    runs = {name: found.runs[name] if name in laid else seen(run) for name, run in pipeline.runs.items()}
    return dataclasses.replace(found, pipeline=pipeline, runs=runs)
