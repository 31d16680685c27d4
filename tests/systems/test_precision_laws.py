"""Scaling laws of precision: closed forms, optima, refusals."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.systems.precision_scaling import theory_laws as laws
from theorylab.systems.precision_scaling import theory_optima as optima

INF = math.inf
PUBLISHED = laws.published()
EQUAL = dataclasses.replace(PUBLISHED, gamma=np.full(3, 2.0))
TWO = ("weights", "activations")


# -- laws ----------------------------------------------------------------------------------------------------


def test_factors_of_the_parts_multiply_and_high_precision_counts_one():
    bits = np.array([[4.0, INF, INF], [INF, 4.0, INF], [INF, INF, 4.0], [4.0, 4.0, 4.0], [INF, INF, INF]])
    share = np.asarray(laws.effective_parameters(1.0, bits, PUBLISHED))
    np.testing.assert_allclose(share[:3], 1 - np.exp(-4 / np.asarray(PUBLISHED.gamma)), rtol=1e-14)
    np.testing.assert_allclose(share[3], np.prod(share[:3]), rtol=1e-14)
    assert share[4] == 1
    np.testing.assert_allclose(optima.share(4.0, EQUAL), (1 - math.exp(-2)) ** 3, rtol=1e-14)


def test_offsets_shift_the_factors():
    offset = laws.published(offsets=True)
    found = laws.effective_parameters(1.0, [8.0, INF, INF], offset)
    assert found == pytest.approx(1 - math.exp(-8 / 2.6745 + 0.3037), rel=1e-14)


def test_factors_survive_the_ends_of_the_exponential():
    # 1 - exp(-x) = x - x^2/2 + ...; at P = 1e4 bits exp(P/gamma) would overflow
    tiny = float(laws.log_factors([1e-9, INF, INF], PUBLISHED.gamma)[0])
    assert tiny == pytest.approx(math.log(1e-9 / 2.6745), abs=1e-9)
    assert np.asarray(laws.log_factors([1e4, 1e4, 1e4], PUBLISHED.gamma)).tolist() == [0, 0, 0]


def test_degradation_is_exponential_in_bits_and_a_power_of_data_and_size():
    def delta(N, D, post):
        return float(laws.degradation(N, D, post, PUBLISHED))

    base = delta(1e8, 1e10, 5.0)
    expected = 0.0598 * 1e10**0.5068 * 1e8**-0.3439 * math.exp(-5 / 0.5907)
    assert base == pytest.approx(expected, rel=1e-13)
    assert delta(1e8, 1e10, 4.0) / base == pytest.approx(math.exp(1 / 0.5907), rel=1e-13)
    assert delta(1e8, 2e10, 5.0) / base == pytest.approx(2**0.5068, rel=1e-13)
    assert delta(2e8, 1e10, 5.0) / base == pytest.approx(2**-0.3439, rel=1e-13)
    assert delta(1e8, 1e10, INF) == 0


def test_weights_alone_add_the_noise_of_quantization_less_that_of_training():
    trained, post = np.array([5.0, 6.0, 8.0]), 4.0
    bits = np.stack([trained, np.full(3, INF), np.full(3, INF)], axis=1)
    found = np.asarray(laws.degradation(1e8, 1e10, post, PUBLISHED, bits))
    noise = np.exp(-post / 0.5907) - np.exp(-trained / 0.5907)
    size = np.asarray(laws.effective_parameters(1e8, bits, PUBLISHED))
    np.testing.assert_allclose(found, 0.0598 * 1e10**0.5068 * size**-0.3439 * noise, rtol=1e-12)


def test_a_part_trained_at_or_below_the_final_bits_adds_nothing():
    bits = [[4.0, INF, INF], [3.0, INF, INF], [INF, 4.0, INF]]
    assert np.asarray(laws.degradation(1e8, 1e10, 4.0, PUBLISHED, bits)).tolist() == [0, 0, 0]
    parts = laws.loss(1e8, 1e10, PUBLISHED, [4.0, INF, INF], 4.0), laws.loss(1e8, 1e10, PUBLISHED, [4.0, INF, INF])
    assert parts[0] == parts[1]


def test_the_unified_law_is_the_sum_of_its_terms():
    bits, post = [6.0, 8.0, INF], 4.0
    size = laws.effective_parameters(1e8, bits, PUBLISHED)
    delta = laws.degradation(1e8, 1e10, post, PUBLISHED, bits)
    assert laws.loss(1e8, 1e10, PUBLISHED, bits, post) == laws.base_loss(size, 1e10, PUBLISHED) + delta


def test_derivatives_are_finite_where_parts_are_in_high_precision_or_add_nothing():
    def total(gamma, post):
        k = dataclasses.replace(PUBLISHED, gamma=gamma)
        bits = jnp.array([[4.0, INF, 8.0], [INF, INF, INF], [6.0, 4.0, INF]])
        return jnp.sum(laws.loss(1e8, 1e10, k, bits, post))

    for slope in jax.grad(total, argnums=(0, 1))(jnp.asarray(PUBLISHED.gamma), 4.0):
        assert np.isfinite(slope).all()


# -- optima --------------------------------------------------------------------------------------------------


def test_joint_precision_of_equal_factors_in_closed_form():
    assert optima.equal_precision(1.0, 3) == pytest.approx(1.903814, abs=5e-7)  # the published digits
    assert optima.equal_precision(1.0, 2) == pytest.approx(1.256431, abs=5e-7)
    for parts in (laws.PARTS, TWO):
        root = optima.joint_precision(EQUAL, parts)
        np.testing.assert_allclose(root, optima.equal_precision(2.0, len(parts)), rtol=1e-12)


def test_joint_precision_is_seven_bits_with_the_published_offsets():
    assert optima.joint_precision(laws.published(offsets=True)) == pytest.approx(7.002, abs=1e-3)
    assert optima.joint_precision(PUBLISHED) < 4


def test_joint_precision_minimises_the_loss_whatever_the_budget():
    for budget in (1e18, 1e22):
        P = np.linspace(2.5, 6.0, 701)
        found = optima.allocation(budget, P, EQUAL)
        # within half the grid's spacing
        assert P[np.argmin(np.asarray(found.loss))] == pytest.approx(float(optima.joint_precision(EQUAL)), abs=2.6e-3)


def test_allocation_at_given_precision_is_the_minimum_and_spends_the_budget():
    from scipy.optimize import minimize_scalar

    found = optima.allocation(1e19, 8.0, EQUAL)
    assert float(found.N) == pytest.approx(442320483, rel=2e-9)
    assert float(found.D) == pytest.approx(7.536014e9, rel=1e-7)
    assert float(6 / 16 * found.N * found.D * 8) == pytest.approx(1e19, rel=1e-13)
    products = 16e19 / 6 / 8

    def at(log_n):
        return float(laws.loss(math.exp(log_n), products / math.exp(log_n), EQUAL, [8.0] * 3))

    best = minimize_scalar(at, bracket=(18, 20, 22), tol=1e-12)
    # a minimum is found to the root of the rounding of its value
    assert math.exp(best.x) == pytest.approx(float(found.N), rel=1e-6)


def test_allocation_relative_to_16_bits():
    low, high = optima.allocation(1e20, 6.0, EQUAL), optima.allocation(1e20, 16.0, EQUAL)
    ratio = float(optima.share(6.0, EQUAL) / optima.share(16.0, EQUAL))
    power = 0.5  # alpha = beta
    assert float(low.N / high.N) == pytest.approx(ratio**-power * (6 / 16) ** -power, rel=1e-12)
    assert float(low.D / high.D) == pytest.approx(ratio**power * (6 / 16) ** -power, rel=1e-12)


def test_precision_at_given_size_grows_with_the_logarithm_of_the_budget():
    budgets = (1e18, 1e20, 1e22, 1e24)
    found = [float(optima.precision_at_size(1e8, budget, EQUAL)) for budget in budgets]
    np.testing.assert_allclose(found, [5.53327, 10.45002, 15.38806, 20.23464], atol=6e-6)
    slopes = np.diff(found) / math.log(100)
    np.testing.assert_allclose(slopes, [1.068, 1.072, 1.052], atol=6e-4)
    # towards beta gamma, slowly: ln ln corrections
    far = [float(optima.precision_at_size(1e8, 10.0**e, EQUAL)) for e in (70, 72)]
    assert np.diff(far)[0] / math.log(100) == pytest.approx(0.4965 * 2, rel=0.02)


def test_precision_at_given_size_is_the_minimum():
    P = np.linspace(5, 6, 2001)
    N, D = 1e8, 16e18 / 6 / 1e8 / P
    losses = laws.loss(N, D, EQUAL, optima.equal_bits(P))
    assert P[np.argmin(np.asarray(losses))] == pytest.approx(5.53327, abs=3e-4)


def test_critical_data_is_where_the_quantized_loss_turns():
    found = float(optima.critical_tokens(1e8, 4.5, PUBLISHED))
    assert found == pytest.approx(3.110735e11, rel=2e-7)
    slope = jax.grad(lambda D: laws.loss(1e8, D, PUBLISHED, post=4.5))
    scale = float(jax.grad(lambda D: laws.base_loss(1e8, D, PUBLISHED))(found))
    assert abs(float(slope(found)) / scale) < 1e-12
    assert slope(0.9 * found) < 0 < slope(1.1 * found)
    # exponential in bits, a power of size
    rate = 1 / (0.5907 * (0.5068 + 0.4965))
    assert float(optima.critical_tokens(1e8, 5.5, PUBLISHED)) / found == pytest.approx(math.exp(rate), rel=1e-12)
    assert float(optima.critical_tokens(2e8, 4.5, PUBLISHED)) / found == pytest.approx(
        2 ** (0.3439 / (0.5068 + 0.4965)), rel=1e-12
    )


def test_critical_data_in_low_precision_counts_effective_parameters_and_robustness():
    bits = np.array([6.0, 6.0, 6.0])
    k = dataclasses.replace(PUBLISHED, robustness=np.array([1.7, 0.9, 2.0]))
    found = float(optima.critical_tokens(1e8, 4.5, k, bits))
    slope = jax.grad(lambda D: laws.loss(1e8, D, k, bits, 4.5))
    assert slope(0.99 * found) < 0 < slope(1.01 * found)
    assert optima.critical_tokens(1e8, 6.0, k, bits) == INF


def test_size_for_a_quantized_network_is_larger_and_its_minimum():
    found = optima.quantized_allocation(1e22, 16.0, 4.0, PUBLISHED)
    plain = optima.allocation(1e22, 16.0, PUBLISHED, post=4.0)
    assert found.N > plain.N
    assert found.quantized < plain.quantized
    N = np.asarray(found.N) * np.geomspace(0.9, 1.1, 2001)
    D = 16e22 / 6 / 16 / N
    losses = np.asarray(laws.loss(N, D, PUBLISHED, optima.equal_bits(np.full(2001, 16.0)), 4.0))
    assert N[np.argmin(losses)] == pytest.approx(float(found.N), rel=1e-3)


def test_equal_loss_contours_have_equal_loss():
    P = np.array([3.0, 4.0, 8.0, 16.0])
    N = optima.equal_loss_size(P, 1e8, PUBLISHED)
    losses = np.asarray(laws.loss(N, 1e10, PUBLISHED, optima.equal_bits(P)))
    np.testing.assert_allclose(losses, losses[-1], rtol=1e-14)
    assert float(N[-1]) == pytest.approx(1e8, rel=1e-14)


def test_optima_are_traced_and_differentiable():
    def bits(gamma):
        return optima.joint_precision(dataclasses.replace(PUBLISHED, gamma=gamma))

    slope = jax.jit(jax.jacfwd(bits))(jnp.full(3, 2.0))
    # P* is homogeneous of degree 1 in gamma
    np.testing.assert_allclose(slope, optima.equal_precision(1.0, 3) / 3, rtol=1e-10)


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: laws.base_loss(0.0, 1e9, PUBLISHED), "N must be positive, got 0"),
        (lambda: laws.base_loss(1e8, -1.0, PUBLISHED), "D must be positive, got -1"),
        (lambda: laws.loss(1e8, 1e9, PUBLISHED, [0.0, 8.0, 8.0]), "bits must be positive"),
        (lambda: laws.degradation(1e8, 1e9, 0.0, PUBLISHED), "post must be positive, got 0"),
        (lambda: dataclasses.replace(PUBLISHED, gamma=np.array([2.0, 0.0, 1.0])), "gamma must be positive"),
        (lambda: dataclasses.replace(PUBLISHED, gamma_post=-1.0), "gamma_post must be positive, got -1"),
        (lambda: dataclasses.replace(PUBLISHED, gamma=np.ones(2)), "gamma has one entry for each of weights"),
        (
            lambda: laws.effective_parameters(1e8, [8.0, 3.0, 8.0], laws.published(offsets=True)),
            r"P must exceed n gamma = \[0.8122, 3.1102, 2.3164\] bits",
        ),
        (
            lambda: laws.degradation(1e8, 1e9, 6.0, PUBLISHED, [4.0, INF, INF], strict=True),
            "training precision must not be below the precision after training, 6.0 bits",
        ),
        (lambda: optima.equal_precision(2.0, 1), "with one part in low precision there is no interior joint optimum"),
        (lambda: optima.equal_precision(2.0, 0), "factors must be at least 1, got 0"),
        (lambda: optima.equal_precision(-2.0, 3), "gamma must be positive, got -2"),
        (lambda: optima.joint_precision(PUBLISHED, ("weights",)), "name two or more parts, or fix the size"),
        (lambda: optima.joint_precision(PUBLISHED, ()), "name at least one part"),
        (lambda: optima.joint_precision(PUBLISHED, ("bias",)), "no part 'bias'; parts are: weights, activations"),
        (lambda: optima.allocation(-1e19, 8.0, PUBLISHED), "C must be positive"),
        (lambda: optima.allocation(1e19, 0.0, PUBLISHED), "P must be positive"),
        (lambda: optima.precision_at_size(0.0, 1e19, PUBLISHED), "N must be positive"),
        (lambda: optima.precision_at_size(1.0, 1e200, PUBLISHED), "no optimal precision up to 200 bits"),
        (lambda: optima.critical_tokens(1e8, -4.0, PUBLISHED), "post must be positive"),
        (
            lambda: optima.critical_tokens(1e8, 4.0, dataclasses.replace(PUBLISHED, gamma_D=-0.1)),
            "the degradation does not grow with data",
        ),
        (lambda: optima.equal_loss_size(-4.0, 1e8, PUBLISHED), "P must be positive"),
    ],
)
def test_what_cannot_be_is_refused(call, sentence):
    with pytest.raises(Refused, match=sentence):
        call()
