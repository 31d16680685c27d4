"""Speed of the ensemble theory: 10,000 risks, tuned scaling curves, and many runs of the simulation; JSON.

    python benchmarks/rf_ensembles.py [--repeats 3]

`risks`: 10,000 settings (ridge, samples, width, members all different) at 1,000 modes, beside the same bisection in
vectorised numpy (on 200 settings, scaled). `scaling_curves`: 16 curves of 10 points on power laws of 6,400 entries,
ridge tuned at every point. `runs`: 32 runs of the default setting, single precision. Compilation is reported apart.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import best, cast, compiled, in_precision, show, timed

from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes
from theorylab.systems.rf_ensembles import RFEnsembles, theory, theory_scaling

SETTINGS, MODES = 10_000, 1000
NUMPY_SETTINGS = 200
NOISE = 0.3


def settings(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ridge = np.exp(rng.uniform(np.log(1e-5), 0, count))
    samples, width = np.round(np.exp(rng.uniform(np.log(20), np.log(800), (2, count))))
    return [ridge, samples, width, rng.integers(1, 20, count).astype(float)]


def numpy_risks(modes: spectra.Spectrum, ridge: Any, samples: Any, width: Any, members: Any) -> np.ndarray:
    """docs/rf_ensembles.md eqs. (1), (4)-(6), by bisection between the brackets of eq. (3)."""
    values, power, _ = (np.asarray(x) for x in modes)
    rank = np.minimum(samples, width)
    low = np.log(np.maximum(ridge, values.min() * np.maximum(values.size - rank, 0) / rank))
    high = np.log(ridge + values.sum() * (1 / samples + 1 / width))
    for _ in range(60):
        kappa = np.exp((low + high) / 2)
        freedom = (values / (values + kappa[:, None])).sum(1)
        above = (freedom < rank) & (kappa * (1 - freedom / samples) * (1 - freedom / width) > ridge)
        low, high = np.where(above, low, (low + high) / 2), np.where(above, (low + high) / 2, high)
    kappa = np.exp((low + high) / 2)
    g = 1 / (values + kappa[:, None])
    a, b = ((values * g) ** 2).sum(1) / samples, ((values * g) ** 2).sum(1) / width
    s1, tf = kappa * (values * g**2).sum(1), kappa**2 * (power * g**2).sum(1)
    tg = kappa * (values * power * g**2).sum(1)
    across = (NOISE**2 + tf) / (1 - a)
    same = (NOISE**2 + tf + s1 * tg / (width * (1 - b))) / (1 - a - s1**2 / (width * samples * (1 - b)))
    return across + (same - across) / members - NOISE**2


def risks(repeats: int) -> dict[str, float]:
    spectrum = spectra.scaled(spectra.power_law(MODES, 1.3, 2.04), 1.0)
    modes = Modes(*(jnp.asarray(x) for x in spectrum))
    inputs = [jnp.asarray(x) for x in settings(SETTINGS)]

    def every(modes: Modes, *inputs: jax.Array) -> jax.Array:
        return jax.vmap(theory.ensemble_risk, (None, 0, 0, 0, 0, None))(modes, *inputs, NOISE).risk

    made = compiled(every, modes, *inputs)
    ours = np.asarray(made(modes, *inputs))[:NUMPY_SETTINGS]
    few = [np.asarray(x)[:NUMPY_SETTINGS] for x in inputs]
    reference = numpy_risks(spectrum, *few)
    plain = best(numpy_risks, spectrum, *few, repeats=1) * SETTINGS / NUMPY_SETTINGS
    warm = best(made, modes, *inputs, repeats=repeats)
    return {
        "warm_seconds": warm,
        "compile_seconds": made.seconds,
        "numpy_seconds_scaled": plain,
        "speedup": plain / warm,
        "largest_relative_difference": float(np.max(np.abs(ours / reference - 1))),
    }


def scaling_curves(repeats: int) -> dict[str, float]:
    total = np.geomspace(1e2, 1e8, 10)
    laws = [theory_scaling.endless_modes(a, 1 + 2 * a * r) for a, r in ((1.5, 0.3), (1.5, 0.8), (2, 0.8), (1.2, 0.9))]
    curves = [(m, total**growth, total ** (1 - growth)) for m in laws for growth in (1.0, 0.8, 0.6, 0.4)]
    unlimited = jnp.full(total.size, jnp.inf)

    def every() -> list[jax.Array]:
        return [theory_scaling.tuned_risks(m, unlimited, jnp.asarray(n), jnp.asarray(k), 0.0) for m, n, k in curves]

    start = time.perf_counter()
    jax.block_until_ready(every())
    first = time.perf_counter() - start
    warm = best(every, repeats=repeats)
    return {"warm_seconds": warm, "compile_seconds": first - warm, "entries": int(laws[0].values.size)}


def runs(repeats: int) -> dict[str, float]:
    with in_precision("float32"):
        system = cast(RFEnsembles(), "float32")
        keys = jax.random.split(jax.random.key(0), 32)
        return timed(lambda s, k: jax.vmap(lambda one: s.simulate(None, one))(k), system, keys, repeats=repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    jax.config.update("jax_enable_x64", True)
    report = {
        "benchmark": "rf_ensembles",
        "risks_10000_at_1000_modes": risks(repeats),
        "scaling_curves_16_of_10_points": scaling_curves(repeats),
        "runs_32": runs(repeats),
    }
    show(report)


if __name__ == "__main__":
    main()
