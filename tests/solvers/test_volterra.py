"""Volterra equations against direct recursion and closed forms."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.solvers import volterra


def direct(forcing: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    found = np.zeros_like(forcing)
    for t in range(len(forcing)):
        found[t] = forcing[t] + kernel[:t][::-1] @ found[:t]
    return found


@pytest.mark.parametrize("steps", [1, 2, 700, 5000])
def test_recursion_and_blocks_equal_the_plain_sum(steps: int) -> None:
    """700 steps take the direct recursion, 5000 the blocks with FFT history."""
    time = np.arange(steps)
    forcing, kernel = np.exp(-time / 900) + 0.1, 0.3 * (1.0 + time) ** -1.7
    exact = direct(forcing, kernel)
    found = volterra.solve(jnp.asarray(forcing), jnp.asarray(kernel))
    np.testing.assert_allclose(found, exact, rtol=1e-13)
    fed = volterra.accumulate(jnp.asarray(forcing), jnp.asarray(kernel), jnp.asarray(exact))
    np.testing.assert_allclose(fed, exact, rtol=1e-13)


def test_geometric_kernel_above_threshold_grows_at_its_rate() -> None:
    """kernel m a^tau (1 - a): x(t) = a x(t-1) + m (1 - a) x(t-1) beyond the forcing's own decay."""
    a, mass, steps = 0.9, 2.0, 400
    kernel = jnp.asarray(mass * (1 - a) * a ** np.arange(steps))
    found = volterra.solve(jnp.asarray(a ** np.arange(steps)), kernel)
    np.testing.assert_allclose(found, (a + mass * (1 - a)) ** np.arange(steps), rtol=1e-11)


def test_continuous_equation_converges_in_the_square_of_the_spacing() -> None:
    a, c = 2.0, 1.0
    errors = []
    for points in (101, 201, 401):
        time = np.linspace(0, 3, points)
        exact = a / (a - c) - c / (a - c) * np.exp(-(a - c) * time)
        kernel = jnp.asarray(c * np.exp(-a * time))
        found = volterra.solve_continuous(jnp.ones(points), kernel, time[1])
        fed = volterra.accumulate_continuous(jnp.ones(points), kernel, jnp.asarray(exact), time[1])
        errors.append([np.abs(found - exact).max(), np.abs(fed - exact).max()])
    # halving the spacing divides both errors by 4, up to the next order
    np.testing.assert_allclose(np.array(errors[:-1]) / np.array(errors[1:]), 4.0, rtol=0.02)


def test_asymptote_exists_below_threshold_only() -> None:
    assert float(volterra.asymptote(2.0, 0.5)) == 4.0
    assert np.isnan(volterra.asymptote(2.0, 1.5))
