"""The Bayesian network at finite width: one run is one chain through its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, Shaped

from theorylab.networks import langevin
from theorylab.networks.mlp import MLP, kernels
from theorylab.systems.adaptive_kernels.setting import BINS, data_of

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels

LEAST_ACCEPTANCE = 0.4
"""Below this a chain explores too little to be believed: its curves are not a number."""


def simulate(system: AdaptiveKernels, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
    """Posterior means along one chain of width `system.width`, docs/adaptive_kernels.md eq. (2)."""
    data = data_of(system)
    width, samples = int(system.width), data.inputs.shape[0]
    network = MLP(width, system.depth, system.activation, system.dtype)
    init_key, chain_key = jax.random.split(key)
    points = data.points
    parameters = network.init(init_key, points[:1])
    strength = system.beta * width * system.richness**2

    def potential(weights: Any) -> Array:
        residual = network.apply(weights, data.inputs, system.richness).output - data.targets  # pyright: ignore[reportAttributeAccessIssue]
        square = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(weights))
        return 0.5 * strength * jnp.sum(residual**2) + 0.5 * square

    def record(weights: Any) -> dict[str, Array]:
        fields: Any = network.apply(weights, points, system.richness)
        return {
            "function": fields.output,
            "kernel": kernels(fields.features[:, :samples]),
            "density": _histogram(fields.preactivations[0, 0]),
        }

    if system.sampler == "hmc":
        found = langevin.hmc(
            potential,
            parameters,
            chain_key,
            record,
            warmup=system.warmup,
            moves=system.moves,
            leapfrogs=system.leapfrogs,
        )
    else:
        found = langevin.langevin(
            potential,
            parameters,
            chain_key,
            record,
            warmup=system.warmup,
            moves=system.moves,
            step=system.step,
            between=system.leapfrogs,
        )
    good = found.acceptance >= LEAST_ACCEPTANCE
    function = jnp.where(good, found.mean["function"], jnp.nan)
    curves = {
        "train_function": function[:samples],
        "feature_kernel": found.mean["kernel"],
        "alignment": _alignment(found.mean["kernel"], data.targets),
        "density": found.mean["density"],
        "acceptance": found.acceptance,
    }
    if data.test_inputs.shape[0]:
        curves["test_function"] = function[samples:]
    if data.test_targets.shape[0]:
        curves["loss"] = jnp.mean((function[samples:] - data.test_targets) ** 2)
    return curves


def _alignment(kernel: Array, targets: Array) -> Array:
    along = jnp.einsum("i,lij,j->l", targets, kernel, targets)
    return along / (jnp.sqrt(jnp.sum(kernel**2, axis=(1, 2))) * jnp.sum(targets**2))


def _histogram(values: Array) -> Array:
    """Share of the units in each bin, by its width."""
    edges = jnp.asarray(BINS, values.dtype)
    counts = jnp.sum((values[:, None] >= edges[:-1]) & (values[:, None] < edges[1:]), axis=0)
    return (counts / (values.shape[0] * (edges[1] - edges[0]))).astype(values.dtype)
