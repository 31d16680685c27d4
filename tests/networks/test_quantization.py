"""Grids of few bits: what is exact bit by bit, what is random, and rounding that compensates itself."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.networks.quantization import (
    FloatFormat,
    codes,
    compensated,
    floating,
    integer,
    levels,
    step_size,
    stochastic,
    straight_through,
)

BITS = [3, 4, 5, 6, 8]
FORMATS = [FloatFormat(2, 1), FloatFormat(2, 1, True), FloatFormat(4, 3), FloatFormat(5, 2), FloatFormat(3, 0)]


def gaussian(dtype=jnp.float64, shape=(1000, 120), seed=0):
    return jax.random.normal(jax.random.key(seed), shape, dtype)


# -- integer grids --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("bits", BITS)
def test_quantizing_twice_moves_nothing_but_the_last_ulps(dtype, bits):
    once = integer(gaussian(dtype), bits, 0)
    twice = integer(once, bits, 0)
    # the step is computed anew from Q_p s, which may be an ulp off; its codes are the same
    np.testing.assert_array_max_ulp(np.asarray(once), np.asarray(twice), maxulp=4)
    one, two = (codes(x, step_size(x, bits, 0), bits) for x in (gaussian(dtype), once))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("bits", BITS)
def test_powers_of_two_and_signs_pass_through_bit_by_bit(bits):
    x = gaussian(jnp.float32)
    np.testing.assert_array_equal(integer(4 * x, bits, 0), 4 * integer(x, bits, 0))
    np.testing.assert_array_equal(integer(-x, bits, 0), -integer(x, bits, 0))


@pytest.mark.parametrize("bits", [2, *BITS])
def test_error_is_at_most_half_a_step(bits):
    x = gaussian()
    step = step_size(x, bits, 0)
    assert np.max(np.abs(integer(x, bits, 0) - x) / step) <= 0.5 + 1e-12  # rounding of x / step
    assert np.max(np.abs(codes(x, step, bits))) == float(levels(bits))


@pytest.mark.parametrize("bits", [6, 7, 8])
def test_error_has_the_variance_of_uniform_noise(bits):
    x = gaussian()
    step = step_size(x, bits, 0)
    # 120,000 weights: a sampling deviation of .9 / sqrt(n) = .0026; each group's largest is on the grid: 1e-3
    assert np.mean(((integer(x, bits, 0) - x) / step) ** 2) == pytest.approx(1 / 12, rel=0.02)


def test_two_bits_leave_three_values():
    x = gaussian()
    step = step_size(x, 2, 0)
    np.testing.assert_array_equal(np.unique(np.asarray(integer(x, 2, 0) / step).round(12)), [-1, 0, 1])


def test_group_of_zeros_gives_zeros_and_gradient_one():
    x = gaussian(jnp.float32).at[:, 3].set(0.0)
    rounded, pull = jax.vjp(lambda x: integer(x, 4.0, 0), x)
    assert np.all(np.isfinite(rounded))
    np.testing.assert_array_equal(rounded[:, 3], 0.0)
    np.testing.assert_array_equal(pull(jnp.ones_like(x))[0], 1.0)


def test_gradient_is_the_identity_and_knows_no_step():
    x, weights = gaussian(shape=(8, 3)), gaussian(shape=(8, 3), seed=1)
    for rounded in (lambda x: integer(x, 3.0, 0), lambda x: floating(x, FloatFormat(2, 1), 0)):
        np.testing.assert_array_equal(jax.grad(lambda x, f=rounded: jnp.sum(f(x) * weights))(x), weights)
    np.testing.assert_array_equal(straight_through(x, jnp.round(x)), jnp.round(x))


def test_one_program_serves_all_bits_and_sixteen_is_no_rounding():
    x, traces = gaussian(jnp.float32), []

    @jax.jit
    def rounded(bits):
        traces.append(bits)
        return integer(x, bits, 0)

    for bits in (2.0, 4.0, 8.0):
        np.testing.assert_array_equal(rounded(bits), integer(x, bits, 0))
    np.testing.assert_array_equal(rounded(16.0), x)
    np.testing.assert_array_equal(integer(x, None), x)
    assert len(traces) == 1


def test_groups_have_steps_of_their_own():
    x = gaussian(shape=(4, 6)) * jnp.array([1.0, 10.0, 100.0, 1000.0])[:, None]
    assert step_size(x, 4, -1).shape == (4, 1)
    assert step_size(x, 4, (0, 1)).shape == step_size(x, 4).shape == (1, 1)
    np.testing.assert_array_equal(integer(x, 4, -1)[2], integer(x[2], 4))


def test_stochastic_rounding_has_the_right_mean_and_variance():
    x = jnp.full((200_000,), 0.3)
    found = stochastic(jax.random.key(0), x, jnp.asarray(1.0))
    assert set(np.unique(found)) == {0.0, 1.0}
    # f (1 - f) = .21 at f = .3: a standard error of sqrt(.21 / n) = .001
    assert float(jnp.mean(found)) == pytest.approx(0.3, abs=4e-3)


# -- floating-point grids -------------------------------------------------------------------------------------


def grid(form: FloatFormat) -> np.ndarray:
    """Every number of a format that is not negative, by its codes."""
    bias = 2 ** (form.exponent - 1) - 1
    top = 2**form.exponent - (0 if form.finite else 1)
    fractions = np.arange(2**form.mantissa) / 2**form.mantissa
    normal = [(1 + fractions) * 2.0 ** (code - bias) for code in range(1, top)]
    return np.concatenate([fractions * 2.0 ** (1 - bias), *normal])


@pytest.mark.parametrize("form", FORMATS)
def test_floating_takes_the_nearest_of_all_numbers(form):
    numbers = grid(form)
    assert form.largest == numbers.max()
    x = gaussian(shape=(500,)).at[0].set(5.0)
    scaled = np.abs(np.asarray(x)) / 5.0 * form.largest
    nearest = np.min(np.abs(scaled[:, None] - numbers), axis=1)
    found = np.abs(np.asarray(floating(x, form))) / 5.0 * form.largest
    np.testing.assert_allclose(np.abs(found - scaled), nearest, atol=1e-12 * form.largest)
    assert np.max(np.min(np.abs(found[:, None] - numbers), axis=1)) < 1e-12 * form.largest


@pytest.mark.parametrize("form", FORMATS)
def test_floating_keeps_exact_powers_of_two(form):
    powers = 2.0 ** jnp.arange(form.lowest, form.highest + 1)
    x = jnp.concatenate([powers, jnp.array([form.largest])])
    np.testing.assert_array_equal(floating(x, form), x)
    assert form.bits == 1 + form.exponent + form.mantissa


def test_floating_zeros_stay_zero():
    np.testing.assert_array_equal(floating(jnp.zeros((3, 2)), FloatFormat(4, 3), 0), 0.0)


# -- compensated rounding -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ratios():
    """Output error over that of plain rounding: 64 problems of 64 inputs, 32 outputs, white and correlated inputs."""

    @jax.jit
    @jax.vmap
    def one(key, bits):
        keys = jax.random.split(key, 3)
        weight = jax.random.normal(keys[0], (64, 32))
        white = jax.random.normal(keys[1], (256, 64))
        correlated = jax.random.normal(keys[1], (256, 8)) @ jax.random.normal(keys[2], (8, 64)) + 0.1 * white

        def error(inputs, rounded):
            return jnp.sum((inputs @ (rounded - weight)) ** 2)

        plain = integer(weight, bits, 0)
        return jnp.stack(
            [
                error(x, compensated(weight, x, bits, ordered)) / error(x, plain)
                for x in (white, correlated)
                for ordered in (False, True)
            ]
        )

    bits = jnp.tile(jnp.arange(2.0, 6.0), 16)
    return np.asarray(one(jax.random.split(jax.random.key(0), 64), bits))


def test_compensated_rounding_is_never_worse_than_plain_rounding_here(ratios):
    assert ratios.max() < 1


def test_compensation_gains_much_where_inputs_are_correlated(ratios):
    white, _, correlated, ordered = ratios.mean(0)
    assert 0.8 < white < 0.95
    assert correlated < 0.25
    assert ordered < correlated


def test_compensated_weights_lie_on_the_plain_grid():
    weight, inputs = gaussian(shape=(32, 8)), gaussian(shape=(100, 32), seed=1)
    found = compensated(weight, inputs, 4.0, ordered=True)
    whole = found / step_size(weight, 4.0, 0)
    np.testing.assert_allclose(whole, jnp.round(whole), atol=1e-12)
    np.testing.assert_array_equal(compensated(weight, inputs, 16.0), weight)
    dead = inputs.at[:, 5].set(0.0)
    assert np.all(np.isfinite(compensated(weight, dead, 4.0)))


# -- refusals -------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused():
    x = jnp.ones((4, 2))
    with pytest.raises(Refused, match="at least 2 bits, got 1"):
        integer(x, 1)
    with pytest.raises(Refused, match=r"exponent bits must be in 2\.\.7, got 1"):
        floating(x, FloatFormat(1, 2))
    with pytest.raises(Refused, match="mantissa bits must be in"):
        floating(x, FloatFormat(4, -1))
    with pytest.raises(Refused, match=r"calibration must have shape \(examples, 4\)"):
        compensated(x, jnp.ones((3, 2)), 4)
    with pytest.raises(Refused, match="damping must be positive"):
        compensated(x, jnp.ones((3, 4)), 4, damping=0.0)
