"""Text of a Markov chain of order two whose contexts follow Zipf's law, with its exact entropy."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from theorylab.core.errors import require


class Chain(NamedTuple):
    """A chain of order two over an alphabet.

    Arguments:
      logits: of the next letter after the letters (a, b), shape (letters, letters, letters); the last axis is the
        next letter.
      stationary: probability of each pair of letters in a long text, (letters, letters).
      entropy: of the next letter given the two before it, nats: the least loss that any model can reach.
    """

    logits: Float[np.ndarray, "letters letters letters"]
    stationary: Float[np.ndarray, "letters letters"]
    entropy: float


def chain(letters: int = 16, exponent: float = 1.1, choices: float = 4.0, seed: int = 0) -> Chain:
    """A chain whose pairs of letters are visited by a law with a heavy tail.

    The next letter after (a, b) has probability ~ rank^-exponent x a random weight, so that few letters, and with
    them few contexts, are frequent and most are rare.

    Arguments:
      letters: size of the alphabet, at least 2.
      exponent: of Zipf's law over letters, not negative.
      choices: how sharply a context prefers some letters: weights are gamma variables of shape 1 / choices.
      seed: of the table; the chain is part of the definition of the data.

    Raises: `Refused` for values out of range.
    """
    require(letters >= 2, f"letters must be at least 2, got {letters}")
    require(exponent >= 0 and math.isfinite(exponent), f"exponent must be finite and not negative, got {exponent}")
    require(choices > 0 and math.isfinite(choices), f"choices must be positive and finite, got {choices}")
    random = np.random.default_rng(seed)
    weights = random.gamma(1 / choices, size=(letters, letters, letters)) + 1e-3
    table = weights * np.arange(1, letters + 1.0) ** -exponent
    table /= table.sum(-1, keepdims=True)
    pairs = np.full((letters, letters), letters**-2.0)
    for _ in range(10_000):
        moved = np.einsum("ab,abc->bc", pairs, table)
        still = np.abs(moved - pairs).max() < 1e-15
        pairs = moved
        if still:
            break
    entropy = -float(np.sum(pairs[..., None] * table * np.log(table)))
    return Chain(np.log(table), pairs, entropy)


def sample(key: Key[Array, ""], source: Chain, texts: int, length: int) -> Int[Array, "texts length"]:
    """Independent texts, each begun with a pair of the stationary law."""
    start, steps = jax.random.split(key)
    letters = source.logits.shape[0]
    pair = jax.random.categorical(start, jnp.log(jnp.asarray(source.stationary, jnp.float32)).ravel(), shape=(texts,))
    table = jnp.asarray(source.logits, jnp.float32)

    def step(before: tuple[Array, Array], key: Key[Array, ""]) -> tuple[tuple[Array, Array], Array]:
        after = jax.random.categorical(key, table[before])
        return (before[1], after), after

    first = (pair // letters, pair % letters)
    _, rest = jax.lax.scan(step, first, jax.random.split(steps, max(length - 2, 0)))
    return jnp.concatenate([jnp.stack(first), rest], 0).T[:, :length]
