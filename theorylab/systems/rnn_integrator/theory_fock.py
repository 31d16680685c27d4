"""The infinite-width limit of a random initial recurrent matrix, in a small deterministic space.

Mixed moments of Z / sqrt(N) and its transpose on a fixed vector tend to those of a circular element on the full Fock
space over two letters; docs/rnn_integrator.md eqs. (20)-(22).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.systems.rnn_integrator.start import Vectors
from theorylab.systems.rnn_integrator.theory_reduced import Reduced

LARGEST_DIMENSION = 2048


def circular_element(depth: int) -> Float[np.ndarray, "word word"]:
    """z = l_1 + l_2^* on words of at most `depth` letters, eq. (20); the vacuum comes first.

    A word of length n with letters b_1 .. b_n in {0, 1} has index 2^n - 1 + (b_1 b_2 .. b_n)_2: letter 0 creates,
    letter 1 is annihilated.
    """
    size = 2 ** (depth + 1) - 1
    z = np.zeros((size, size))
    for length in range(depth):
        first, longer = 2**length - 1, 2 ** (length + 1) - 1
        for word in range(2**length):
            z[longer + word, first + word] = 1.0  # prefix the creating letter
            z[first + word, longer + 2**length + word] = 1.0  # strip the annihilated one
    return z


def dimension(depth: int, directions: int) -> int:
    """Dimension of the truncated space: `directions` vacua, words of at most `depth` letters."""
    return directions * (2 ** (depth + 1) - 1)


def depth_for(bulk: float) -> int:
    """A depth whose truncation error is below about 1e-3 of the initial loss (docs/rnn_integrator.md, table of
    truncation errors); 0 without a bulk."""
    if bulk == 0:
        return 0
    for largest, depth in ((0.15, 4), (0.35, 5), (0.5, 6), (0.7, 7)):
        if bulk <= largest:
            return depth
    return 8


def outlier_spread(lam: Float[ArrayLike, "..."], bulk: Float[ArrayLike, "..."], width: int) -> Float[Array, "..."]:
    """Standard deviation, over the bulk, of the outlier eigenvalue of g Z / sqrt(N) + lam n n^T for lam > g; its mean
    is lam. Eq. (18), leading order in 1 / width."""
    ratio = (jnp.asarray(bulk) / jnp.asarray(lam)) ** 2
    return jnp.asarray(bulk) / jnp.sqrt(width * (1.0 - ratio))


def dominant(recurrent: Float[Array, "word word"], iterations: int = 64) -> Float[Array, ""]:
    """Outlier eigenvalue of a trained matrix in Fock space, by power iteration from the vacuum.

    Meaningful once it is larger than the bulk; the truncated bulk itself has no eigenvalue but 0.
    """
    if recurrent.shape[0] == 1:
        return recurrent[0, 0]

    def step(x: Float[Array, "word"], _: None) -> tuple[Float[Array, "word"], None]:
        x = recurrent @ x
        return x / jnp.sqrt(jnp.sum(x**2) + 1e-300), None

    x, _ = jax.lax.scan(step, jnp.zeros(recurrent.shape[0]).at[0].set(1.0), None, length=iterations)
    return x @ recurrent @ x / (jnp.sum(x**2) + 1e-300)


def lifted(vectors: Vectors, bulk: Float[ArrayLike, ""], depth: int) -> Reduced:
    """The starting network in Fock space, eqs. (21), (22); without a bulk (`depth` 0), M(0) = 0, eq. (8).

    Raises: `Refused` for a dimension above 2048.
    """
    d = vectors.readin.shape[0]
    if depth == 0:
        return Reduced(jnp.zeros((d, d), vectors.readin.dtype), vectors.readin, vectors.readout)
    size = dimension(depth, d)
    require(
        size <= LARGEST_DIMENSION,
        f"Fock depth {depth} has dimension {size}, above {LARGEST_DIMENSION}; lower the depth",
    )
    z = jnp.asarray(np.kron(circular_element(depth), np.eye(d)))
    rest = (0, size - d)
    return Reduced(jnp.asarray(bulk) * z, jnp.pad(vectors.readin, rest), jnp.pad(vectors.readout, rest))
