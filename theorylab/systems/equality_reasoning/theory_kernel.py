"""The lazy limit for given symbols: training as exact kernel flow on the pairs.

Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import require
from theorylab.data.symbols import Pairs, all_pairs, some_pairs

LARGEST = 96
"""Symbols whose pairs are all kept: their kernel matrix has L^4 entries."""


class Layers(NamedTuple):
    """Weights of the two layers' parts in the kernel: 1 and 1 where both are trained."""

    readout: float = 1.0
    weights: float = 1.0


BOTH = Layers()


def tangent_kernel(
    x: Float[Array, "n inputs"], y: Float[Array, "m inputs"], layers: Layers = BOTH
) -> Float[Array, "n m"]:
    """Neural tangent kernel of the two-layer ReLU network, both layers of unit variance, eq. (11)."""
    size = jnp.linalg.norm(x, axis=1)[:, None] * jnp.linalg.norm(y, axis=1)[None]
    product = x @ y.T
    cosine = jnp.clip(product / size, -1.0, 1.0)
    angle = jnp.arccos(cosine)
    features = size * jnp.sqrt(1 - cosine**2) + product * (jnp.pi - angle)
    return (layers.readout * features + layers.weights * product * (jnp.pi - angle)) / (2 * jnp.pi)


def chosen_pairs(symbols: int, pairs: int) -> Pairs:
    """All ordered pairs, or at most `pairs` of them where that is positive: all same ones, some different ones.

    Raises: `Refused` for more than 96 symbols without subsampling, and for a subsample that has no different pair.
    """
    if pairs and pairs < symbols**2:
        require(
            pairs > symbols,
            f"a subsample keeps all {symbols} same pairs and needs a different one: give more than {symbols} pairs, "
            f"got {pairs}",
        )
        return some_pairs(symbols, pairs - symbols)
    require(
        symbols <= LARGEST,
        f"the kernel of all pairs of {symbols} symbols has {symbols}^4 entries; above {LARGEST} symbols subsample: "
        "give numerics pairs, such as 4096",
    )
    return all_pairs(symbols)


def train(
    kernel: Float[Array, "pairs pairs"], pairs: Pairs, steps: Float[Array, "record"], counts: Int[Array, "record"]
) -> Float[Array, "record pairs"]:
    """Dual coefficients c of f = K c, by Euler steps of kernel gradient flow, eq. (12).

    Arguments:
      steps: size of the steps towards each record, in time; stable below 8 / lambda_max(D^(1/2) K D^(1/2)).
      counts: how many.
    """

    def stretch(c: Array, leg: tuple[Array, Array]) -> tuple[Array, Array]:
        def step(_: Any, c: Array) -> Array:
            return c + leg[0] * pairs.shares * pairs.labels * jax.nn.sigmoid(-pairs.labels * (kernel @ c))

        c = lax.fori_loop(0, leg[1], step, c)
        return c, c

    return lax.scan(stretch, jnp.zeros(kernel.shape[0], kernel.dtype), (steps, counts))[1]


def schedule(times: Float[np.ndarray, "record"], largest: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Step sizes and counts that reach increasing times: a hundred steps a leg, none above `largest`, none below 1
    unless the leg is shorter."""
    legs = np.diff(np.asarray(times, float), prepend=0.0)
    counts = np.ceil(legs / np.clip(legs / 100, 1.0, largest)).astype(int)
    return legs / counts, counts


def stable_step(kernel: Float[Array, "pairs pairs"], pairs: Pairs) -> float:
    """Largest stable Euler step of eq. (12), in time."""
    root = np.sqrt(pairs.shares)
    return float(8 / np.linalg.eigvalsh(root[:, None] * np.asarray(kernel) * root)[-1])


def inputs(symbols: Float[Array, "symbol dimension"], pairs: Pairs) -> Float[Array, "pairs inputs"]:
    """The training inputs of the pairs."""
    return jnp.concatenate([symbols[pairs.first], symbols[pairs.second]], axis=1)


def outputs(
    coefficients: Float[Array, "record pairs"],
    training: Float[Array, "pairs inputs"],
    x: Float[Array, "novel inputs"],
    layers: Layers = BOTH,
) -> Float[Array, "record novel"]:
    """f at other inputs, eq. (13)."""
    return coefficients @ tangent_kernel(x, training, layers).T


def constant_steps(rate: ArrayLike, recorded: Int[np.ndarray, "record"]) -> tuple[Array, Array]:
    """Legs of gradient descent at a constant rate."""
    counts = np.diff(recorded, prepend=0)
    return jnp.full(len(counts), 1.0) * rate, jnp.asarray(counts)
