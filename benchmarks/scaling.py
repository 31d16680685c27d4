"""Strong and weak scaling of ensembles over devices of one process and over processes; prints JSON, or Markdown tables.

python benchmarks/scaling.py [--systems NAME ...] [--devices 1 2 4 8] [--processes 1 2] [--tiles 16] [--markdown]
python benchmarks/scaling.py --arithmetic [--markdown]

Strong: the same runs on more devices (processes). Weak: as many runs a device (process) as one had. Every setting runs
in fresh processes, which compile and warm up first and then start together. On CPU a device is a virtual one, and all
of them share the machine's cores: more devices than cores show what the engine itself costs. On accelerators the
devices are the machine's own. Processes are independent ones, as in a job array (`--shard i/n`).

`cores` is the processor time over the wall time: how many cores the programs kept busy.

`--arithmetic` measures nothing: it counts, in the traced program of every system's first quick case and of its
`accelerator` preset where it has one with cases, what a run needs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import common

SYSTEMS = ("deep_linear_dmft", "equality_reasoning", "rl_posttraining")
REPEATS = 3


def worker(name: str, devices: int, tiles: int, share: int) -> None:
    """Warm up, say so, wait for a line, then run and say how long it took: what a child process does."""
    import jax

    from theorylab.engine import lanes
    from theorylab.engine.ensemble import Plan, run

    setting = common.quick(name)
    plan = Plan.of(setting.system, jax.random.key(share))
    used = len(lanes.devices())
    run(plan, min(devices, tiles) * plan.tile)
    print(json.dumps({"ready": True, "devices": used, "tile": plan.tile}), flush=True)
    for line in sys.stdin:
        if line.strip() != "go":
            break
        begin, before = time.perf_counter(), time.process_time()
        run(plan, tiles * plan.tile)
        taken = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - before}
        print(json.dumps(taken), flush=True)


def measured(name: str, devices: int, processes: int, tiles: int) -> dict[str, Any]:
    """The quickest of several rounds of `processes` processes with `devices` devices each, `tiles` tiles a process."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags.strip(), "THEORYLAB_CPU_DEVICES": str(devices)}
    command = [sys.executable, str(Path(__file__)), "--worker", name, str(devices), str(tiles)]
    children = [
        subprocess.Popen(
            [*command, str(share)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        for share in range(processes)
    ]
    try:
        ready = [_line(child) for child in children]
        rounds = []
        for _ in range(REPEATS):
            for child in children:
                print("go", file=child.stdin, flush=True)
            answers = [_line(child) for child in children]
            seconds = max(answer["seconds"] for answer in answers)
            rounds.append((seconds, sum(answer["cpu_seconds"] for answer in answers) / seconds))
    finally:
        for child in children:
            child.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
        for child in children:
            child.wait()
    seconds, cores = min(rounds)
    runs = processes * tiles * ready[0]["tile"]
    return {
        "devices": ready[0]["devices"], "processes": processes, "runs": runs, "seconds": seconds,
        "runs_per_second": runs / seconds, "cores": cores,
    }  # fmt: skip


def _line(child: subprocess.Popen[str]) -> dict[str, Any]:
    line = child.stdout.readline()  # pyright: ignore[reportOptionalMemberAccess]
    if not line:
        raise RuntimeError(f"a worker ended early, with exit code {child.wait()}")
    return json.loads(line)


def scaling(name: str, devices: list[int], processes: list[int], tiles: int) -> dict[str, list[dict[str, Any]]]:
    """The four series of one system; `efficiency` is against the first entry of each."""
    found = {
        "strong, devices": [measured(name, n, 1, tiles) for n in devices],
        "weak, devices": [measured(name, n, 1, tiles // max(devices) * n) for n in devices],
        "strong, processes": [measured(name, 1, n, tiles // n) for n in processes],
        "weak, processes": [measured(name, 1, n, tiles // max(processes)) for n in processes],
    }
    for rows in found.values():
        for row in rows:
            row["efficiency"] = (
                row["runs_per_second"] / rows[0]["runs_per_second"] / (row["devices"] * row["processes"])
            ) * (rows[0]["devices"] * rows[0]["processes"])
    return found


def arithmetic() -> list[dict[str, Any]]:
    """Counted, not measured: operations, state and results of a run, and what a tile holds."""
    import jax
    from bench_simulation import steps_of, tile_of
    from roofline import count

    from theorylab.core import registry
    from theorylab.engine.ensemble import Plan

    rows = []
    for name in registry.names():
        cls = registry.load(name)
        for preset in ("quick", "accelerator"):
            cases = cls.presets[preset].cases if preset in cls.presets else ()
            for case in cases[:1]:
                system = cls.from_case(case)
                with common.in_precision("float32"):
                    plan = Plan.of(system, jax.random.key(0), instances=case.instances)
                    tile, arguments = tile_of(plan), plan.arguments([0])
                    work = count(tile, *arguments, steps=steps_of(system))
                    curves = jax.eval_shape(tile, *arguments)
                result = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(curves))
                rows.append(
                    {
                        "system": name, "preset": preset, "case": case.name, "tile": plan.tile,
                        "GFlop a run": work.flops / plan.tile / 1e9, "GB moved a run": work.bytes / plan.tile / 1e9,
                        "state of a tile / MiB": work.state / 2**20,
                        "results of a run / KiB": result / plan.tile / 2**10,
                    }
                )  # fmt: skip
    return rows


def _table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "| " + " | ".join("---" for _ in rows[0]) + " |"]
    for row in rows:
        cells = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values())
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def markdown(report: dict[str, Any]) -> str:
    """Tables, a system each."""
    parts = []
    for name, series in report["systems"].items():
        rows = [{"series": kind, **row} for kind, found in series.items() for row in found]
        parts.append(f"**{name}**\n\n{_table(rows)}\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--tiles", type=int, default=16, help="of the largest job; a multiple of every count")
    parser.add_argument("--arithmetic", action="store_true", help="count what a run needs, and measure nothing")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, devices, tiles, share = options.worker
        worker(name, int(devices), int(tiles), int(share))
        return
    if options.arithmetic:
        rows = arithmetic()
        print(_table(rows) if options.markdown else json.dumps(rows, indent=2))
        return
    found = {name: scaling(name, options.devices, options.processes, options.tiles) for name in options.systems}
    report = common.about() | {"systems": found}
    print(markdown(report) if options.markdown else json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
