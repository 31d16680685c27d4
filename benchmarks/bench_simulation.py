"""Every system's simulation against this machine's roof.

A tile of the engine's own program, its speed and its memory: the first case of each quick preset, and, of the systems
that train networks, networks of at least 512 units a layer. The roof is the larger of the matrix products at the
measured matmul rate, and of what the loops must move at the measured bandwidth of their working set (`roofline.py`).
Random numbers are in neither; the share of the time that they would take alone is shown beside it. On a busy machine
the share is too low: the roof's short calls find a quiet moment that a long program does not.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, NamedTuple

import jax
import pytest
from common import in_precision, note, rounds, target
from roofline import Roof, Work, count, roof
from spent import KINDS, spent

from theorylab.core import AbstractSystem, registry
from theorylab.engine.ensemble import Plan


class Wide(NamedTuple):
    """A wide setting.

    Arguments:
      passes: how often a step must read its weights beyond the once that every loop does, since what it computes from
        them by one pass is needed for the next: two, forward and backward, and a third that updates them.
    """

    system: str
    fields: dict[str, Any]
    passes: int = 0


DEEP = {"depth": 2, "dimension": 512, "width": 512, "samples": 1024, "steps": 200, "noise": 0.3, "rate": 0.02}
ADAPTIVE = {"problem": "training", "depth": 2, "width": 512, "steps": 100, "records": 2}
RECURRENT = {"width": 512, "horizon": 40, "steps": 8, "records": 2, "bulk": 0.2, "train": "all"}
EQUALITY = {"dimension": 128, "symbols": 16, "width": 1024, "batch": 128, "steps": 60, "records": 2, "tests": 64}
FLOW = {"dimension": 1000, "units": 2, "target": "cross", "duration": 1.0, "records": 2, "samples": 64}
CHANNEL = {"model": "channel", "width": 1024, "batch": 128, "steps": 40}

WIDE: dict[str, Wide] = {
    "equality, 1024": Wide("equality_reasoning", EQUALITY, passes=1),
    "channel, 1024": Wide("error_broadcast", CHANNEL, passes=1),
    "deep linear, 512": Wide("deep_linear_dmft", DEEP, passes=1),
    "adaptive, 512": Wide("adaptive_kernels", ADAPTIVE, passes=1),
    "recurrent, 512": Wide("rnn_integrator", RECURRENT),
    "auto-encoder, 1000 inputs": Wide("flow_autoencoder", FLOW),
}
"""Settings at which a step is arithmetic rather than overhead."""
SHARE = 0.6
"""Of the roof, to be reached by the wide settings."""


@pytest.mark.parametrize("name", registry.names())
def bench_quick(benchmark: Any, name: str) -> None:
    cls = registry.load(name)
    case = cls.presets["quick"].cases[0]
    system = cls.from_case(case)
    row, _ = measured(benchmark, f"{name}, {case.name}", Plan.of(system, jax.random.key(0), instances=case.instances))
    note(benchmark, "simulation: a tile of the quick preset", row)


@pytest.mark.parametrize("name", WIDE)
def bench_wide(benchmark: Any, name: str) -> None:
    chosen = WIDE[name]
    system = registry.load(chosen.system)(**chosen.fields)
    plan = Plan.of(system, jax.random.key(0))
    row, remarks = measured(benchmark, name, plan, wide=True, passes=chosen.passes)
    goal = target(f"share of the roof, {name}", row["share of the roof"], at_least=SHARE)
    note(benchmark, "simulation: wide networks", row, targets=[goal], remarks=remarks if not goal["met"] else [])


def measured(
    benchmark: Any, name: str, plan: Plan, wide: bool = False, passes: int = 0
) -> tuple[dict[str, Any], list[str]]:
    """The row of a tile in its table, and why it is not at the roof."""
    with in_precision("float32"):
        arguments = plan.arguments([0])
        program = plan.program([jax.local_devices()[0]], arguments)
        work = count(tile_of(plan), *arguments, steps=steps_of(plan.system))
        work = replace(work, bytes=work.bytes + passes * work.state * (steps_of(plan.system) or 0))
        held = work.held or program.peak
        # beside the program, before and after it: the machine's speed may change from minute to minute
        roof(work, held, again=wide)
        seconds = rounds(benchmark, program.call, *arguments, seconds=2.0 if wide else 1.0)
        best = roof(work, held, again=wide)
        where = spent(lambda: program.call(*arguments), program.call)
    state = work.state or program.peak
    row = {
        "setting": name,
        "runs": plan.tile,
        "compile seconds": program.seconds,
        "seconds": seconds,
        "runs / second": plan.tile / seconds,
        "peak / MiB": program.peak / 2**20,
        "state / MiB": state / 2**20,
        "peak / state": program.peak / state,
        "GFlop / s": work.flops / seconds / 1e9,
        "GB / s": work.bytes / seconds / 1e9,
        "binds": best.binds,
        "share of the roof": best.seconds / seconds,
        "random numbers at their own rate": best.random / seconds,
        **{f"time in {kind}": where.get(kind) for kind in KINDS},
    }
    benchmark.extra_info["work"] = asdict(work)
    benchmark.extra_info["roof"] = asdict(best)
    return row, reasons(name, work, best, seconds, where)


def reasons(name: str, work: Work, best: Roof, seconds: float, where: dict[str, float]) -> list[str]:
    """Why a tile is below its roof, from what was measured."""
    said = f"{name}: {1e3 * seconds:.3g} ms where the {best.binds} asks for {1e3 * best.seconds:.3g}"
    if work.random:
        said += f" and {work.random:.2g} random numbers for {1e3 * best.random:.3g} more"
    if where:
        said += "; operations' time: " + ", ".join(f"{100 * where[kind]:.0f} % {kind}" for kind in KINDS)
    return [said + "."]


def tile_of(plan: Plan) -> Any:
    """The function that the engine compiles for a tile."""
    axes = (None, None if plan.shared else 0, 0)
    return jax.vmap(lambda system, instance, key: system.simulate(instance, key), in_axes=axes)


def steps_of(system: AbstractSystem) -> int | None:
    """Steps of the training loop, where the system has one between its records."""
    return getattr(system, "steps", None)
