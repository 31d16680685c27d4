"""rnn_integrator: closed forms and known numbers of the theory."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rnn_helpers import predicted, simulated, task

from theorylab.solvers import ode
from theorylab.systems.rnn_integrator import (
    RNNIntegrator,
    RNNNumerics,
    theory_fock,
    theory_lazy,
    theory_oscillator,
    theory_scalar,
)
from theorylab.systems.rnn_integrator import theory_reduced as reduced
from theorylab.systems.rnn_integrator.filters import target_filter
from theorylab.systems.rnn_integrator.presets import timescale
from theorylab.systems.rnn_integrator.start import Vectors
from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task

# -- closed forms of one outlier ----------------------------------------------------------------------------


def test_flow_time_limit_is_its_closed_form_and_its_quadrature():
    assert pytest.approx(0.3881514485, abs=5e-11) == theory_scalar.FLOW_TIME_LIMIT
    # the rest of the integral, from 1 - 1e-4 to 1, is (4/9) 1e-12
    assert theory_scalar.flow_time(1 - 1e-4, 1.0) == pytest.approx(theory_scalar.FLOW_TIME_LIMIT, abs=1e-11)


@pytest.mark.parametrize(
    ("pole", "time"), [(0.8, 0.72404), (0.9, 0.52106), (0.95, 0.44554), (0.99, 0.39832), (0.999, 0.38914)]
)
def test_flow_times_to_a_tenth_of_the_gap(pole, time):
    assert theory_scalar.learning_time(pole) == pytest.approx(time, abs=5e-6)


def test_infinite_horizon_prediction_follows_the_closed_forms():
    system = RNNIntegrator(
        horizon=math.inf, dynamics="flow", train="recurrent", timescale=timescale(0.9), rate=1e-3, steps=500, records=50
    )
    theory = predicted(system)
    lam = theory.curves["overlap"]
    times = jax.vmap(lambda x: theory_scalar.flow_time(x, 0.9))(lam[1:])
    np.testing.assert_allclose(times, 1e-3 * system.recorded()[1:], atol=1e-8)
    np.testing.assert_allclose(theory.curves["loss"], theory_scalar.aligned_loss(lam, 1.0, 0.9), atol=1e-12)
    assert theory.facts["curvature"] == pytest.approx(263.887, abs=5e-4)
    assert theory_scalar.infinite_curvature(0.9) == pytest.approx(float(theory.facts["curvature"]), rel=1e-12)


def test_infinite_horizon_network_equals_the_truncated_theory():
    system = RNNIntegrator(
        horizon=math.inf, start="given", weights="discount", discount=0.97, frequency=0.5, phase=0.2, scale=0.6,
        along=0.2, across=0.5, timescale=5.0, width=5, rate=0.02, steps=60, records=6,
    )  # fmt: skip
    curves, theory = simulated(system, 1), predicted(system)
    for name, curve in theory.curves.items():
        # the theory leaves out lags of weight 1e-16; the sum by doubling rounds at 1e-15 of terms of order one
        np.testing.assert_allclose(curves[name][0], curve, rtol=0, atol=1e-11)


def test_curvature_is_the_hessian_and_the_border_is_two_over_it():
    t = task(0.9, 60)
    lags, decay = jnp.arange(60), t.target
    joint = theory_scalar.curvature(lags, timescale(0.9), 0.0, 0.0, t.weights, t.mask, (1.0, 1.0))
    assert joint == pytest.approx(268.6158, abs=5e-5)
    slow, fast = jnp.sum(2 * decay**2), jnp.sum(lags**2 * decay**2 / 0.81)
    cross = math.sqrt(2) * jnp.sum(lags * decay**2 / 0.9)
    assert joint == pytest.approx(np.linalg.eigvalsh([[fast, cross], [cross, slow]])[-1], rel=1e-12)

    t = task(0.9, 176, mask=(1.0, 0.0, 0.0))
    hc = theory_scalar.infinite_curvature(0.9)
    one = jnp.ones(1)

    def final(kappa):
        start = Reduced(jnp.full((1, 1), 0.9 - 1e-3), one, one)
        curves, _ = reduced.descent(
            reduced.gradient, start, t, kappa / hc, jnp.array([0, 4000, 4001]), lambda s: {"lam": s.recurrent[0, 0]}
        )
        return curves["lam"][1:] - 0.9

    below, above = jax.jit(jax.vmap(final))(jnp.array([1.99, 2.01]))
    assert np.abs(below).max() < 1e-12  # 0.99^4000 = 3e-18
    # above it a 2-cycle, on both sides of the pole
    assert above[0] * above[1] < 0
    assert np.abs(above).min() == pytest.approx(2.6e-3, abs=5e-5)  # two digits are known


@pytest.mark.parametrize(("frequency", "phase"), [(0.5, 0.3), (0.0, 0.0), (math.pi, 0.2)])
def test_curvature_equals_the_hessian_of_the_reduced_loss(frequency, phase):
    a, lags = 0.8, jnp.arange(24) * 1.0
    target = target_filter(timescale(a), frequency, phase, lags)
    t = Task(target, 1 - lags / 24)
    turn = a * jnp.array([[jnp.cos(frequency), -jnp.sin(frequency)], [jnp.sin(frequency), jnp.cos(frequency)]])

    def loss(x):
        return reduced.loss(Reduced(x[:4].reshape(2, 2), x[4:6], x[6:]), t)

    at = jnp.concatenate([turn.ravel(), jnp.array([1.0, 0.0, jnp.cos(phase), -jnp.sin(phase)])])
    assert loss(at) < 1e-28
    exact = np.linalg.eigvalsh(jax.jit(jax.hessian(loss))(at))[-1]
    for xp in (np, jnp):
        found = theory_scalar.curvature(
            np.asarray(lags), timescale(a), frequency, phase, np.asarray(t.weights), t.mask, (1.0, 1.0), xp=xp
        )
        assert found == pytest.approx(exact, rel=1e-10)


def test_a_perfect_integrator_needs_steps_of_the_cube_of_its_horizon():
    system = RNNIntegrator(timescale=math.inf, horizon=40, train="recurrent", rate=1e-5)
    assert predicted(system).facts["curvature"] == pytest.approx(39 * 40 * 79 / 6, rel=1e-12)


def test_mean_square_multiplier_of_sampled_noise_matches_monte_carlo():
    hc, batch, draws = 263.887, 1, 400_000
    lags = jnp.arange(176)
    slope = lags * 0.9 ** (lags - 1.0)
    x = jax.random.normal(jax.random.key(0), (draws,)) * jnp.linalg.norm(slope)  # x . slope is Gaussian
    for fraction in (0.5, 0.9, 1.1):
        rate = fraction * theory_scalar.sampled_largest_rate(hc, batch)
        squares = (1 - rate * x**2) ** 2
        exact = theory_scalar.sampled_multiplier(rate, hc, batch)
        assert abs(squares.mean() - exact) < 4 * squares.std() / math.sqrt(draws)
    assert theory_scalar.sampled_multiplier(theory_scalar.sampled_largest_rate(hc, 4), hc, 4) == pytest.approx(1.0)


# -- continuous time ----------------------------------------------------------------------------------------


def test_perfect_integration_in_continuous_time_is_reached_at_four_ninths():
    for s in (0.1, 0.3, 0.44):
        mu = (1 - 9 * s / 4) ** (1 / 3)
        rate, _ = theory_scalar.leak_rates(mu, 1.0, 0.0)
        assert rate == pytest.approx(-0.75 / mu**2, rel=1e-14)  # d/ds of mu^3 = 1 - 9 s / 4


def test_continuous_prediction_follows_the_leak_equation():
    system = RNNIntegrator(
        timing="continuous", dynamics="flow", timescale=2.0, horizon=20, rate=1e-2, steps=200, records=20, scale=0.5
    )
    theory = predicted(system)
    exact = ode.solve(
        lambda t, y, k: jnp.stack(theory_scalar.leak_rates(y[0], y[1], k)),
        jnp.array([1.0, 0.5]),
        0.01 * system.recorded(),
        0.5,
    ).values
    # Gregory's quadrature at a lag spacing of 1/16: 0.03 spacing^4 f''' < 1e-6; the lags beyond 20: exp(-20)
    np.testing.assert_allclose(theory.curves["overlap"], 1 - exact[:, 0], atol=2e-6)
    losses = theory_scalar.leak_loss(exact[:, 0], exact[:, 1], 0.5)
    np.testing.assert_allclose(theory.curves["loss"], losses, atol=2e-6)


def test_flow_time_of_the_leak_matches_its_quadrature():
    for kappa, end, time in ((0.1, 0.11, 0.674300), (0.05, 0.06, 0.544926)):
        x, w = np.polynomial.legendre.leggauss(200)
        z = 0.5 * (math.log(1 - kappa) + math.log(end - kappa)) + 0.5 * math.log((end - kappa) / (1 - kappa)) * x
        mu = kappa + np.exp(z)
        rate, _ = theory_scalar.leak_rates(mu, 1.0, kappa)
        total = 0.5 * math.log((end - kappa) / (1 - kappa)) * np.sum(w * np.exp(z) / np.asarray(rate))
        assert total == pytest.approx(time, abs=5e-7)


# -- fixed features -----------------------------------------------------------------------------------------


def test_readout_alone_follows_its_closed_form_in_the_infinite_width_limit():
    system = RNNIntegrator(
        train="readout", start="given", along=0.0, across=0.0, bulk=0.6, timescale=5.0, horizon=6, rate=0.05, steps=100
    )
    theory = predicted(system)
    t = Task(target_filter(5.0, 0.0, 0.0, jnp.arange(6) * 1.0), jnp.ones(6), system.mask)
    start = theory_fock.lifted(Vectors(jnp.array([1.0, 0.0]), jnp.zeros(2)), 0.6, 5)
    curves, _ = reduced.descent(
        reduced.gradient, start, t, 0.05, system.recorded(), lambda s: {"loss": reduced.loss(s, t)}
    )
    np.testing.assert_allclose(theory.curves["loss"], curves["loss"], atol=1e-13)


def test_readout_losses_of_the_closed_form():
    lags = jnp.arange(30) * 1.0
    t = Task(target_filter(timescale(0.85), 0.0, 0.0, lags), jnp.ones(30))
    kernel = theory_lazy.lag_kernel(0.9, (1.0, 0.0), (0.0, 0.0, 1.0), 30)
    k = theory_lazy.lazy_response(kernel, jnp.zeros(30), t.target, t.weights, jnp.array([0.0, 1.0, 4.0, 12.0]))
    losses = 0.5 * jnp.sum((k - t.target) ** 2, axis=1)
    np.testing.assert_allclose(losses, [1.80170, 0.55902, 0.08513, 0.01556], atol=6e-6)


def test_wide_initial_vectors_make_learning_lazy():
    system = RNNIntegrator(
        start="given", dynamics="flow", bulk=0.6, timescale=timescale(0.8), horizon=6, along=0.0, steps=100, records=5
    )
    target = target_filter(system.timescale, 0.0, 0.0, jnp.arange(6) * 1.0)

    def error(c):
        setting = dataclasses.replace(system, scale=c, across=c, rate=0.02 / c**4)
        theory = setting.predict(None, RNNNumerics(depth=5))
        kernel = theory_lazy.lag_kernel(0.6, (c, c), system.mask, 6)
        k = theory_lazy.lazy_response(kernel, jnp.zeros(6), target, jnp.ones(6), jnp.array([2.0 / c**4]))
        return jnp.abs(theory.curves["filter"] - k[0]).max()

    errors = jax.jit(jax.vmap(error))(jnp.array([5.0, 10.0]))
    # the error falls as c^-4: by 16, up to the next order, c^-2 of it
    assert errors[0] / errors[1] == pytest.approx(16.0, rel=0.1)


# -- the conjugate pair -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "eigenvalue", "scale", "lost", "escape"),
    [(0.5, 0.47398, 1.05813, 0.687205, 0.715903), (0.2, 0.73036, 1.07504, 0.271349, 0.493060)],
)
def test_trap_is_the_best_real_exponential(frequency, eigenvalue, scale, lost, escape):
    t = task(0.9, 40, frequency)
    trap = jax.jit(theory_oscillator.trap)(t.target, t.weights)
    assert trap.eigenvalue == pytest.approx(eigenvalue, abs=6e-6)
    assert trap.scale == pytest.approx(scale, abs=6e-6)
    assert trap.loss == pytest.approx(lost, abs=6e-7)
    assert trap.escape_rate == pytest.approx(escape, abs=6e-7)


def test_escape_from_the_trap_takes_the_logarithm_of_the_asymmetry_over_the_rate():
    system = RNNIntegrator(
        dynamics="flow", start="given", timescale=timescale(0.9), frequency=0.5, along=1.0, rate=2e-3, steps=16000,
        records=3200,
    )  # fmt: skip
    chosen = system.numerics(None)
    deltas = jnp.array([1e-3, 1e-4, 1e-5])
    half = jax.jit(
        jax.vmap(lambda x: dataclasses.replace(system, across=x).predict(None, chosen).facts["coalescence_time"])
    )(deltas)
    slopes = np.diff(half) / math.log(10)
    np.testing.assert_allclose(slopes, 1 / 0.715903, rtol=0.01)


def test_eigenvalues_coalesce_and_leave_by_the_square_root_law():
    system = RNNIntegrator(
        dynamics="flow", start="given", timescale=timescale(0.9), frequency=0.5, scale=0.5, along=0.1, across=0.45,
        rate=5e-4, steps=16000, records=1600,
    )  # fmt: skip
    theory = predicted(system)
    meet = float(theory.facts["coalescence_time"])
    assert meet == pytest.approx(2.38887, abs=1e-5)
    time, disc = 5e-4 * system.recorded(), np.asarray(theory.curves["discriminant"])
    near = (time > meet) & (time < meet + 0.03)
    imaginary = 0.5 * np.sqrt(-disc[near])
    slope = np.polyfit(np.log(time[near] - meet), np.log(imaginary), 1)[0]
    assert slope == pytest.approx(0.5, abs=0.01)  # corrections are of relative order s - s_c
    trace = float(theory.curves["trace"][-1])
    assert trace == pytest.approx(2 * 0.9 * math.cos(0.5), abs=1e-4)
