"""The infinitely wide network when every presentation shows new symbols, with noise in training too.

Nothing singles a direction out, so a neuron is its readout and the Gram matrix of its two weight vectors.
Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.solvers import quadrature
from theorylab.systems.equality_reasoning.theory_particles import wishart


class Orbits(NamedTuple):
    """Neurons up to rotation: a, and |w^1|^2, w^1 . w^2, |w^2|^2 divided by the dimension, eq. (19)."""

    readout: Float[Array, "particle"]
    gram: Float[Array, "entry=3 particle"]


def start(dimension: int, particles: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Readouts and scaled Gram entries of antithetic particles."""
    readout, rest = quadrature.sobol_uniform([1, 3], (particles // 2).bit_length() - 1, seed)
    half = quadrature.normal(readout[:, 0])
    return np.concatenate([half, -half]), np.tile(wishart(rest, dimension) / dimension, 2)


def unit_grams(dimension: int, log2_count: int, seed: int) -> Float[np.ndarray, "entry=3 example"]:
    """Gram entries of two independent N(0, I / d) vectors, the examples' own law, sampled."""
    return wishart(quadrature.sobol_uniform([3], log2_count, seed)[0], dimension) / dimension


def example_grams(unit: Float[Any, "entry=3 example"], noise: ArrayLike) -> Float[Array, "class=2 entry=3 example"]:
    """Gram entries |x^1|^2, x^1 . x^2, |x^2|^2 of noisy same and different examples, eq. (20)."""
    variance = jnp.square(noise)
    one, both, two = jnp.asarray(unit)
    # the sum and the difference of the two slots are independent: sqrt((4 + 2 s) / 2) and sqrt(2 s / 2) times unit ones
    total, gap = jnp.sqrt(2 + variance), jnp.sqrt(variance)
    same = [
        0.5 * (total**2 * one + 2 * total * gap * both + gap**2 * two),
        0.5 * (total**2 * one - gap**2 * two),
        0.5 * (total**2 * one - 2 * total * gap * both + gap**2 * two),
    ]
    return jnp.stack([jnp.stack(same), (1 + variance) * jnp.stack([one, both, two])])


def lengths(
    gram: Float[Array, "entry=3 particle"], examples: Float[Array, "entry=3 example"]
) -> Float[Array, "example particle"]:
    """Standard deviation of w . x over rotations, eq. (21)."""
    square = examples[0][:, None] * gram[0] + 2 * examples[1][:, None] * gram[1] + examples[2][:, None] * gram[2]
    return jnp.sqrt(jnp.maximum(square, 1e-24))


def outputs(state: Orbits, examples: Float[Array, "entry=3 example"], gamma: ArrayLike) -> Float[Array, "example"]:
    """f of examples that have these Gram entries, eq. (21)."""
    mean = lengths(state.gram, examples) @ state.readout
    return mean / (gamma * state.readout.shape[0] * (2 * jnp.pi) ** 0.5)


def train(
    begin: Orbits,
    examples: Float[Array, "class=2 entry=3 example"],
    dimension: int,
    gamma: ArrayLike,
    rate: ArrayLike,
    recorded: Int[np.ndarray, "record"],
) -> Orbits:
    """Gradient descent on the population loss, eq. (22); record leading."""
    both = jnp.concatenate([examples[0], examples[1]], axis=1)
    labels = jnp.repeat(jnp.array([1.0, -1.0]), examples.shape[2])
    share = 0.5 / examples.shape[2]

    def step(_: Any, state: Orbits) -> Orbits:
        size = lengths(state.gram, both)
        output = size @ state.readout / (gamma * state.readout.shape[0] * (2 * jnp.pi) ** 0.5)
        error = labels * jax.nn.sigmoid(-labels * output)
        pull = share * error @ size / (2 * jnp.pi) ** 0.5
        turn = (share * error * both) @ (1 / size) / (2 * jnp.pi) ** 0.5
        turn = rate * gamma * state.readout * turn / dimension
        m11, m12, m22 = 1 + turn[0], turn[1], 1 + turn[2]
        g11, g12, g22 = state.gram
        p11, p12 = m11 * g11 + m12 * g12, m11 * g12 + m12 * g22
        p21, p22 = m12 * g11 + m22 * g12, m12 * g12 + m22 * g22
        gram = jnp.stack([p11 * m11 + p12 * m12, p11 * m12 + p12 * m22, p21 * m12 + p22 * m22])
        return Orbits(state.readout + rate * gamma * pull, gram)

    def stretch(state: Orbits, steps: Int[Array, ""]) -> tuple[Orbits, Orbits]:
        state = lax.fori_loop(0, steps, step, state)
        return state, state

    return lax.scan(stretch, begin, jnp.diff(jnp.asarray(recorded), prepend=0))[1]
