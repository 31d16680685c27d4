"""Eigendecompositions inside simulations that the engine runs on several devices at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_batching.sequential_vmap
def eigh(matrix: Float[Array, "n n"]) -> tuple[Float[Array, "n"], Float[Array, "n n"]]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix; under `vmap` one matrix after another.

    On CPUs a batch is spread over XLA's own thread pool and waits for it: two programs that do so at once (one
    on each device) wait for each other for ever (jax 0.10.2, two host devices on two cores). One by one they do not.
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors
