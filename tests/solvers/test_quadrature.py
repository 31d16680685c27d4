"""Gaussian expectations: exactness, the steep-tanh comparison, and why one joint Sobol set is needed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.solvers import quadrature


def mean(nodes, f):
    return float(nodes.weights @ f(nodes.points[:, 0]))


def test_trapezoid_weights_sum_to_one_and_give_moments_of_a_normal():
    nodes = quadrature.trapezoid(1, 61)
    np.testing.assert_allclose([mean(nodes, lambda z, k=k: z**k) for k in range(5)], [1, 0, 1, 0, 3], atol=1e-12)


@pytest.mark.parametrize(("slope", "count", "error"), [(2.0, 61, 4e-7), (3.0, 61, 6e-5), (3.0, 101, 3e-8)])
def test_trapezoid_error_on_steep_tanh_is_that_of_its_nearest_pole(slope, count, error):
    exact = mean(quadrature.trapezoid(1, 4001), lambda z: np.tanh(slope * z) ** 2)
    found = mean(quadrature.trapezoid(1, count), lambda z: np.tanh(slope * z) ** 2)
    # exp(-2 pi w / h) at the pole w = pi / (2 slope), times the integrand's residue there, of order slope
    assert error / 3 < abs(found - exact) < 3 * error


def test_gauss_hermite_is_worse_than_trapezoid_on_steep_tanh():
    exact = mean(quadrature.trapezoid(1, 4001), lambda z: np.tanh(3 * z) ** 2)
    assert abs(mean(quadrature.gauss_hermite(100), lambda z: np.tanh(3 * z) ** 2) - exact) > 1e-4


def test_gauss_hermite_is_exact_for_polynomials():
    nodes = quadrature.gauss_hermite(5)
    np.testing.assert_allclose(mean(nodes, lambda z: z**8), 105, rtol=1e-12)


def test_two_dimensional_grid_is_a_product_and_drops_what_weighs_nothing():
    nodes = quadrature.trapezoid(2, 41, 8.0)
    assert len(nodes.weights) < 41**2
    np.testing.assert_allclose(nodes.weights @ (nodes.points**2).prod(axis=1), 1, atol=1e-10)


def test_parts_of_one_joint_sobol_set_are_independent_and_separately_scrambled_sets_are_not():
    a, b = quadrature.sobol_normal([1, 1], 12)
    # quasi-random sums converge nearly as 1 / N: a correlation of 1 / sqrt(N) = 0.016 would be that of random points
    assert abs(float(np.mean(a * b))) < 2e-3
    apart = [
        np.abs(np.mean(quadrature.sobol_normal([1], 12, seed=i)[0] * quadrature.sobol_normal([1], 12, seed=i + 1)[0]))
        for i in range(8)
    ]
    assert max(apart) > 0.05


def test_choice_follows_its_shares_and_the_label_column_is_independent_of_the_others():
    label, z = quadrature.sobol_uniform([1, 1], 12)
    kinds = quadrature.choice(label[:, 0], np.array([0.2, 0.5, 0.3]))
    np.testing.assert_allclose(np.bincount(kinds) / 4096, [0.2, 0.5, 0.3], atol=1e-3)
    z = quadrature.normal(z[:, 0])
    assert all(abs(z[kinds == k].mean()) < 0.01 for k in range(3))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: quadrature.trapezoid(3, 11), "use sobol_normal instead"),
        (lambda: quadrature.trapezoid(1, 1), "two nodes"),
        (lambda: quadrature.trapezoid(1, 11, -1.0), "radius must be positive"),
        (lambda: quadrature.gauss_hermite(0), "count must be at least 1"),
        (lambda: quadrature.sobol_uniform([], 4), "widths must not be negative"),
        (lambda: quadrature.sobol_uniform([0], 4), "at least one column"),
        (lambda: quadrature.sobol_uniform([1], 31), "log2_count"),
    ],
)
def test_refusals(call, sentence):
    with pytest.raises(Refused, match=sentence):
        call()


def test_points_are_finite():
    assert all(math.isfinite(x) for x in quadrature.sobol_normal([1], 14)[0][:, 0])
