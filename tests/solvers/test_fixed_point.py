"""Roots: all of a scalar equation, concave maxima, systems; and their derivatives."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.core import Status
from theorylab.solvers import fixed_point


def cubic(t):
    return (t - 0.1) * (t - 2.0) * (t - 2.5)


def test_every_root_of_a_cubic_is_found_and_none_invented():
    found = jax.jit(lambda: fixed_point.all_roots(cubic, np.linspace(-1, 4, 101)))()
    assert found.found == 3
    np.testing.assert_allclose(found.values[:3], [0.1, 2.0, 2.5], atol=1e-13)
    assert np.isnan(found.values[3:]).all()


def test_no_root_and_too_many_roots_are_failures():
    assert fixed_point.all_roots(lambda t: t**2 + 1, np.linspace(-1, 1, 11)).status == Status.NO_ROOT
    assert fixed_point.all_roots(jnp.sin, np.linspace(1, 40, 999), capacity=3).status == Status.NO_ROOT


def test_a_root_follows_its_parameter_at_the_implicit_derivative():
    def root(a):
        return fixed_point.all_roots(lambda t: t**3 - a, np.linspace(0, 4, 41)).values[0]

    # a = 8 puts the root 2 on the grid itself
    for a in (8.0, 9.0):
        np.testing.assert_allclose(jax.jit(jax.jacfwd(root))(a), a ** (-2 / 3) / 3, rtol=1e-12)


def _log_barrier(a):
    def function(v):
        inside = jnp.all(v < 1)
        rest = jnp.where(inside, 1 - v, 1.0)
        return jnp.where(inside, a @ v + jnp.sum(jnp.log(rest)), -jnp.inf), a - 1 / (1 - v), jnp.diag(1 / (1 - v) ** 2)

    return function


def test_concave_maximum_backtracks_into_its_domain_and_is_differentiable():
    def best(a):
        return fixed_point.maximise(_log_barrier(a), jnp.zeros(2)).at

    a = jnp.array([50.0, 2.0])
    found, slope = jax.jit(lambda a: (fixed_point.maximise(_log_barrier(a), jnp.zeros(2)), jax.jacfwd(best)(a)))(a)
    np.testing.assert_allclose(found.at, 1 - 1 / a, atol=1e-12)
    np.testing.assert_allclose(slope, np.diag(1 / a**2), atol=1e-10)
    assert found.status == Status.SUCCESSFUL
    assert found.steps <= 20


def test_systems_are_solved_from_a_neighbour():
    found = jax.jit(lambda: fixed_point.solve(lambda x: jnp.stack([x[0] ** 2 - 2, x[0] * x[1] - 1]), jnp.ones(2)))()
    np.testing.assert_allclose(found.at, [2**0.5, 2**-0.5], atol=1e-12)
    assert found.status == Status.SUCCESSFUL
