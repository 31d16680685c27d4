"""Overhead of the ensemble engine against a bare `jit(vmap(simulate))` over the same tiles. Prints JSON.

python benchmarks/engine.py [--tiles 8] [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from common import cast, in_precision, show

from theorylab.engine.ensemble import Plan, run
from theorylab.systems.rnn_integrator import RNNIntegrator

KEY = jax.random.key(0)
SYSTEM = RNNIntegrator(width=100, bulk=0.2, horizon=20, train="recurrent", rate=5e-3, steps=140, records=35)


def bare(tiles: int) -> float:
    """Seconds of the plain program, one call a tile, results brought to the host."""
    with in_precision("float32"):
        system = cast(SYSTEM, "float32")
        program = jax.jit(jax.vmap(lambda s, key: s.simulate(None, key), in_axes=(None, 0)))
        fold = jax.jit(jax.vmap(lambda i: jax.random.fold_in(KEY, i)))
        jax.block_until_ready(program(system, fold(jnp.arange(SYSTEM.tile, dtype=jnp.uint32))))
        start = time.perf_counter()
        for tile in range(tiles):
            runs = jnp.arange(tile * SYSTEM.tile, (tile + 1) * SYSTEM.tile, dtype=jnp.uint32)
            jax.device_get(program(system, fold(runs)))
        return time.perf_counter() - start


def engine(tiles: int, root: Path | None) -> float:
    """Seconds of the engine's whole ensemble, the program being compiled already."""
    start = time.perf_counter()
    run(Plan.of(SYSTEM, KEY, root=root), tiles * SYSTEM.tile)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    engine(1, None)
    bare(1)
    ratios: dict[str, list[float]] = {"memory": [], "stored": []}
    seconds = []
    for _ in range(options.repeats):  # in turn, so that a change of the machine's speed hits both
        seconds.append(bare(options.tiles))
        ratios["memory"].append(engine(options.tiles, None) / seconds[-1])
        with tempfile.TemporaryDirectory() as folder:
            ratios["stored"].append(engine(options.tiles, Path(folder)) / seconds[-1])
    show(
        {
            "benchmark": "engine",
            "runs": options.tiles * SYSTEM.tile,
            "bare_seconds": statistics.median(seconds),
            "engine_over_bare": statistics.median(ratios["memory"]),
            "engine_with_store_over_bare": statistics.median(ratios["stored"]),
        }
    )


if __name__ == "__main__":
    main()
