"""pass@k and majority@k measured from sampled answers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from theorylab.core import require


def pass_table(samples: int, attempts: tuple[int, ...]) -> Float[np.ndarray, "right attempt"]:
    """Unbiased estimates 1 - C(n - c, k) / C(n, k) of pass@k from n answers, c = 0..n of them right.

    Look up a row with the number of right answers. Raises: `Refused` for k larger than n, or below 1.
    """
    for k in attempts:
        require(k >= 1, f"pass@k needs k of at least 1, got {k}")
        require(k <= samples, f"pass@{k} cannot be estimated from {samples} answers; sample at least {k}")
    found = np.empty((samples + 1, len(attempts)))
    for column, k in enumerate(attempts):
        # C(n - c, k) / C(n, k) = product over j < k of (n - c - j) / (n - j)
        taken = np.arange(k)
        miss = np.maximum(samples - np.arange(samples + 1)[:, None] - taken, 0) / (samples - taken)
        found[:, column] = 1 - np.prod(miss, axis=1)
    return found


def vote(key: Key[Array, ""], answers: Int[Array, "*shape vote"], kinds: int, right: int = 0) -> Float[Array, "*shape"]:
    """1 where the most frequent of the answers is the right one, ties broken at random, else 0.

    Arguments:
      answers: integers below `kinds`.
      right: the right answer.
    """
    counts = jnp.sum(answers[..., None] == jnp.arange(kinds), axis=-2)
    lots = jax.random.uniform(key, counts.shape)
    return (jnp.argmax(counts + 0.5 * lots, axis=-1) == right).astype(lots.dtype)
