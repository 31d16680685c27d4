"""Compiled programs, each made once for a structure of arguments, their time and memory known before they run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

MEMORY_VARIABLE = "THEORYLAB_MEMORY"
"""Environment variable that sets the memory budget, in bytes, instead of what the machine says is free."""


@dataclass(frozen=True)
class Program:
    """A compiled program.

    Arguments:
      call: runs it on arguments of the structure that it was compiled for.
      peak: bytes of arguments, outputs and temporaries, by the compiler's own analysis; 0 where unknown.
      seconds: what tracing and compiling took.
    """

    call: Callable[..., Any]
    peak: int
    seconds: float


_PROGRAMS: dict[Hashable, Program] = {}
_traces = 0


def traces() -> int:
    """How many programs this process has traced: what a test of silent recompilation looks at."""
    return _traces


def clear() -> None:
    """Forget all compiled programs, and JAX's own: a process that compiles thousands runs out of memory maps."""
    _PROGRAMS.clear()
    jax.clear_caches()


def _signature(args: tuple[Any, ...]) -> Hashable:
    leaves, structure = jax.tree.flatten(args)
    kinds = tuple((jax.numpy.shape(leaf), str(jax.numpy.result_type(leaf))) for leaf in leaves)
    return structure, kinds, bool(jax.config.read("jax_enable_x64"))


def program(function: Callable[..., Any], args: tuple[Any, ...], *, name: Hashable = None) -> Program:
    """The compiled `function` for arguments of this structure; `name` identifies it where it is a closure."""
    global _traces  # noqa: PLW0603  a process-wide cache has a process-wide count
    key = (name if name is not None else function, _signature(args))
    if key not in _PROGRAMS:
        start = time.perf_counter()
        _traces += 1
        compiled = jax.jit(function).lower(*args).compile()
        _PROGRAMS[key] = Program(compiled, _peak(compiled), time.perf_counter() - start)
    return _PROGRAMS[key]


def _peak(compiled: Any) -> int:
    try:
        analysis = compiled.memory_analysis()
        return int(analysis.temp_size_in_bytes + analysis.argument_size_in_bytes + analysis.output_size_in_bytes)
    except (AttributeError, NotImplementedError, TypeError, RuntimeError):
        return 0


def memory_budget() -> int | None:
    """Bytes that one program may use: the environment's, the device's free memory, or None where unknown."""
    stated = os.environ.get(MEMORY_VARIABLE)
    if stated:
        return int(float(stated))
    device = jax.local_devices()[0]
    stats = device.memory_stats() if device.platform != "cpu" else None
    if stats and "bytes_limit" in stats:
        return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(0.9 * 1024 * int(line.split()[1]))
    return None
