"""Warm times of the adaptive_kernels theories, compilation apart; prints one JSON object.

python benchmarks/adaptive_kernels.py [--quick-preset]

The targets beside the numbers are for two CPU cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import common
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from theorylab.solvers.single_site import Layout, causal_pass  # noqa: E402
from theorylab.systems.adaptive_kernels import AdaptiveKernels, setting  # noqa: E402
from theorylab.systems.adaptive_kernels import theory_activation as activation_  # noqa: E402
from theorylab.systems.adaptive_kernels import theory_deep_linear as deep_linear  # noqa: E402
from theorylab.systems.adaptive_kernels import theory_two_hidden as two_hidden  # noqa: E402
from theorylab.systems.adaptive_kernels import theory_two_layer as two_layer  # noqa: E402
from theorylab.systems.adaptive_kernels import theory_variation as variation  # noqa: E402


def timed(function: Callable[..., Any], *arguments: Any, target: float | None = None) -> dict[str, float | None]:
    """Seconds of compilation and of the quickest of several warm calls, beside the target."""
    return {**common.timed(function, *arguments), "target": target}


def kernel_of(parts: tuple[np.ndarray, ...]) -> tuple[jax.Array, jax.Array]:
    points = jnp.concatenate([jnp.asarray(parts[0]), jnp.asarray(parts[2])])
    return points @ points.T / points.shape[1], jnp.asarray(parts[1])


def theories() -> dict[str, Any]:
    kernel, y = kernel_of(setting.waves(100, 120, 0))
    modes = deep_linear.modes(kernel, y)
    ring, ring_y = kernel_of(setting.ring(6, 3))
    toy, _ = kernel_of(setting.waves(3, 5, 1))
    toy_y = jnp.array([1.0, -1.0, 0.5])
    x = jnp.asarray(setting.ring(6, 0)[0])

    def one_pass(key: jax.Array) -> Any:
        return causal_pass(
            toy,
            toy_y,
            lambda h: activation_.value("tanh", h),
            lambda h: activation_.slope("tanh", h),
            depth=2,
            richness=2.0,
            ridge=0.1,
            rate=0.05,
            steps=100,
            key=key,
            layout=Layout(1000, 80),
        )

    return {
        "scalar posterior, P = 100, L = 3": timed(lambda g: deep_linear.posterior(modes, 3, g, 5.0), 1.0, target=0.01),
        "scalar end point, P = 100, L = 2": timed(lambda g: deep_linear.converged(modes, 2, g, 0.3), 1.0, target=0.01),
        "first-order jump, P = 100, L = 3": timed(lambda b: deep_linear.transition(modes, 3, b), 0.01),
        "two-layer Newton, ring, erf, 90 x 480": timed(
            lambda g: two_layer.by_quadrature(ring, ring_y, "erf", g, 10.0, 2), 1.0, target=0.1
        ),
        "two-layer Newton, ring, relu radial": timed(
            lambda g: two_layer.relu_radial(ring, ring_y, g, 10.0), 1.0, target=0.1
        ),
        "two hidden layers, P = 3, 28 nodes": timed(
            lambda g: two_hidden.posterior(toy, toy_y, "erf", g, 10.0, 28), 1.0
        ),
        "causal pass, P = 4, T = 100, L = 2, S = 1000": timed(one_pass, jax.random.key(0), target=1.0),
        "total variation, ring, relu": timed(lambda s: variation.total_variation(x, ring_y, s), 0.3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick-preset", action="store_true", help="also time the quick preset's comparisons")
    options = parser.parse_args()
    report: dict[str, Any] = {"seconds": theories()}
    if options.quick_preset:
        report["quick_preset"] = common.quick_preset(AdaptiveKernels)
    common.show(report)
