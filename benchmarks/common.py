"""What every benchmark does: compile apart from running, time, describe the machine, compare at equal error.

A file `bench_*.py` is run by pytest-benchmark (`make benchmarks`); the other scripts print one JSON object each. Both
import this module, which lies beside them. A benchmark says what belongs beside its time through `note`:

    row      {column: value}, its line in the table of its group
    plot     {"x": label, "y": label, "curves": {name: [xs, ys]}}, its panel in the figure of its group
    targets  [target(...)], what it was to reach
    remarks  [sentence], what a reader should know of it
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from theorylab.core import AbstractSystem, Numerics, registry
from theorylab.core.casting import cast, in_precision
from theorylab.engine import instances

__all__ = [
    "Compiled",
    "Point",
    "Setting",
    "about",
    "best",
    "cast",
    "compiled",
    "exponent",
    "in_precision",
    "note",
    "prediction",
    "quick",
    "quick_preset",
    "quickest",
    "rounds",
    "show",
    "target",
    "timed",
    "work",
]

KEY = 0
"""Seed of whatever a benchmark draws."""


# -- the machine ---------------------------------------------------------------------------------------------------


def about() -> dict[str, Any]:
    """Machine, device and versions, as every report names them."""
    device = jax.devices()[0]
    packages = ("jax", "jaxlib", "diffrax", "equinox", "numpy", "scipy", "torch", "theorylab")
    return {
        "device": device.device_kind if device.platform != "cpu" else f"cpu, {processor()}",
        "devices": jax.device_count(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: found for name in packages if (found := _version(name))},
    }


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


# -- times ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compiled:
    """A compiled program: `call` runs it; seconds that tracing and compiling took; bytes of arguments, outputs and
    temporaries by the compiler's own analysis (0 where it gives none)."""

    call: Callable[..., Any]
    seconds: float
    peak: int

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


def compiled(function: Callable[..., Any], *args: Any) -> Compiled:
    """The compiled `function` for such arguments, compiled anew."""

    def anew(*args: Any) -> Any:  # JAX remembers what it compiled for a function
        return function(*args)

    begin = time.perf_counter()
    program = jax.jit(anew).lower(*args).compile()
    seconds = time.perf_counter() - begin
    found = program.memory_analysis()
    sizes = ("temp_size_in_bytes", "argument_size_in_bytes", "output_size_in_bytes")
    return Compiled(program, seconds, int(sum(getattr(found, name, 0) for name in sizes)))


def best(function: Callable[..., Any], *args: Any, repeats: int = 5) -> float:
    """Seconds of the quickest of several calls; what they return is waited for."""
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(function(*args))
        taken.append(time.perf_counter() - begin)
    return min(taken)


def timed(function: Callable[..., Any], *args: Any, repeats: int = 5) -> dict[str, float]:
    """Seconds of compiling and of the quickest of several warm calls."""
    program = compiled(function, *args)
    return {"compile_seconds": program.seconds, "seconds": best(program, *args, repeats=repeats)}


def rounds(
    benchmark: Any, function: Callable[..., Any], *args: Any, seconds: float = 1.0, least: int = 3, most: int = 30
) -> float:
    """Time warm calls by pytest-benchmark, about `seconds` in all; returns the quickest call's seconds.

    Arguments:
      benchmark: the fixture; a benchmark times one thing so, and everything else by `best`.
    """

    def waited() -> Any:
        return jax.block_until_ready(function(*args))

    once = best(waited, repeats=1)
    count = int(np.clip(seconds / once, least, most))
    benchmark.pedantic(waited, rounds=count, iterations=1, warmup_rounds=0)
    return float(benchmark.stats.stats.min) if benchmark.stats else once


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log seconds in log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


# -- equal error ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """A solve at one tolerance: the error it reached and the seconds it took."""

    tolerance: float
    error: float
    seconds: float


