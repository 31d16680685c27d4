"""Training of real deep linear networks by explicit gradient descent (docs/deep_linear_dmft.md, section 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key, Shaped

from theorylab.core import require
from theorylab.data import gaussian
from theorylab.networks import deep_linear
from theorylab.networks.deep_linear import DeepLinear
from theorylab.systems.deep_linear_dmft import spectrum as data

if TYPE_CHECKING:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT


def simulate(system: DeepLinearDMFT, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
    """One run: draw data and weights, train `members` networks on the same data, record every step.

    Raises: `Refused` for infinite sizes (they can be predicted, not simulated).
    """
    require(
        math.isfinite(system.width) or system.depth == 0,
        "a network of infinite width can be predicted, not simulated; give a finite width",
    )
    require(
        system.data != "batch" or math.isfinite(system.samples),
        "infinitely many samples cannot be drawn; take data='population' to simulate the population's gradient",
    )
    dtype = system.dtype
    modes = data.spectrum(system)
    number = [int(count) for count in _counts(system)]
    values = jnp.repeat(modes.values, jnp.asarray(number), total_repeat_length=system.dimension).astype(dtype)
    power = jnp.repeat(modes.power, jnp.asarray(number), total_repeat_length=system.dimension).astype(dtype)
    scales, target = jnp.sqrt(values), jnp.sqrt(power / values)
    unit = float(system.dimension) if system.spectrum == "isotropic" else 1.0
    richness = jnp.asarray(system.scaled_richness / unit**0.5, dtype)
    branch = None if system.residual == "none" else jnp.asarray(system.branch_scale, dtype)
    rates = (data.rates(system) * unit).astype(dtype)
    weight_key, data_key = jax.random.split(key)
    networks = _init(system, weight_key, dtype)
    seen = data.batches(system)
    drawn = None
    if system.data == "batch":
        drawn = _draw(system, data_key, int(system.samples), scales, dtype)

    def step(carry, inputs):
        networks, first = carry
        t, rate, size = inputs
        predictors, gradients = jax.vmap(lambda net: _predictor(net, branch, richness, system.depth))(networks)
        if first is not None:
            first = jnp.where(t == 0, predictors, first)
            predictors = predictors - first
        errors = target - predictors  # (members, M)
        force, train = _force(system, errors, t, size)
        new, features = jax.vmap(lambda net, u, g: _descend(net, u, g, rate, richness, branch, system.depth))(
            networks, force, gradients
        )
        record = {"error": scales * errors.mean(0), "train_loss": train}
        if system.depth > 0:
            record |= _kernels(system, force, features, gradients, unit)
        return (new, first), record

    def _force(system, errors, t, size):
        if system.data == "population":
            return values * errors, jnp.zeros((), dtype)
        if drawn is None:
            count = int(seen.max())
            x, noise = _draw(system, jax.random.fold_in(data_key, t), count, scales, dtype)
        else:
            x, noise = drawn
        used = jnp.arange(x.shape[0]) < size
        residuals = jnp.where(used, errors @ x.T + system.noise * noise, 0)  # (members, P)
        return (residuals @ x) / size, jnp.sum(residuals.mean(0) ** 2) / size

    first = jnp.zeros((system.members, system.dimension), dtype) if system.centered else None
    size = jnp.asarray(seen, dtype) if math.isfinite(seen[0]) else jnp.zeros(system.steps, dtype)
    _, record = lax.scan(step, (networks, first), (jnp.arange(system.steps), rates, size))
    errors = record.pop("error")
    curves = {
        "loss": jnp.sum(errors**2, axis=1),
        "error_correlation": errors[data.anchors(system.steps)] @ errors.T,
        **{name: jnp.moveaxis(curve, 0, -1) for name, curve in record.items()},
    }
    if system.data == "population":
        del curves["train_loss"]
    return curves


def _counts(system: DeepLinearDMFT) -> list[float]:
    """Multiplicities of `spectrum(system)`, as plain numbers."""
    if system.spectrum == "power_law":
        return [1] * system.dimension
    return [mode[2] for mode in system.modes] if system.spectrum == "modes" else [system.dimension]


def _draw(
    system: DeepLinearDMFT, key: Key[Array, ""], samples: int, scales: Float[Array, "modes"], dtype: Any
) -> tuple[Float[Array, "samples modes"], Float[Array, "samples"]]:
    """Inputs and standard normal label noise."""
    x_key, noise_key = jax.random.split(key)
    return gaussian.inputs(x_key, samples, scales, dtype), jax.random.normal(noise_key, (samples,), dtype)


def _init(system: DeepLinearDMFT, key: Key[Array, ""], dtype: Any) -> Any:
    """Weights of all members, stacked; for no hidden layer, the predictors themselves."""
    if system.depth == 0:
        return jnp.zeros((system.members, system.dimension), dtype)
    keys = jax.random.split(key, system.members)
    return jax.vmap(lambda k: deep_linear.init(k, system.depth, int(system.width), system.dimension, dtype))(keys)


def _predictor(
    network: Any, branch: Array | None, richness: Array, depth: int
) -> tuple[Float[Array, "modes"], Float[Array, "layer width"]]:
    if depth == 0:
        return network, jnp.zeros((0, 1), network.dtype)
    gradients = deep_linear.backward(network, branch)
    return deep_linear.predictor(network, gradients, richness), gradients


def _descend(
    network: Any, force: Array, gradients: Array, rate: Array, richness: Array, branch: Array | None, depth: int
) -> tuple[Any, Float[Array, "layer width"]]:
    if depth == 0:
        return network + rate * force, gradients
    assert isinstance(network, DeepLinear)
    features = deep_linear.forward(network, force, branch)
    return deep_linear.descend(network, force, features, gradients, rate, richness, branch), features


def _kernels(system: DeepLinearDMFT, force: Array, features: Array, gradients: Array, unit: float) -> dict[str, Array]:
    """Feature and gradient kernels by layer, and the NTK's trace, each a mean over the members, docs eq. (21)."""
    feature = jnp.mean(features**2, axis=-1)  # (members, L)
    gradient = jnp.mean(gradients**2, axis=-1)
    b2 = 1.0 if system.residual == "none" else system.branch_scale**2
    moved = (gradient[:, 1:] * feature[:, :-1]).sum(1) * b2 + feature[:, -1]
    ntk = gradient[:, 0] + moved / jnp.sum(force**2, axis=-1)
    return {"feature_kernel": feature.mean(0) * unit, "gradient_kernel": gradient.mean(0), "ntk": ntk.mean()}
