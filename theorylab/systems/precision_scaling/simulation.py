"""The solvable model simulated: gradient descent on every mode, then real rounding of randomly rotated weights.

Equation numbers are those of docs/precision_scaling.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

from theorylab.networks.quantization import stochastic
from theorylab.systems.precision_scaling.setting import Modes, modes, recorded_steps, unresolved

if TYPE_CHECKING:
    from theorylab.systems.precision_scaling import PrecisionScaling


def trained(data: Modes, rate: ArrayLike, steps: np.ndarray) -> tuple[Float[Array, "records modes"], Array]:
    """What is left to learn, w* - w, after each of `steps` steps of gradient descent, and the weights w."""

    def step(_: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, weights = state
        pull = rate * data.values * left
        return left - pull, weights + pull

    def leg(state: tuple[Array, Array], span: Array) -> tuple[Any, Any]:
        state = jax.lax.fori_loop(0, span, step, state)
        return state, state

    spans = jnp.asarray(np.diff(steps, prepend=0))
    _, (left, weights) = jax.lax.scan(leg, (data.targets, jnp.zeros_like(data.targets)), spans)
    return left, weights


def rounded(
    key: Key[Array, ""], weights: Float[Array, "... modes"], bits: Float[ArrayLike, ""], at_random: bool
) -> Float[Array, "... modes"]:
    """Error of rounding to a symmetric grid scaled to the largest weight; eq. (5)."""
    step = jnp.max(jnp.abs(weights), -1, keepdims=True) / (jnp.exp2(jnp.asarray(bits, weights.dtype) - 1) - 1)
    if at_random:
        return stochastic(key, weights, step) - weights
    return jnp.round(weights / step) * step - weights


def added_by_sampler(
    key: Key[Array, ""], data: Modes, weights: Array, left: Array, bits: Array, at_random: bool, averaged: bool
) -> tuple[Array, Array]:
    """Loss that rounding adds, whole and without its cross term, by the law of a rotation given what it makes of the
    weights; eq. (8). O(modes), no rotation is made.

    Arguments:
      averaged: whether the part of the error orthogonal to the weights is averaged over its directions.
    """
    draw, up_down, around = jax.random.split(key, 3)
    length = jnp.linalg.norm(weights)
    direction = weights / length
    gaussian = jax.random.normal(draw, weights.shape, weights.dtype)
    turned = gaussian / jnp.linalg.norm(gaussian)
    error = rounded(up_down, length * turned, bits, at_random)
    along = error @ turned
    across = jnp.maximum(error @ error - along**2, 0.0)
    cross = -2 * jnp.sum(data.values * left * direction)
    if averaged:
        inside = jnp.sum(data.values * direction**2)
        spread = (jnp.sum(data.values) - inside) / (weights.shape[0] - 1)
        noise = inside * along**2 + across * spread
        return noise + along * cross, noise
    other = jax.random.normal(around, weights.shape, weights.dtype)
    other = other - (other @ direction) * direction
    back = along * direction + jnp.sqrt(across) * other / jnp.linalg.norm(other)
    noise = jnp.sum(data.values * back**2)
    return noise - 2 * jnp.sum(data.values * left * back), noise


def added_by_rotation(
    key: Key[Array, ""], rotation: Array, data: Modes, weights: Array, left: Array, bits: Array, at_random: bool
) -> tuple[Array, Array]:
    """As `added_by_sampler`, by an explicit rotation of the weights."""
    back = rotation.T @ rounded(key, rotation @ weights, bits, at_random)
    noise = jnp.sum(data.values * back**2)
    return noise - 2 * jnp.sum(data.values * left * back), noise


def haar(key: Key[Array, ""], size: int, dtype: Any) -> Float[Array, "size size"]:
    """A uniformly random rotation or reflection."""
    q, r = jnp.linalg.qr(jax.random.normal(key, (size, size), dtype))
    return q * jnp.sign(jnp.diagonal(r))


def simulate(system: PrecisionScaling, key: Key[Array, ""]) -> dict[str, Array]:
    """One run: a rotation (or one a recorded time and precision), its weights rounded."""
    data = modes(system.modes, jnp.asarray(system.capacity, system.dtype), jnp.asarray(system.source, system.dtype))
    left, weights = trained(data, system.rate, recorded_steps(system.steps, system.records))
    loss = jnp.sum(data.values * left**2, -1) + unresolved(system.modes, jnp.asarray(system.source, system.dtype))
    grid = jnp.asarray(system.bits, system.dtype)
    at_random = system.rounding == "stochastic"
    turn, rest = jax.random.split(key)
    keys = jax.random.split(rest, (len(system.bits), weights.shape[0]))
    if system.sampler == "rotation":
        rotation = haar(turn, system.modes, system.dtype)

        def one(key: Array, bits: Array, w: Array, l: Array) -> tuple[Array, Array]:  # noqa: E741
            return added_by_rotation(key, rotation, data, w, l, bits, at_random)
    else:

        def one(key: Array, bits: Array, w: Array, l: Array) -> tuple[Array, Array]:  # noqa: E741
            return added_by_sampler(key, data, w, l, bits, at_random, system.reduce_variance)

    over_times = jax.vmap(one, (0, None, 0, 0))
    whole, noise = jax.vmap(over_times, (0, 0, None, None))(keys, grid, weights, left)
    return {"loss": loss, "degradation": whole, "noise": noise}
