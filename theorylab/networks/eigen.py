"""Eigendecompositions inside simulations that the engine runs on several devices at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_batching.sequential_vmap
def eigh(matrix: Float[Array, "n n"]) -> tuple[Float[Array, "n"], Float[Array, "n n"]]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix; under `vmap` one matrix after another.

    Seen with jax 0.10.2, two host devices on two cores: two programs with batched decompositions inside loops,
    running at once, hung; one matrix after another they did not. A batched decomposition alone did not hang; the
    cause (threads of one pool waiting for each other?) is not established.
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors
