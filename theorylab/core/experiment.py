"""Measurements without a verdict: networks for which there is no prediction, fits, diagnostics."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from theorylab.core.errors import require


class Cells(Protocol):
    """Where an experiment keeps what it has measured, so that an interrupted one resumes."""

    @property
    def data(self) -> Path | None:
        """The user's folder of data sets; None where none was named."""
        ...

    def __call__(self, question: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """What was measured under exactly this question, else what `measure` returns now, and kept.

        Arguments:
          question: everything that the numbers depend on, in values that JSON knows.
          measure: returns named arrays; called without x64: networks compute in float32.
        """
        ...

    def say(self, sentence: str) -> None:
        """Tell whoever waits."""
        ...


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words, with the names of their columns, and a sentence below."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            require(
                len(row) == len(self.columns),
                f"a row of table {self.title!r} has {len(row)} entries, its columns are {len(self.columns)}: {row}",
            )


@dataclass(frozen=True)
class Outcome:
    """What an experiment found.

    Arguments:
      tables: what is printed.
      figures: functions that return a matplotlib figure, by name.
      findings: sentences, what was found whichever way it fell.
      numbers: everything else, in values that JSON knows.
    """

    tables: tuple[Table, ...] = ()
    figures: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)


def experiment(path: str) -> Callable[[Cells], Outcome]:
    """The function that "package.module:function" names. Raises: `Refused` where there is none."""
    module, _, name = path.partition(":")
    require(bool(module) and bool(name), f"an experiment is named package.module:function, got {path!r}")
    found = getattr(importlib.import_module(module), name, None)
    require(callable(found), f"{module} has no function {name!r}")
    assert found is not None
    return found
