"""Speed and memory of deep_linear_dmft: `python benchmarks/deep_linear_dmft.py [--quick]`, one JSON object out.

Compile time is apart from warm time (best of several). `memory_over_state` is the compiled program's peak over the
matrices that the marching carries; `ratio_at_equal_error` the wall time of a simulation whose mean has the deviation
that finite-size theory is compared at (1 %) over the theory's.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import best, cast, compiled, in_precision, show

from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, theory
from theorylab.systems.deep_linear_dmft.theory_march import march


def system(steps: int, depth: int, **fields: Any) -> DeepLinearDMFT:
    return DeepLinearDMFT(steps=steps, depth=depth, noise=0.1**0.5, **fields)


def measure(setting: DeepLinearDMFT, repeats: int = 5) -> dict[str, float]:
    """Compile and warm seconds of one marching, and its memory."""
    with in_precision("float64"):
        equations = theory.setting(cast(setting, "float64"))
        program = compiled(march, equations)
        return {
            "compile_s": program.seconds,
            "warm_s": best(program, equations, repeats=repeats),
            "peak_mb": program.peak / 1e6,
            "memory_over_state": program.peak / setting.memory(),
        }


def against_simulation(runs: int = 64) -> dict[str, float]:
    """One network's theory against the training runs that would give the curve with a standard error of 1 %."""
    setting = DeepLinearDMFT(noise=0.1**0.5)
    theory_seconds = measure(setting)["warm_s"]
    with in_precision("float32"):
        single = cast(setting, "float32")
        tile = setting.tile
        simulate = jax.jit(
            lambda system, first: jax.vmap(
                lambda i: system.simulate(None, jax.random.fold_in(jax.random.key(0), i))["loss"]
            )(first + jnp.arange(tile))
        )
        jax.block_until_ready(simulate(single, 0))
        start = time.perf_counter()
        curves = np.concatenate([np.asarray(simulate(single, n * tile)) for n in range(runs // tile)]).astype(float)
        seconds = (time.perf_counter() - start) / len(curves)
    relative = np.sqrt(np.mean(curves.var(0, ddof=1) / curves.mean(0) ** 2))
    needed = (relative / 0.01) ** 2
    return {
        "theory_s": theory_seconds,
        "simulation_s_a_run": seconds,
        "runs_for_one_percent": needed,
        "ratio_at_equal_error": needed * seconds / theory_seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the smallest sizes")
    quick = parser.parse_args().quick
    result: dict[str, Any] = {}
    shapes = [(60, 2), (200, 2)] if quick else [(60, 2), (100, 1), (200, 2), (300, 2), (300, 4)]
    result["march"] = {f"T={t}, L={depth}": measure(system(t, depth)) for t, depth in shapes}
    layers = 5 if quick else 17
    result[f"residual, {layers} layers, T=12"] = measure(system(12, layers, residual="scaled"))
    result["against simulation, D=200, T=60"] = against_simulation()
    show(result)


if __name__ == "__main__":
    main()
