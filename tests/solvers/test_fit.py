"""Robust least squares from many starts, resamples, intervals."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.solvers import fit

RNG = np.random.default_rng(0)
LINE = jnp.stack([jnp.ones(40), jnp.linspace(-1, 1, 40)], axis=1)


def line(at, target):
    return LINE @ at - target


def decay(at, data):
    x, y = data
    return at[0] * jnp.exp(-jnp.exp(at[1]) * x) + at[2] - y


def test_without_a_threshold_a_linear_model_is_least_squares():
    target = jnp.asarray(RNG.normal(size=40))
    found = fit.levenberg_marquardt(line, target, jnp.zeros((1, 2)), jnp.ones((1, 40)), jnp.inf, 30)
    expected, *_ = np.linalg.lstsq(np.asarray(LINE), np.asarray(target))
    # a step is taken where the loss falls: the minimum is known to the root of its rounding
    np.testing.assert_allclose(found.at[0], expected, rtol=1e-7)
    np.testing.assert_allclose(found.loss[0], 0.5 * np.sum((np.asarray(LINE) @ expected - target) ** 2), rtol=1e-12)
    assert found.slope[0] < 1e-7


def test_weights_are_repetitions():
    target = np.asarray(RNG.normal(size=40))
    times = RNG.integers(0, 3, 40)
    found = fit.levenberg_marquardt(
        line, jnp.asarray(target), jnp.zeros((1, 2)), jnp.asarray(times[None], float), jnp.inf, 30
    )
    rows = np.repeat(np.arange(40), times)
    expected, *_ = np.linalg.lstsq(np.asarray(LINE)[rows], target[rows])
    np.testing.assert_allclose(found.at[0], expected, rtol=1e-7)


def test_huber_loss_and_its_minimum_match_scipy():
    from scipy.optimize import minimize

    target = np.asarray(LINE) @ [1.0, 2.0] + 0.1 * RNG.standard_t(1.5, 40)
    r = np.array([-3.0, -0.5, 0.0, 0.2, 4.0])
    np.testing.assert_allclose(fit.huber(jnp.asarray(r), 0.5), [1.375, 0.125, 0, 0.02, 1.875], rtol=1e-14)
    np.testing.assert_allclose(fit.huber(jnp.asarray(r), jnp.inf), r**2 / 2, rtol=1e-14)
    found = fit.levenberg_marquardt(line, jnp.asarray(target), jnp.zeros((1, 2)), jnp.ones((1, 40)), 0.1, 100)

    def loss(at):
        return float(jnp.sum(fit.huber(LINE @ at - target, 0.1)))

    best = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-14})
    # Nelder-Mead's own tolerance
    np.testing.assert_allclose(found.at[0], best.x, atol=1e-6)
    assert abs(found.at[0, 1] - 2) < 0.1  # its noise; least squares is carried off by the tails


def test_many_starts_find_the_minimum_and_a_start_without_a_finite_loss_stays():
    x = jnp.linspace(0, 4, 60)
    truth = jnp.array([2.0, 0.3, 0.5])
    y = truth[0] * jnp.exp(-jnp.exp(truth[1]) * x) + truth[2]
    starts = RNG.uniform(-1, 2, (37, 3))
    starts[5] = np.nan
    found = fit.in_blocks(decay, (x, y), starts, np.ones((1, 60)), 1e-3, 60, lanes=16)
    assert found.at.shape == (37, 3)
    assert np.isinf(found.loss[5])
    best = int(np.argmin(found.loss))
    np.testing.assert_allclose(found.at[best], truth, atol=1e-7)
    assert np.mean(found.loss < 1e-12) > 0.5


def test_one_program_serves_any_number_of_starts_and_steps():
    x = jnp.linspace(0, 4, 60)
    before = fit.levenberg_marquardt._cache_size()  # pyright: ignore[reportFunctionMemberAccess]
    for many, steps in ((3, 5), (16, 7), (40, 9)):
        fit.in_blocks(decay, (x, x), np.ones((many, 3)), np.ones((1, 60)), 1.0, steps, lanes=16)
    assert fit.levenberg_marquardt._cache_size() - before <= 1  # pyright: ignore[reportFunctionMemberAccess]


def test_resamples_weigh_whole_cells_with_a_mean_of_one():
    cells = np.array([0, 0, 0, 1, 2, 2])
    times = fit.resampled(jax.random.key(0), cells, 2000)
    assert times.shape == (2000, 6)
    per_cell = times[:, [0, 3, 4]]
    np.testing.assert_allclose(per_cell.sum(axis=1), 3, rtol=1e-12)
    assert (times[:, 0] == times[:, 2]).all()
    # Dirichlet(1, 1, 1) times 3: mean 1, variance (n - 1)/(n + 1) = 1/2; 2000 draws
    np.testing.assert_allclose(per_cell.mean(axis=0), 1, atol=4 * np.sqrt(0.5 / 2000))
    np.testing.assert_allclose(per_cell.var(axis=0), 0.5, rtol=0.15)


def test_intervals_of_a_mean_are_student_t():
    """For the mean of n numbers resamples give sd/sqrt(n) sqrt((n-1)/(n+1)): the interval is Student's."""
    from scipy.stats import t

    values = RNG.normal(size=12)
    times = fit.resampled(jax.random.key(1), np.arange(12), 20000)
    stderr, ends = fit.t_intervals(np.array([values.mean()]), (times @ values / 12)[:, None], 12, 1)
    # 20,000 resamples: sd known to 0.5 %
    assert stderr[0] == pytest.approx(values.std(ddof=1) / np.sqrt(12), rel=0.02)
    assert (ends[0, 1] - ends[0, 0]) / 2 == pytest.approx(t.ppf(0.975, 11) * stderr[0], rel=1e-12)
    with pytest.raises(Refused, match="intervals need more than 3 cells for 1 parameters, there are 3"):
        fit.t_intervals(np.zeros(1), np.zeros((5, 1)), 3, 1)


