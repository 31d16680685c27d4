"""What the figures of the language models share: the runs, kept in the store, trained now where they are not there."""

from __future__ import annotations

from collections.abc import Collection

import jax
from common import cells, size

from theorylab.systems.rl_posttraining import language

jax.config.update("jax_enable_x64", True)

TINY, SMALL = language.TINY, language.SMALL


def explored(pipeline: language.Pipeline | None = None, overlaid: Collection[str] = ()) -> language.Explored:
    """The runs of a pipeline, by default of the tiny or the small models as the preset says, and the theory laid over
    those named."""
    return language.explore(pipeline or size(TINY, SMALL), cells("rl_posttraining"), overlaid)
