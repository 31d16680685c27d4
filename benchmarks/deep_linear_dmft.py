"""Speed and memory of deep_linear_dmft: `python benchmarks/deep_linear_dmft.py [--quick]`, one JSON object out.

Compile time is apart from warm time (best of several). `growth` is the fitted exponent of warm time in T;
`memory_over_state` the compiled program's peak over the matrices that the marching carries; `ratio_at_equal_error` the
wall time of a simulation whose mean has the deviation that finite-size theory is compared at (1 %) over the theory's.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.core.casting import cast, in_precision
from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, theory
from theorylab.systems.deep_linear_dmft.theory_march import march


def system(steps: int, depth: int, **fields: Any) -> DeepLinearDMFT:
    return DeepLinearDMFT(steps=steps, depth=depth, noise=0.1**0.5, **fields)


def best(function: Any, repeats: int = 5) -> float:
    """Shortest wall time of several calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


def measure(setting: DeepLinearDMFT, repeats: int = 5) -> dict[str, float]:
    """Compile and warm seconds of one marching, and its memory."""
    with in_precision("float64"):
        equations = theory.setting(cast(setting, "float64"))
        start = time.perf_counter()
        compiled = jax.jit(march).lower(equations).compile()
        compile_seconds = time.perf_counter() - start
        warm = best(lambda: compiled(equations), repeats)
        memory = compiled.memory_analysis()
        peak = memory.temp_size_in_bytes + memory.output_size_in_bytes + memory.argument_size_in_bytes
        return {
            "compile_s": compile_seconds,
            "warm_s": warm,
            "peak_mb": peak / 1e6,
            "memory_over_state": peak / setting.memory(),
        }


def sweep(count: int = 32) -> dict[str, float]:
    """All learning rates in one vmapped program, T = 60, L = 2."""
    with in_precision("float64"):
        equations = theory.setting(cast(system(60, 2), "float64"))
        rates = jnp.geomspace(0.01, 0.2, count)

        def curve(rate: Any) -> Any:
            return jnp.diagonal(march(_with_rate(equations, rate)).error)

        many = jax.jit(jax.vmap(curve))
        start = time.perf_counter()
        jax.block_until_ready(many(rates))
        first = time.perf_counter() - start
        return {"compile_s": first, "warm_s": best(lambda: many(rates))}


def _with_rate(equations: Any, rate: Any) -> Any:
    return dataclasses.replace(equations, rates=jnp.full_like(equations.rates, rate))


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
    result: dict[str, Any] = {"jax": jax.__version__, "machine": platform.machine(), "device": str(jax.devices()[0])}
    shapes = [(60, 2), (200, 2)] if quick else [(60, 2), (100, 1), (200, 2), (300, 2), (300, 4)]
    result["march"] = {f"T={t}, L={depth}": measure(system(t, depth)) for t, depth in shapes}
    lengths = (64, 128) if quick else (64, 128, 256, 384)
    warm = [measure(system(t, 2))["warm_s"] for t in lengths]
    result["growth"] = {
        "T": lengths,
        "warm_s": warm,
        "exponent": float(np.polyfit(np.log(lengths), np.log(warm), 1)[0]),
        "exponent_of_the_last_two": float(np.log(warm[-1] / warm[-2]) / np.log(lengths[-1] / lengths[-2])),
    }
    result["sweep of 32 rates, T=60, L=2"] = sweep()
    layers = 5 if quick else 17
    result[f"residual, {layers} layers, T=12"] = measure(system(12, layers, residual="scaled"))
    result["against simulation, D=200, T=60"] = against_simulation()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