def work(
    solve: Callable[[float], Any],
    error: Callable[[Any], float],
    tolerances: Iterable[float],
    *,
    repeats: int = 3,
    patience: float = 2.0,
    enough: float = 0.0,
) -> list[Point]:
    """Error and quickest time at each tolerance, falling; a solve that fails, or has no finite error, is left out.

    Arguments:
      patience: seconds after which a single solve is not repeated, and no smaller tolerance is tried.
      enough: stop after two points whose error is below this.
    """
    points: list[Point] = []
    for tolerance in tolerances:
        solve(tolerance)  # first calls pay for caches
        begin = time.perf_counter()
        answer = jax.block_until_ready(solve(tolerance))
        once = time.perf_counter() - begin
        found = error(answer)
        if not np.isfinite(found):
            continue
        more = best(solve, tolerance, repeats=repeats - 1) if once < patience and repeats > 1 else once
        points.append(Point(float(tolerance), float(found), min(once, more)))
        if once > patience or sum(point.error <= enough for point in points) >= 2:
            break
    return points


def quickest(points: Iterable[Point], error: float) -> Point | None:
    """The quickest of the solves whose error is at most `error`; None where none is."""
    reached = [point for point in points if point.error <= error]
    return min(reached, key=lambda point: point.seconds) if reached else None


# -- settings ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A system with a drawn instance and its numerics, all concrete."""

    system: AbstractSystem
    instance: Any
    numerics: Numerics
    runs: int


def quick(name: str, case: int = 0, **changes: Any) -> Setting:
    """A case of a system's quick preset, the first by default, some fields changed."""
    cls = registry.load(name)
    chosen = cls.presets["quick"].cases[case]
    system = cls.from_case(chosen, **changes)
    instance = instances.draw_one(system, jax.random.key(KEY)) if system.draws else None
    return Setting(system, instance, system.numerics(instance).replace(**chosen.numerics), chosen.runs)


def prediction(setting: Setting) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function to compile for one prediction, and its arguments in float64; call inside `in_precision`."""
    arguments = (setting.system, setting.instance, setting.numerics)
    return _predict, tuple(cast(one, "float64") for one in arguments)


def _predict(system: AbstractSystem, instance: Any, numerics: Numerics) -> Any:
    return system.predict(instance, numerics)


def quick_preset(cls: type[AbstractSystem]) -> dict[str, Any]:
    """Seconds of each case of the quick preset, compilation included, and its verdict."""
    import theorylab as tl

    found: dict[str, Any] = {}
    for case in cls.presets["quick"].cases:
        begin = time.perf_counter()
        comparison = tl.compare.run(cls.from_case(case), runs=case.runs, case=case.name, numerics=case.numerics)
        found[case.name] = {"seconds": time.perf_counter() - begin, "verdict": str(comparison.verdict)}
    found["total_seconds"] = sum(one["seconds"] for one in found.values())
    return found


# -- what is said --------------------------------------------------------------------------------------------------


def show(report: dict[str, Any]) -> None:
    """Print one JSON object, machine and versions first."""
    print(json.dumps(about() | report, indent=2, default=float))


def target(what: str, value: float | None, *, at_least: float | None = None, at_most: float | None = None) -> dict:
    """A number that was to be reached, and whether it was; a value of None was not measured."""
    met = value is not None and (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    return {"what": what, "value": value, "at_least": at_least, "at_most": at_most, "met": met}


def note(
    benchmark: Any,
    group: str,
    row: dict[str, Any],
    *,
    plot: dict[str, Any] | None = None,
    targets: Sequence[dict] = (),
    remarks: Sequence[str] = (),
    **more: Any,
) -> None:
    """Keep beside a benchmark's time what the page shows of it; `more` goes into the JSON only."""
    benchmark.extra_info.update(
        {
            "group": group,
            "row": row,
            "targets": list(targets),
            "remarks": list(remarks),
            **({"plot": plot} if plot else {}),
            **more,
        }
    )


def points_json(points: Iterable[Point]) -> list[dict[str, float]]:
    """Points as JSON holds them."""
    return [asdict(point) for point in points]
