"""Decisions from predictions: what a theory advises before anything is trained."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

from theorylab.core import AbstractSystem, registry, require


def planner(system: str | type[AbstractSystem]) -> tuple[type[AbstractSystem], Any]:
    """The system's class and its `plan` function. Raises: `Refused` for a system that has none."""
    cls = registry.load(system) if isinstance(system, str) else system
    name = f"{cls.__module__}.planning"
    require(
        importlib.util.find_spec(name) is not None,
        f"{cls.__name__} offers no plan: its theory makes no decision for a user",
    )
    return cls, importlib.import_module(name).plan


def run(system: str | type[AbstractSystem] | AbstractSystem, **choices: Any) -> Any:
    """What the theory of `system` advises.

    Arguments:
      system: a registered name, a class, or a concrete system.
      choices: fields of the system, and arguments of its planner.

    Returns: the planner's answer; it prints itself and has `to_dict()`.

    Raises: `Refused` for unknown names and bad values.

    Example: `run("deep_linear_dmft", width=800, dimension=200, samples=400, depth=2, richness=2.0)`.
    """
    concrete = system if isinstance(system, AbstractSystem) else None
    cls, plan = planner(system if isinstance(system, (str, type)) else type(system))
    options = {name: choices.pop(name) for name in options_of(plan) if name in choices}
    known = inspect.signature(cls).parameters
    for name in choices:
        require(name in known, f"{cls.__name__} has no field {name!r}; it has: {', '.join(known)}")
    if concrete is None:
        concrete = cls(**choices)
    else:
        require(not choices, "a concrete system is planned as it is; change it with dataclasses.replace first")
    return plan(concrete, **options)


def options_of(plan: Any) -> dict[str, inspect.Parameter]:
    """Arguments of a planner beside the system."""
    return dict(list(inspect.signature(plan).parameters.items())[1:])
