"""Precision: float64 for theory, float32 for simulation, decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import jax
import jax.core
import jax.numpy as jnp
import numpy as np

Precision = Literal["float32", "float64"]
T = TypeVar("T")


def is_traced(tree: Any) -> bool:
    """Whether a leaf of `tree` is being traced by jit, vmap or grad."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


def cast(tree: T, precision: Precision) -> T:
    """`tree` with every floating leaf in `precision` and complex leaves in its complex kind; keys untouched."""
    real = jnp.dtype(precision)
    complex_ = jnp.dtype("complex64" if precision == "float32" else "complex128")

    def one(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        if not isinstance(leaf, (jax.Array, np.ndarray, np.generic, float, complex)):
            return leaf
        dtype = jnp.result_type(leaf)
        if jnp.issubdtype(dtype, jnp.floating):
            return jnp.asarray(leaf, real)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            return jnp.asarray(leaf, complex_)
        return jnp.asarray(leaf)

    return jax.tree.map(one, tree)


@contextmanager
def in_precision(precision: Precision) -> Iterator[None]:
    """JAX's x64 switch for the block, and full-precision matrix products on accelerators."""
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        yield
