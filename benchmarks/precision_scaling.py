"""Timings of precision_scaling; prints one JSON object.

python benchmarks/precision_scaling.py

Timed, compiled, the best of five: the model's prediction; 1,024 rotations of 200 modes by their conditional law and
by QR; rounding a 1,024 x 1,024 matrix to the nearest integer grid, to a floating-point format, and with
compensation; 100 steps of a transformer of the grid in full precision and with everything rounded to 4 bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from common import show, timed

from theorylab.networks.quantization import FloatFormat, compensated, floating, integer
from theorylab.systems.precision_scaling import setting, simulation, theory
from theorylab.systems.precision_scaling.simulation_grid import Setup, Shape, train

MODES = 200
DRAWS = 1024


def rotations() -> dict[str, Any]:
    """The same degradations by the conditional law, and by explicit rotations."""
    data = setting.modes(MODES, jnp.float32(1.5), jnp.float32(1.8))
    left = data.targets * jnp.exp(-1e4 * data.values)
    weights, bits = data.targets - left, jnp.float32(6.0)

    def sampled(keys: jax.Array) -> jax.Array:
        return jax.vmap(lambda k: simulation.added_by_sampler(k, data, weights, left, bits, False, True)[0])(keys)

    def turned(keys: jax.Array) -> jax.Array:
        def one(key: jax.Array) -> jax.Array:
            rotation = simulation.haar(key, MODES, jnp.float32)
            return simulation.added_by_rotation(key, rotation, data, weights, left, bits, False)[0]

        return jax.lax.map(one, keys, batch_size=32)

    keys = jax.random.split(jax.random.key(0), DRAWS)
    return {"conditional": timed(sampled, keys), "rotation": timed(turned, keys)}


def training() -> dict[str, Any]:
    """100 steps of one run of the grid."""
    setup, shape, key = Setup(), Shape(32, 2), jax.random.key(0)
    found = {}
    for name, bits in (("full", None), ("four_bits", 4.0)):
        grids = jnp.full(3, 16.0 if bits is None else bits)
        found[name] = timed(lambda k, b: train(k, setup, shape, jnp.int32(100), b), key, grids)
    return found


def main() -> None:
    matrix = jax.random.normal(jax.random.key(0), (1024, 1024))
    inputs = jax.random.normal(jax.random.key(1), (2048, 1024))
    times = jnp.geomspace(1e2, 1e4, 7)
    show(
        {
            "prediction": timed(lambda t: theory.degradation(MODES, 1.5, 1.8, jnp.array([4.0, 6.0]), t), times),
            "rotations_1024": rotations(),
            "round_integer": timed(lambda x: integer(x, 4.0, 0), matrix),
            "round_floating": timed(lambda x: floating(x, FloatFormat(4, 3), 0), matrix),
            "round_compensated": timed(lambda w, x: compensated(w, x, 4.0), matrix, inputs),
            "transformer_100_steps": training(),
        }
    )


if __name__ == "__main__":
    main()
