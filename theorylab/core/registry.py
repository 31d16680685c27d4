"""Systems by name: the entry-point group `theorylab.systems`, resolved lazily."""

from __future__ import annotations

import difflib
import importlib.metadata
from functools import cache

from theorylab.core.errors import require
from theorylab.core.system import AbstractSystem

GROUP = "theorylab.systems"


@cache
def entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """Entry points of all installed systems, by name, sorted."""
    found = importlib.metadata.entry_points(group=GROUP)
    return {point.name: point for point in sorted(found, key=lambda point: point.name)}


def names() -> tuple[str, ...]:
    """Names of all installed systems."""
    return tuple(entry_points())


def load(name: str) -> type[AbstractSystem]:
    """The system's class. Raises: `Refused`, with the nearest names, for an unknown one."""
    points = entry_points()
    if name not in points:
        near = difflib.get_close_matches(name, points, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are: {', '.join(points)}"
        require(False, f"no system is called {name!r}{hint}")
    return points[name].load()


def name_of(system: AbstractSystem | type[AbstractSystem]) -> str:
    """The name a system is registered under; its class name where it is not registered."""
    cls = system if isinstance(system, type) else type(system)
    for name, point in entry_points().items():
        if point.value == f"{cls.__module__}:{cls.__qualname__}":
            return name
    return cls.__name__
