"""Speed of the sgd_resolvent theory against the same prescription in plain numpy; one JSON object on standard output.

    python benchmarks/sgd_resolvent.py [--repeats 5]

Targets on two cores: 60 gradient-flow times at D = 1000 under 1.5 s, 2000 steps of multi-pass SGD under 0.6 s, both
warm. Compilation is listed apart.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import best, compiled, show

from theorylab.data import spectra
from theorylab.solvers import resolvent as rs
from theorylab.systems.sgd_resolvent import SGDResolvent, setting, theory

DIMENSION, SAMPLES, WIDTH = 1000, 750, 600
NOISE, RATE, BATCH, STEPS = 0.3, 0.2, 8, 2000


def numpy_kappa(values: np.ndarray, z: np.ndarray, nearest: float) -> np.ndarray:
    modes = rs.Modes(values, np.zeros_like(values), np.ones_like(values))  # pyright: ignore[reportArgumentType]
    return np.asarray(rs.renormalised_nodes_host(modes, z, SAMPLES, WIDTH, nearest))


def numpy_transforms(values: np.ndarray, power: np.ndarray, z: np.ndarray, kappa: np.ndarray, kernels: bool) -> list:
    """docs/sgd_resolvent.md eq. (9) over all pairs of the full contour: one complex product a sum."""
    z, kappa = np.concatenate([z, z.conj()]), np.concatenate([kappa, kappa.conj()])
    g = 1 / (values + kappa[:, None])
    d2, s, t1, t2 = ((g * weight) @ g.T for weight in (values**2, values, power, values * power))
    freedom = (values * g).sum(1)
    data = np.outer(1 - freedom / SAMPLES, 1 - freedom / SAMPLES)
    features = np.outer(1 - freedom / WIDTH, 1 - freedom / WIDTH)
    loop = (1 / WIDTH) / (1 - d2 / WIDTH)
    e = d2 + np.outer(kappa, kappa) * s**2 * loop
    x, noise, target = e / SAMPLES, NOISE**2 / np.outer(z, z), (t1 + s * t2 * loop) / features
    found = [(data * noise + target) / (1 - x), (x * noise + target / data) / (1 - x)]
    if kernels:
        test = e / (1 - x)
        found += [np.outer(freedom, freedom) / SAMPLES + data * test, test]
    return found


def numpy_flow(values: np.ndarray, power: np.ndarray, times: np.ndarray) -> np.ndarray:
    z, weight = (np.asarray(x) for x in rs.parabola(jnp.asarray(times)))
    kappa = numpy_kappa(values, z.ravel(), math.pi * 14 / (12 * times.max())).reshape(z.shape)
    losses = []
    for i, t in enumerate(times):
        propagator = np.exp(z[i] * t) * weight[i]
        propagator = np.concatenate([propagator, propagator.conj()])
        losses.append(
            [(propagator @ c @ propagator).real for c in numpy_transforms(values, power, z[i], kappa[i], False)]
        )
    return np.array(losses)


def numpy_multi(values: np.ndarray, power: np.ndarray, edge: float) -> np.ndarray:
    reach = 4 / (RATE * STEPS)
    z, weight = (
        np.asarray(x) for x in rs.ellipse(jnp.asarray(edge), jnp.asarray(reach), rs.ellipse_nodes(edge, reach))
    )
    kappa = numpy_kappa(values, z, reach)
    propagator = np.exp(np.arange(STEPS + 1)[:, None] * np.log1p(RATE * z)) * weight
    propagator = np.concatenate([propagator, propagator.conj()], 1)
    train, test, train_kernel, test_kernel = (
        ((propagator @ c) * propagator).sum(1).real for c in numpy_transforms(values, power, z, kappa, True)
    )
    factor = RATE**2 / BATCH * (SAMPLES - BATCH) / (SAMPLES - 1)
    for t in range(1, STEPS + 1):
        train[t] += factor * train_kernel[:t][::-1] @ train[:t]
    return np.stack([train, test + factor * np.append(0, np.convolve(test_kernel, train)[:STEPS])], -1)


def measure(traced: Callable[..., Any], arguments: tuple, plain: Callable[[], np.ndarray], repeats: int) -> dict:
    program = compiled(traced, *arguments)
    ours = np.stack([np.asarray(x) for x in program(*arguments)], -1)
    reference = plain()
    warm, numpy_seconds = best(program, *arguments, repeats=repeats), best(plain, repeats=max(1, repeats // 3))
    return {
        "warm_seconds": warm,
        "compile_seconds": program.seconds,
        "numpy_seconds": numpy_seconds,
        "speedup": numpy_seconds / warm,
        "largest_relative_difference": float(np.max(np.abs(ours / reference - 1))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    jax.config.update("jax_enable_x64", True)

    values, power, _ = spectra.scaled(spectra.power_law(DIMENSION, 1.2, 1.8), 1.0)
    system = SGDResolvent(
        dimension=DIMENSION, samples=SAMPLES, width=WIDTH, dynamics="multi", batch=BATCH, rate=RATE, steps=STEPS
    )
    modes = rs.Modes(*(jnp.asarray(x) for x in setting.spectrum(system)))
    physics = theory.Setting(modes, jnp.asarray(NOISE), SAMPLES, WIDTH, False)
    times = np.geomspace(0.1, 1e4, 60)
    flow = SGDResolvent(dimension=DIMENSION, samples=SAMPLES, width=WIDTH, dynamics="flow", horizon=1e4).numerics(None)
    numerics = system.numerics(None)
    factor = theory.noise_factor(RATE, SAMPLES, BATCH, False)

    def multi(physics: theory.Setting, rate: jax.Array) -> tuple[jax.Array, jax.Array]:
        curves, _ = theory.stochastic_curves(physics, rate, factor, STEPS, numerics.nodes, numerics.stages)
        return curves.train_loss, curves.loss

    def flows(physics: theory.Setting, times: jax.Array) -> tuple[jax.Array, jax.Array]:
        curves = theory.flow_curves(physics, times, flow.stages)
        return curves.train_loss, curves.loss

    edge = theory.host_edge(system)
    report = {
        "benchmark": "sgd_resolvent",
        "dimension": DIMENSION,
        "flow_60_times": measure(
            flows,
            (physics, jnp.asarray(times)),
            lambda: numpy_flow(values, power, times),
            repeats,  # pyright: ignore
        ),
        "multi_pass_2000_steps": measure(
            multi,
            (physics, jnp.asarray(RATE)),
            lambda: numpy_multi(values, power, edge),
            repeats,  # pyright: ignore
        ),
    }
    show(report)


if __name__ == "__main__":
    main()
