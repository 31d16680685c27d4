"""Settings that come with a system: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theorylab.core.errors import require


@dataclass(frozen=True)
class Case:
    """One setting to compare.

    Arguments:
      name: short identifier, also the name of its result folder.
      fields: fields of the system that differ from its defaults.
      runs: independent repetitions of the simulation.
      instances: number of shared instances that the runs are divided between; None: one instance a run where
        the system draws instances.
      sizes: rungs of the finite-size ladder; () for none.
      sweep: couplings to sweep and their values.
      numerics: fields of the system's default numerics to replace.
      about: what the case shows, one line.
    """

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 32
    instances: int | None = None
    sizes: tuple[int, ...] = ()
    sweep: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    numerics: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""

    def __post_init__(self) -> None:
        require(self.name.replace("-", "_").isidentifier(), f"a case's name must be an identifier: {self.name!r}")
        require(self.runs >= 1, f"runs of case {self.name} must be at least 1, got {self.runs}")
        require(
            self.instances is None or self.instances >= 1,
            f"instances of case {self.name} must be at least 1, got {self.instances}",
        )


@dataclass(frozen=True)
class Preset:
    """Cases that belong together, or an experiment that has no verdict.

    Arguments:
      cases: what is compared.
      seconds: cost on two cores, compilation included.
      experiment: "package.module:function" in place of cases; the function takes `Cells` and returns an `Outcome`.
      about: what the preset shows, one line.
    """

    cases: tuple[Case, ...] = ()
    seconds: float = 0.0
    experiment: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        names = [case.name for case in self.cases]
        require(
            bool(names) != bool(self.experiment),
            "a preset needs at least one case, or an experiment in place of cases",
        )
        require(len(set(names)) == len(names), f"case names of a preset must differ: {names}")
        require(self.seconds > 0, f"a preset says what it costs: seconds must be positive, got {self.seconds}")

    def case(self, name: str) -> Case:
        """The case of that name. Raises: `Refused` with the names there are."""
        for case in self.cases:
            if case.name == name:
                return case
        raise_names = ", ".join(case.name for case in self.cases)
        require(False, f"no case {name!r} in this preset; its cases are: {raise_names}")
        raise AssertionError
