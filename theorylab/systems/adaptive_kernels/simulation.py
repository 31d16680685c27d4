"""Full-batch gradient descent with weight decay of a network of finite width, docs/adaptive_kernels.md eq. (3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Key, Shaped

from theorylab.networks.mlp import MLP, Fields, gradient_fields, kernels
from theorylab.systems.adaptive_kernels.setting import Data, data_of, recorded_steps

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels


def simulate(system: AdaptiveKernels, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
    """One network of one hidden layer from paired units, or the mean of two deeper ones with readouts z and -z.

    Either removes the initial output's fluctuation of size 1 / (gamma0 sqrt N) and changes nothing at infinite width.
    """
    data = data_of(system)
    network = MLP(int(system.width), system.depth, system.activation, system.dtype)
    start: Any = network.init(key, data.points[:1])
    if system.depth == 1:
        curves = _train(system, network, _paired(start), data)
    else:
        other = {"params": {**start["params"], "readout": -start["params"]["readout"]}}
        both = jax.tree.map(lambda a, b: jnp.stack([a, b]), start, other)
        curves = jax.tree.map(
            lambda x: jnp.mean(x, 0), jax.vmap(lambda weights: _train(system, network, weights, data))(both)
        )
    return _observed(system, data, curves)


def _paired(start: Any) -> Any:
    """Units i and i + N / 2 share input weights and have opposite readouts: f = 0 exactly."""
    first, readout = start["params"]["first"], start["params"]["readout"]
    half = readout.shape[0] // 2
    return {
        "params": {
            **start["params"],
            "first": jnp.concatenate([first[:, :half], first[:, :half]], axis=1),
            "readout": jnp.concatenate([readout[:half], -readout[:half]]),
        }
    }


def _train(system: AdaptiveKernels, network: MLP, start: Any, data: Data) -> dict[str, Array]:
    points = data.points
    strength = network.width * system.richness**2
    timed = system.problem == "training"

    def energy(weights: Any) -> Array:
        fields: Any = network.apply(weights, data.inputs, system.richness)
        return 0.5 * strength * jnp.sum((fields.output - data.targets) ** 2)

    def step(_: Array, weights: Any) -> Any:
        slope = jax.grad(energy)(weights)
        return jax.tree.map(lambda x, g: x - system.rate * (g + system.ridge * x), weights, slope)

    def fields_of(weights: Any) -> tuple[Fields, Array]:
        fields: Any = network.apply(weights, points, system.richness)
        return fields, gradient_fields(network, weights, points) if timed else jnp.zeros(())

    at_start, slopes_at_start = fields_of(start)

    def measure(weights: Any) -> dict[str, Array]:
        fields, slopes = fields_of(weights)
        found = {"function": fields.output, "feature_kernel": kernels(fields.features)}
        if timed:
            found |= {
                "gradient_kernel": kernels(slopes),
                "feature_overlap": _overlap(fields.features, at_start.features),
                "gradient_overlap": _overlap(slopes, slopes_at_start),
            }
        return found

    if not timed:
        return measure(lax.fori_loop(0, system.steps, step, start))
    recorded = recorded_steps(system.steps, system.records)

    def interval(weights: Any, count: Array) -> tuple[Any, dict[str, Array]]:
        weights = lax.fori_loop(0, count, step, weights)
        return weights, measure(weights)

    _, curves = lax.scan(interval, start, jnp.asarray(np.diff(recorded, prepend=0)))
    return curves


def _overlap(a: Array, b: Array) -> Array:
    return jnp.einsum("lpn,lqn->lpq", a, b) / a.shape[-1]


def _observed(system: AdaptiveKernels, data: Data, curves: dict[str, Array]) -> dict[str, Array]:
    samples = data.targets.shape[0]
    curves = dict(curves)
    f = curves.pop("function")
    curves["train_function"] = f[..., :samples]
    if system.tests:
        curves["test_function"] = f[..., samples:]
    if system.test_targets_known:
        curves["loss"] = jnp.mean((f[..., samples:] - data.test_targets) ** 2, axis=-1)
    if system.problem == "training":
        curves["train_loss"] = jnp.mean((f[..., :samples] - data.targets) ** 2, axis=-1)
        # time is the axis that curves are drawn along
        curves = {name: jnp.moveaxis(curve, 0, -1) for name, curve in curves.items()}
    else:
        kernel = curves["feature_kernel"] = curves["feature_kernel"][:, :samples, :samples]
        along = jnp.einsum("i,lij,j->l", data.targets, kernel, data.targets)
        size = jnp.sqrt(jnp.sum(kernel**2, axis=(1, 2))) * jnp.sum(data.targets**2)
        # of a network that has collapsed onto zero no alignment is defined
        curves["alignment"] = along / jnp.where(size > 0, size, 1.0)
    return curves
