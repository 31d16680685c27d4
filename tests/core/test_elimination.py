"""Elimination against LAPACK, alone and in a batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core.elimination import solved


@pytest.mark.parametrize("shape", [(), (3,)])
def test_it_solves_what_lapack_solves(shape):
    rows = jax.random.normal(jax.random.key(0), (5, 40, 12))
    matrices = jnp.einsum("rbi,rbj->rij", rows, rows)
    right = jax.random.normal(jax.random.key(1), (5, 12, *shape))
    found = jax.vmap(solved)(matrices, right)
    for one, matrix, side in zip(found, matrices, right, strict=True):
        np.testing.assert_allclose(one, np.linalg.solve(matrix, side), rtol=1e-11, atol=1e-13)
