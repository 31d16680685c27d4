"""Timings of equality_reasoning and its measured lazy exponent; prints one JSON object.

python benchmarks/equality_reasoning.py

Timed, compiled: 1,500 steps of the particle theory at 8 symbols for falling numbers of particles; 100 steps of gradient
descent of the network; the lazy kernel flow of 32 symbols to time 4,000. Measured: the number of symbols at which lazy
training reaches an accuracy of 3/4 at that late time, against the dimension, with its draw-to-draw error.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import show, timed

from theorylab.data import symbols as data
from theorylab.systems.equality_reasoning import EqualityReasoning
from theorylab.systems.equality_reasoning import theory_kernel as kernel
from theorylab.systems.equality_reasoning import theory_particles as particles
from theorylab.systems.equality_reasoning.setting import answers

DIMENSIONS = (8, 12, 16, 20)
DRAWS = 5
LATE = 2000.0
KEPT_PAIRS = 1200
"""Pairs of the kernel from 35 symbols on: all same ones, and different ones at random."""
TESTS = 1500


@jax.jit
def late_accuracy(training: jax.Array, labels: jax.Array, shares: jax.Array, slots: Any) -> jax.Array:
    """Accuracy of the lazy limit at the late time."""
    pairs = data.Pairs(labels, labels, labels, shares)  # pyright: ignore[reportArgumentType]
    legs = [jnp.asarray(part) for part in kernel.schedule(np.array([10.0, 100.0, LATE]))]
    path = kernel.train(kernel.tangent_kernel(training, training), pairs, *legs)
    return answers(*(kernel.outputs(path[-1:], training, data.joined(s)) for s in slots))["accuracy"][0]


def accuracy(dimension: int, count: int, key: jax.Array) -> float:
    """The lazy limit's late accuracy for one draw of symbols."""
    seen_key, novel_key = jax.random.split(key)
    symbols = data.draw(seen_key, count, dimension, jnp.float64)
    pairs = kernel.chosen_pairs(count, KEPT_PAIRS)
    novel = data.draw_novel(novel_key, TESTS, dimension, False, jnp.float64)
    training = kernel.inputs(symbols, pairs)
    return float(late_accuracy(training, jnp.asarray(pairs.labels), jnp.asarray(pairs.shares), novel.inputs()))


def threshold(dimension: int, key: jax.Array) -> float:
    """Number of symbols at which one draw's late accuracy passes 3/4, interpolated between neighbours of a grid; the
    symbols of larger sets contain those of smaller ones."""
    before = (0.0, 0.5)
    for count in np.unique(np.round(dimension * np.geomspace(0.5, 3.0, 10)).astype(int)):
        found = accuracy(dimension, int(count), key)
        if found >= 0.75:
            low, at = before
            return low + (count - low) * (0.75 - at) / (found - at)
        before = (float(count), found)
    return float("nan")


def exponent() -> dict[str, Any]:
    """Slope of log threshold in log dimension, with its standard error from the draws."""
    found = np.array([[threshold(d, jax.random.key(seed)) for seed in range(DRAWS)] for d in DIMENSIONS])
    slopes = {
        name: [np.polyfit(np.log(DIMENSIONS[skip:]), column[skip:], 1)[0] for column in np.log(found).T]
        for name, skip in (("all", 0), ("without_the_smallest", 1))
    }
    return {
        "time": LATE,
        "dimensions": list(DIMENSIONS),
        "thresholds": np.nanmean(found, axis=1).round(2).tolist(),
        "threshold_errors": (np.nanstd(found, axis=1, ddof=1) / DRAWS**0.5).round(2).tolist(),
        "exponents": {
            name: {"value": float(np.nanmean(many)), "error": float(np.nanstd(many, ddof=1) / DRAWS**0.5)}
            for name, many in slopes.items()
        },
    }


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    z = data.draw(jax.random.key(0), 8, 128, jnp.float64)
    theory = {}
    for number in (1024, 4096):
        initial = particles.start(8, 128, number, 0)
        theory[str(number)] = timed(lambda z, at=initial: particles.train(z, 128**0.5, 0.1, np.array([1500]), at)[0], z)
    network = EqualityReasoning(dimension=128, symbols=8, width=1024, steps=100, records=1, tests=16)
    single = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), network)
    drawn = jax.tree.map(lambda x: x.astype(jnp.float32), single.draw(jax.random.key(0)))
    simulation = timed(lambda i, k: single.simulate(i, k), drawn, jax.random.key(1))  # noqa: PLW0108 (arrays do not hash)
    symbols = data.draw(jax.random.key(0), 32, 16, jnp.float64)
    pairs = kernel.all_pairs(32)
    x = kernel.inputs(symbols, pairs)
    legs = [jnp.asarray(part) for part in kernel.schedule(np.array([10.0, 50.0, 250.0, 1000.0, 4000.0]))]
    flow = timed(lambda x: kernel.train(kernel.tangent_kernel(x, x), pairs, *legs), x)
    show(
        {
            "particle_theory_1500_steps": theory,
            "network_100_steps": simulation,
            "kernel_flow_1024_pairs": flow,
            "lazy_exponent": exponent(),
        }
    )


if __name__ == "__main__":
    main()
