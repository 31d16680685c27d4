"""Timings of the fitting tool; prints one JSON object.

python benchmarks/fit.py

500 synthetic runs in 25 cells, 200 resamples: constants and intervals alone, with the held-out judgement, with all
rivals; cold (nothing compiled) and warm. Beside them the share of random starts that reach the minimum by
Levenberg-Marquardt, and by scipy's L-BFGS on the same loss.
"""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import show
from scipy.optimize import minimize

from theorylab.solvers import fit as least_squares
from theorylab.systems.precision_scaling import fitting
from theorylab.systems.precision_scaling.fitting_forms import form, prepared
from theorylab.systems.precision_scaling.theory_laws import loss, published


def table(runs: int = 500) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    cell = np.arange(runs) % 25
    N, D = np.geomspace(3e7, 1e9, 5)[cell // 5], np.geomspace(1.5e9, 5e10, 5)[cell % 5]
    bits = np.stack([rng.choice((3, 4, 5, 6, 8, np.inf), size=runs) for _ in range(3)], axis=1)
    clean = np.asarray(loss(N, D, published(), bits))
    columns = {"N": N, "D": D, "loss": clean * np.exp(0.004 * rng.standard_normal(runs))}
    return columns | {name: bits[:, i] for i, name in enumerate(("P_w", "P_a", "P_kv"))}


def timed(columns: dict[str, np.ndarray], **options: Any) -> dict[str, float]:
    jax.clear_caches()
    found = {}
    for name in ("cold", "warm"):
        wall, cpu = time.perf_counter(), time.process_time()
        fitting.fit(columns, **options)
        found[f"{name}_seconds"] = round(time.perf_counter() - wall, 2)
        found[f"{name}_cpu_seconds"] = round(time.process_time() - cpu, 2)
    return found


def starts(columns: dict[str, np.ndarray], number: int = 64, few: int = 8) -> dict[str, Any]:
    """Share of starts within 1e-6 (relative) of the smallest loss, by 60 steps of Levenberg-Marquardt, and by scipy's
    L-BFGS with 400 iterations from the first few of the same starts."""
    runs = fitting.runs(columns)
    data, law = prepared(runs), form("precision", runs)
    begin = law.starts(np.random.default_rng(1).uniform(size=(number, len(law.names))), data)
    weights = np.ones((1, len(runs)))
    ends = least_squares.in_blocks(law, data, begin, weights, 1e-3, 60, 16)
    both = jax.jit(jax.value_and_grad(lambda at: jnp.sum(least_squares.huber(law(at, data), 1e-3)) * 1e3))

    def value(at: np.ndarray) -> tuple[float, np.ndarray]:
        f, g = both(jnp.asarray(at))
        return float(f), np.asarray(g)

    begun = time.perf_counter()
    others = [
        minimize(value, at, jac=True, method="L-BFGS-B", options={"maxiter": 400}).fun / 1e3 for at in begin[:few]
    ]
    best = min(ends.loss.min(), *others)
    return {
        "levenberg_marquardt_share": float(np.mean(ends.loss < best * (1 + 1e-6))),
        "lbfgs_share": float(np.mean(np.array(others) < best * (1 + 1e-6))),
        "lbfgs_share_within_1e-3": float(np.mean(np.array(others) < best * (1 + 1e-3))),
        "lbfgs_seconds_a_start": round((time.perf_counter() - begun) / few, 2),
    }


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    columns = table()
    show(
        {
            "runs": 500,
            "resamples": 200,
            "intervals": timed(columns, compare=False, held_out="none"),
            "intervals_and_held_out": timed(columns, compare=False),
            "with_six_rivals": timed(columns),
            "starts": starts(columns),
        }
    )


if __name__ == "__main__":
    main()
