"""Causal two-time algebra against dense linear algebra."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.solvers import two_time
from theorylab.solvers.two_time import Loop

T = 7


def random(seed, strict=False):
    x = np.random.default_rng(seed).standard_normal((T, T)) / T
    return np.tril(x, -1 if strict else 0)


def correlation(seed):
    x = np.random.default_rng(seed).standard_normal((T, T + 3))
    return x @ x.T


def test_masks_and_unit_rows():
    np.testing.assert_array_equal(two_time.before(4, 2), [True, True, False, False])
    np.testing.assert_array_equal(two_time.until(4, 2), [True, True, True, False])
    np.testing.assert_array_equal(two_time.unit_row(4, 2), [0, 0, 1, 0])
    assert two_time.unit_row(4, 2, jnp.float32).dtype == jnp.float32


def test_causal_keeps_earlier_columns_each_with_its_weight():
    weights = np.arange(1.0, T + 1)
    matrix = correlation(0)
    np.testing.assert_allclose(two_time.causal(matrix, weights), np.tril(matrix, -1) * weights)


def test_symmetric_writes_build_a_symmetric_matrix_row_by_row():
    expected = correlation(1)

    @jax.jit
    def build(rows):
        return jax.lax.fori_loop(0, T, lambda t, m: two_time.write_symmetric(m, rows[t], t), two_time.empty(T))

    np.testing.assert_array_equal(build(jnp.asarray(expected)), np.tril(expected) + np.tril(expected, -1).T)


def test_symmetric_write_leaves_later_entries_zero():
    written = two_time.write_symmetric(two_time.empty(T), jnp.ones(T), 2)
    assert float(jnp.abs(written[3:]).sum() + jnp.abs(written[:, 3:]).sum()) == 0


def test_rows_of_a_stack_are_written_together():
    stack = two_time.write_row(jnp.zeros((3, T, T)), jnp.arange(3.0 * T).reshape(3, T), 4)
    np.testing.assert_array_equal(stack[:, 4], np.arange(3.0 * T).reshape(3, T))
    assert float(jnp.abs(stack[:, :4]).sum()) == 0


@pytest.mark.parametrize("t", [0, 3, T - 1])
def test_sandwich_row(t):
    filter_, middle = random(2), correlation(3)
    np.testing.assert_allclose(
        two_time.sandwich_row(filter_[t], middle, jnp.asarray(filter_)), (filter_ @ middle @ filter_.T)[t], rtol=1e-12
    )


def test_marched_loop_is_the_inverse_of_the_closed_system():
    forth, back = random(4), random(5, strict=True)

    def step(loop, t):
        loop = loop._replace(back=two_time.write_row(loop.back, jnp.asarray(back)[t], t))
        response, gain = two_time.loop_back_rows(loop, jnp.asarray(back)[t], t)
        loop = loop._replace(
            response_back=two_time.write_row(loop.response_back, response, t),
            gain_back=two_time.write_row(loop.gain_back, gain, t),
            forth=two_time.write_row(loop.forth, jnp.asarray(forth)[t], t),
        )
        row = two_time.loop_forth_row(loop, jnp.asarray(forth)[t], t)
        loop = loop._replace(gain=two_time.write_row(loop.gain, row, t))
        return loop._replace(response=two_time.write_row(loop.response, row @ loop.forth, t)), None

    loop, _ = jax.jit(lambda: jax.lax.scan(step, Loop.start(T), jnp.arange(T)))()
    identity = np.eye(T)
    gain, gain_back = np.linalg.inv(identity - forth @ back), np.linalg.inv(identity - back @ forth)
    # Rounding of a handful of products of numbers of order one.
    np.testing.assert_allclose(loop.gain, gain, atol=1e-14)
    np.testing.assert_allclose(loop.gain_back, gain_back, atol=1e-14)
    np.testing.assert_allclose(loop.response, gain @ forth, atol=1e-14)
    np.testing.assert_allclose(loop.response_back, gain_back @ back, atol=1e-14)