def test_curvature_names_the_combination_that_changes_nothing():
    def redundant(at, data):
        return data * (at[0] + at[1]) + at[2]

    found = fit.curvature(redundant, jnp.linspace(0, 1, 9), np.zeros(3), np.ones(9))
    assert found.weakest < 1e-15
    np.testing.assert_allclose(np.abs(found.direction), [0.5**0.5, 0.5**0.5, 0], atol=1e-7)
    target = jnp.asarray(RNG.normal(size=40))
    known = fit.curvature(line, target, np.zeros(2), np.ones(40))
    covariance = np.linalg.inv(np.asarray(LINE.T @ LINE))
    expected = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose(known.correlation, expected, atol=1e-12)
    unused = fit.curvature(lambda at, data: data - at[0], target, np.zeros(2), np.ones(40))
    assert unused.weakest == 0
    assert unused.direction.tolist() == [0, 1]


def test_the_automatic_threshold_is_robust_standard_deviations():
    noise = RNG.normal(size=20000)
    noise[:200] *= 1e6
    assert fit.automatic_threshold(noise) == pytest.approx(1.35, rel=0.04)  # 1 % outliers move it by 1.5 %
    assert fit.automatic_threshold(np.zeros(5)) > 0


def test_coefficient_of_determination():
    measured = np.array([1.0, 2.0, 4.0])
    assert fit.coefficient_of_determination(measured, measured) == 1
    assert fit.coefficient_of_determination(measured, np.full(3, measured.mean())) == pytest.approx(0)
    twice = fit.coefficient_of_determination(measured[[0, 0, 1, 2]], np.array([1.1, 1.1, 2, 4]))
    assert fit.coefficient_of_determination(measured, np.array([1.1, 2, 4]), [2, 1, 1]) == pytest.approx(twice)
    assert np.isnan(fit.coefficient_of_determination(np.ones(3), np.ones(3)))
