"""Cells of an experiment: what one measurement found, kept under its question."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from theorylab.core.errors import Refused, require
from theorylab.engine import sources, store
from theorylab.engine.progress import Progress, Silent

ITEM = "cell"
SECONDS = "seconds_"
"""Under this name a cell keeps how long it took."""


@dataclass
class StoredCells:
    """Cells in the store, each an address of its own: question, platform, libraries, and the sources that the module
    of `measure` reaches (without theories and presets), so that editing a table or a plot elsewhere repeats nothing.

    Arguments:
      system: whose experiment it is.
      root: of the store.
      data: the user's data folder.
      force: measure again what is stored.
    """

    system: str
    root: Path
    data: Path | None = None
    force: bool = False
    progress: Progress = field(default_factory=Silent)
    measured: int = field(default=0, init=False)
    reused: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)
    """Time that all cells took when they were measured, those that are reused too."""

    def say(self, sentence: str) -> None:
        self.progress.note(sentence)

    def __call__(self, question: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """What was measured under exactly this question, else measured now and kept, whole or not at all.

        Raises: `Refused` for a question that JSON cannot say, and where the store cannot be written.
        """
        try:
            json.dumps(question)
        except TypeError as error:
            raise Refused(f"a cell's question is made of numbers, strings and lists of them: {error}") from error
        require(bool(question), "a cell's question is empty: it names everything that its numbers depend on")
        shelf = store.shelf(self.root, self._described(question, measure))
        found = None if self.force else shelf.get(ITEM)
        if found is None:
            begun = time.perf_counter()
            with jax.enable_x64(False):  # networks are measured in float32, whoever asks
                found = {name: np.asarray(value) for name, value in measure().items()}
            found[SECONDS] = np.asarray(time.perf_counter() - begun)
            shelf.put(ITEM, found)
            self.measured += 1
        else:
            self.reused += 1
        self.seconds += float(found.pop(SECONDS, np.asarray(0.0)))
        return found

    def _described(self, question: Mapping[str, Any], measure: Callable[..., Any]) -> dict[str, Any]:
        while isinstance(measure, functools.partial):
            measure = measure.func
        device = jax.local_devices()[0]
        module = measure.__module__
        return {
            "system": self.system,
            "fields": store.exact(question),
            "platform": [device.platform, device.device_kind],
            "libraries": sources.module_libraries(module),
            "sources": sources.module_sources(module),
        }
