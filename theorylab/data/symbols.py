"""Gaussian symbols, and pairs of them that are the same or different."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, Key


class Pairs(NamedTuple):
    """All ordered pairs of L symbols, with the law that a training example is drawn by.

    Arguments:
      first, second: indices of the two symbols, (L^2,).
      labels: +1 where the same, -1 where different.
      shares: probabilities, half of them on the same pairs: 1 / (2 L) each, and 1 / (2 L (L - 1)).
    """

    first: Int[np.ndarray, "pairs"]
    second: Int[np.ndarray, "pairs"]
    labels: Float[np.ndarray, "pairs"]
    shares: Float[np.ndarray, "pairs"]


class Novel(NamedTuple):
    """Test symbols: row m of the two slots is a different pair, row m of the first slot with itself a same pair.

    Arguments:
      symbols: one set a slot.
      jitter: the presentation noise of each slot, of unit standard deviation, scaled like a symbol; no rows where
        nothing is noisy.
    """

    symbols: Float[Array, "slot=2 pairs dimension"]
    jitter: Float[Array, "slot=2 noisy dimension"]

    def inputs(self, noise: ArrayLike = 0.0) -> tuple[Float[Array, "slot=2 pairs d"], Float[Array, "slot=2 pairs d"]]:
        """The same pairs and the different pairs, each (2, pairs, d), with presentation noise of that deviation."""
        same = jnp.stack([self.symbols[0], self.symbols[0]])
        if self.jitter.shape[1] == 0:
            return same, self.symbols
        moved = jnp.asarray(noise, self.jitter.dtype) * self.jitter
        return same + moved, self.symbols + moved


def draw(key: Key[Array, ""], count: int, dimension: int, dtype: Any) -> Float[Array, "count dimension"]:
    """Independent symbols with entries N(0, 1 / dimension)."""
    return jax.random.normal(key, (count, dimension), dtype) / jnp.asarray(dimension, dtype) ** 0.5


def draw_novel(key: Key[Array, ""], pairs: int, dimension: int, noisy: bool, dtype: Any) -> Novel:
    """Test symbols that no training run has seen."""
    drawn = draw(key, (4 if noisy else 2) * pairs, dimension, dtype)
    symbols, jitter = drawn[: 2 * pairs], drawn[2 * pairs :]
    return Novel(symbols.reshape(2, pairs, dimension), jitter.reshape(2, len(jitter) // 2, dimension))


def all_pairs(count: int) -> Pairs:
    """The L^2 ordered pairs of L >= 2 symbols."""
    first, second = (index.ravel() for index in np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))
    same = first == second
    shares = np.where(same, 1 / (2 * count), 1 / (2 * count * (count - 1)))
    return Pairs(first, second, np.where(same, 1.0, -1.0), shares)


def some_pairs(count: int, different: int, seed: int = 0) -> Pairs:
    """All same pairs of `count` symbols, and that many different ones chosen at random, without repetition; the two
    classes keep half the probability each."""
    every = all_pairs(count)
    same = np.flatnonzero(every.labels > 0)
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(every.labels < 0), different, replace=False)
    kept = np.concatenate([same, np.sort(chosen)])
    shares = np.where(every.labels[kept] > 0, 0.5 / count, 0.5 / different)
    return Pairs(every.first[kept], every.second[kept], every.labels[kept], shares)


def draw_pairs(key: Key[Array, ""], count: int, batch: int) -> tuple[Int[Array, "batch"], Int[Array, "batch"]]:
    """A batch of training pairs: same with probability one half."""
    coin, one, shift = jax.random.uniform(key, (3, batch), jnp.float32)
    first = jnp.minimum((one * count).astype(jnp.int32), count - 1)
    further = 1 + jnp.minimum((shift * (count - 1)).astype(jnp.int32), count - 2)
    return first, jnp.where(coin < 0.5, first, (first + further) % count)


def draw_shares(key: Key[Array, ""], count: int, batch: int, dtype: Any) -> Float[Array, "pairs"]:
    """The empirical shares of all ordered pairs in a batch: the same law as `draw_pairs`, repetitions counted."""
    first, second = draw_pairs(key, count, batch)
    shown = (first * count + second)[:, None] == jnp.arange(count * count)
    return jnp.mean(shown, axis=0, dtype=dtype)


def draw_fresh(
    key: Key[Array, ""], batch: int, dimension: int, noise: ArrayLike, dtype: Any
) -> tuple[Float[Array, "batch inputs"], Float[Array, "batch"]]:
    """A batch of pairs whose symbols nobody has seen before, each presentation with noise of that deviation.

    Returns: inputs (batch, 2 dimension) and labels.
    """
    coin_key, symbol_key = jax.random.split(key)
    same = jax.random.uniform(coin_key, (batch,), dtype) < 0.5
    drawn = draw(symbol_key, 4 * batch, dimension, dtype).reshape(2, 2, batch, dimension)
    (first, second), jitter = drawn[0], drawn[1]
    slots = jnp.stack([first, jnp.where(same[:, None], first, second)]) + jnp.asarray(noise, dtype) * jitter
    return joined(slots), jnp.where(same, 1.0, -1.0).astype(dtype)


def joined(slots: Float[Array, "slot=2 pairs dimension"]) -> Float[Array, "pairs inputs"]:
    """The two slots side by side, (pairs, 2 dimension)."""
    return jnp.concatenate([slots[0], slots[1]], axis=1)
