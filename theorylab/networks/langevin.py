"""Sampling of a density exp(-U) over a tree of parameters: Hamiltonian Monte Carlo and unadjusted Langevin.

States carry, infos report; every draw comes from an explicit key. Averages are kept as sums along the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Key

Potential = Callable[[Any], Float[Array, ""]]
TARGET = 0.8
"""Acceptance that the leapfrog step is adapted to."""
JITTER = (0.7, 1.3)
"""Every trajectory's step is multiplied by a uniform number from here, so that none is periodic."""


class State(NamedTuple):
    """A point of the chain, with its potential and gradient."""

    position: Any
    potential: Float[Array, ""]
    gradient: Any


class Sampled(NamedTuple):
    """What a chain leaves behind.

    Arguments:
      mean: of `record` along the chain.
      acceptance: mean acceptance after the warm-up (1 for unadjusted Langevin).
      step: leapfrog step that the warm-up ended with.
      state: last state.
    """

    mean: Any
    acceptance: Float[Array, ""]
    step: Float[Array, ""]
    state: State


def start(potential: Potential, position: Any) -> State:
    """The state at a position."""
    value, gradient = jax.value_and_grad(potential)(position)
    return State(position, value, gradient)


def hmc_move(
    potential: Potential, state: State, key: Key[Array, ""], step: ArrayLike, leapfrogs: int
) -> tuple[State, Float[Array, ""]]:
    """One trajectory of `leapfrogs` steps, accepted or not, and its acceptance probability (0 where it diverged)."""
    momentum_key, accept_key = jax.random.split(key)
    momentum = _normal(momentum_key, state.position)
    step = jnp.asarray(step, state.potential.dtype)

    def leap(carry: tuple[State, Any], _: None) -> tuple[tuple[State, Any], None]:
        at, p = carry
        p = _add(p, at.gradient, -0.5 * step)
        at = start(potential, _add(at.position, p, step))
        return (at, _add(p, at.gradient, -0.5 * step)), None

    (proposed, final), _ = lax.scan(leap, (state, momentum), None, length=leapfrogs)
    gain = state.potential - proposed.potential + _kinetic(momentum) - _kinetic(final)
    probability = jnp.where(jnp.isfinite(gain), jnp.exp(jnp.minimum(gain, 0.0)), 0.0)
    accepted = jax.random.uniform(accept_key, (), probability.dtype) < probability
    return jax.tree.map(lambda new, old: jnp.where(accepted, new, old), proposed, state), probability


def hmc(
    potential: Potential,
    position: Any,
    key: Key[Array, ""],
    record: Callable[[Any], Any],
    *,
    warmup: int,
    moves: int,
    leapfrogs: int = 12,
    step: float = 0.05,
) -> Sampled:
    """A chain of `moves` trajectories after `warmup` ones that adapt the step; the mean of `record` along it."""
    state = start(potential, position)
    dtype = state.potential.dtype

    def move(carry: tuple[State, Array, Any, Array], item: tuple[Array, Array]) -> tuple[tuple[Any, ...], None]:
        now, log_step, total, accepted = carry
        key, i = item
        jitter_key, move_key = jax.random.split(key)
        factor = jax.random.uniform(jitter_key, (), dtype, *JITTER)
        now, probability = hmc_move(potential, now, move_key, jnp.exp(log_step) * factor, leapfrogs)
        warming = i < warmup
        # Robbins-Monro: gains that fall like i^-0.6 settle, and still reach any step
        gain = jnp.where(warming, (i + 4.0) ** -0.6, 0.0).astype(dtype)
        seen = jnp.where(warming, 0.0, 1.0).astype(dtype)
        total = jax.tree.map(lambda x, new: x + seen * new, total, record(now.position))
        return (now, log_step + gain * (probability - TARGET), total, accepted + seen * probability), None

    zero = jax.tree.map(jnp.zeros_like, record(state.position))
    begin = (state, jnp.log(jnp.asarray(step, dtype)), zero, jnp.zeros((), dtype))
    items = (jax.random.split(key, warmup + moves), jnp.arange(warmup + moves))
    (state, log_step, total, accepted), _ = lax.scan(move, begin, items)
    mean = jax.tree.map(lambda x: x / moves, total)
    return Sampled(mean, accepted / moves, jnp.exp(log_step), state)


def langevin(
    potential: Potential,
    position: Any,
    key: Key[Array, ""],
    record: Callable[[Any], Any],
    *,
    warmup: int,
    moves: int,
    step: ArrayLike,
    between: int = 1,
) -> Sampled:
    """Unadjusted Langevin steps theta <- theta - step grad U + sqrt(2 step) xi; its bias is of order step.

    Arguments:
      warmup, moves: steps before recording, and recorded steps.
      between: steps to a recorded one.
    """
    gradient_of = jax.grad(potential)
    step = jnp.asarray(step, jax.tree.leaves(position)[0].dtype)

    def advance(at: Any, key: Array) -> tuple[Any, None]:
        moved = _add(at, gradient_of(at), -step)
        return _add(moved, _normal(key, at), jnp.sqrt(2 * step)), None

    warm_key, main_key = jax.random.split(key)
    position, _ = lax.scan(advance, position, jax.random.split(warm_key, warmup))

    def move(carry: tuple[Any, Any], key: Array) -> tuple[tuple[Any, Any], None]:
        at, total = carry
        at, _ = lax.scan(advance, at, jax.random.split(key, between))
        return (at, jax.tree.map(jnp.add, total, record(at))), None

    zero = jax.tree.map(jnp.zeros_like, record(position))
    (position, total), _ = lax.scan(move, (position, zero), jax.random.split(main_key, moves))
    mean = jax.tree.map(lambda x: x / moves, total)
    return Sampled(mean, jnp.ones_like(step), step, start(potential, position))


def _normal(key: Array, like: Any) -> Any:
    leaves, structure = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def _add(tree: Any, direction: Any, length: ArrayLike) -> Any:
    return jax.tree.map(lambda x, d: x + length * d, tree, direction)


def _kinetic(momentum: Any) -> Float[Array, ""]:
    return 0.5 * jnp.asarray(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(momentum)))
