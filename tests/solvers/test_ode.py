"""The one caller of diffrax: accuracy, failure as a value, batching, derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Status
from theorylab.solvers import ode

TIMES = jnp.linspace(0.0, 2.0, 9)


def decay(t, y, rate):
    return jax.tree.map(lambda x: -rate * x, y)


@pytest.mark.parametrize("stiff", [False, True])
def test_exponential_decay_is_solved_to_tolerance(stiff):
    solution = jax.jit(lambda r: ode.solve(decay, {"x": jnp.ones(3)}, TIMES, r, stiff=stiff))(1.5)
    # rtol 1e-9 a step, some tens of steps
    np.testing.assert_allclose(solution.values["x"], np.exp(-1.5 * TIMES)[:, None] * np.ones(3), rtol=0, atol=3e-8)
    assert int(solution.status) == Status.SUCCESSFUL
    assert int(solution.steps) > 0


def test_recorded_function_replaces_the_state():
    solution = ode.solve(decay, jnp.array([1.0, 2.0]), TIMES, 1.0, fn=lambda y: {"total": y.sum()})
    np.testing.assert_allclose(solution.values["total"], 3.0 * np.exp(-TIMES), atol=1e-8)


def test_too_few_steps_is_a_status_and_not_a_curve():
    solution = ode.solve(decay, jnp.ones(()), TIMES, 50.0, max_steps=3)
    assert int(solution.status) == Status.MAX_STEPS
    assert not np.isfinite(np.asarray(solution.values)).all()


def test_blow_up_is_a_status_and_raises_nothing():
    solution = ode.solve(lambda t, y, args: y**2, jnp.ones(()), TIMES, max_steps=500)
    assert int(solution.status) != Status.SUCCESSFUL


def test_stiff_solver_takes_fewer_steps_on_a_stiff_problem():
    def rhs(t, y, args):
        return -args * (y - jnp.cos(t))

    explicit = ode.solve(rhs, jnp.ones(()), TIMES, 1e4, rtol=1e-7, atol=1e-9)
    implicit = ode.solve(rhs, jnp.ones(()), TIMES, 1e4, rtol=1e-7, atol=1e-9, stiff=True)
    assert int(implicit.steps) * 10 < int(explicit.steps)
    slow = (jnp.cos(TIMES) + jnp.sin(TIMES) / 1e4) / (1 + 1e-8)
    # after the transient exp(-1e4 t); between steps of 0.3 its cubic interpolant errs by 0.3^4 / 384 = 2e-5
    np.testing.assert_allclose(implicit.values[1:], slow[1:], atol=2e-5)


def test_batch_equals_single_solves_and_forward_derivative_is_exact():
    def end(rate):
        return ode.solve(decay, jnp.ones(()), TIMES, rate).values[-1]

    rates = jnp.array([0.5, 1.0, 3.0])
    both = jax.jit(jax.vmap(lambda r: jax.jvp(end, (r,), (1.0,))))(rates)
    np.testing.assert_allclose(both[0], np.exp(-2 * rates), atol=1e-8)
    np.testing.assert_allclose(both[1], -2 * np.exp(-2 * rates), atol=1e-7)
