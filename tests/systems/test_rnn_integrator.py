"""rnn_integrator: closed forms, limits, agreement with the full network, and wrong theories told apart."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.solvers import ode
from theorylab.systems.rnn_integrator import (
    RNNIntegrator,
    RNNNumerics,
    simulation,
    theory_fock,
    theory_lazy,
    theory_oscillator,
    theory_scalar,
)
from theorylab.systems.rnn_integrator import theory_reduced as reduced
from theorylab.systems.rnn_integrator.filters import loss_weights, target_filter
from theorylab.systems.rnn_integrator.presets import BULK, FIGURES, QUICK, timescale
from theorylab.systems.rnn_integrator.start import Vectors
from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task

FOCK_LOSSES = (1.29909, 1.21701, 1.11753, 0.98423, 0.77447, 0.33051, 0.00862, 0.00798)
"""Infinite-width loss at steps 0, 20, .., 140 of `BULK` at g = 0.2."""


def predicted(system, instance=None, **numerics):
    """The prediction, compiled, in float64."""
    chosen = system.numerics(instance).replace(**numerics)
    return jax.jit(lambda s, i: s.predict(i, chosen))(system, instance).raise_if_failed()


def simulated(system, runs, instance=None, seed=0):
    """Runs of the simulation, in the tests' float64 unless the system's leaves say float32."""
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(jnp.arange(runs))
    return jax.jit(jax.vmap(lambda k: system.simulate(instance, k)))(keys)


def single(system):
    """The system with float32 leaves, as the engine simulates it."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), system)


def task(pole, lags, frequency=0.0, mask=(1.0, 1.0, 1.0)):
    return Task(target_filter(timescale(pole), frequency, 0.0, jnp.arange(lags) * 1.0), jnp.ones(lags), mask)


def z_scores(runs, prediction):
    runs = np.asarray(runs, float)
    return (runs.mean(0) - np.asarray(prediction)) / (runs.std(0, ddof=1) / math.sqrt(len(runs)))


# -- the exact reduction ------------------------------------------------------------------------------------

SMALL = RNNIntegrator(
    start="given", timescale=timescale(0.9), scale=0.1, along=0.02, across=0.08, rate=2e-3, steps=2500, width=64
)


def test_full_network_descent_equals_the_eight_variable_system():
    curves, theory = simulated(SMALL, 1), predicted(SMALL)
    initial = float(theory.curves["loss"][0])
    assert theory.curves["loss"][-1] < 1e-3 * initial  # it did learn
    for name in ("loss", "trace", "discriminant", "filter"):
        np.testing.assert_allclose(curves[name][0], theory.curves[name], rtol=0, atol=1e-12 * initial)


@pytest.mark.parametrize(
    ("train", "weights"), [("recurrent+readout", "average"), ("readin+readout", "discount"), ("readin", "terminal")]
)
def test_reduction_is_exact_for_other_masks_weights_phases_and_random_vectors(train, weights):
    system = RNNIntegrator(
        start="random", train=train, weights=weights, discount=0.95, frequency=0.4, phase=0.3, scale=0.7,
        width=10, horizon=12, steps=60, records=6, rate=0.05,
    )  # fmt: skip
    instance = system.draw(jax.random.key(4))
    curves, theory = simulated(system, 1, instance), predicted(system, instance)
    for name, curve in theory.curves.items():
        np.testing.assert_allclose(curves[name][0], curve, rtol=0, atol=1e-12)


def test_reduced_gradient_equals_automatic_differentiation_in_any_dimension():
    for d in (2, 7):
        m, p, q = jax.random.normal(jax.random.key(d), (3, d, d)) * 0.4
        state, t = Reduced(m, p[0], q[0]), task(0.9, 15, 0.3)
        exact, automatic = jax.jit(lambda x: (reduced.gradient(x, t), jax.grad(reduced.loss)(x, t)))(state)  # noqa: B023
        for one, other in zip(exact, automatic, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * float(jnp.abs(other).max()))


def test_descent_approaches_the_flow_in_proportion_to_the_rate():
    start = Reduced(jnp.zeros((2, 2)), jnp.array([0.1, 0.0]), jnp.array([0.02, 0.08]))
    t, times = task(0.9, 40), jnp.linspace(0.0, 5.0, 501)

    def record(state):
        return {"loss": reduced.loss(state, t)}

    flow, _ = jax.jit(
        lambda: reduced.flow(reduced.gradient, start, t, times, record, rtol=1e-10, atol=1e-12, max_steps=10**5)
    )()
    steps = jax.jit(lambda rate, n: reduced.descent(reduced.gradient, start, t, rate, n, record)[0]["loss"])
    coarse, fine = [], []
    for rate in (2e-3, 1e-3, 5e-4, 2.5e-4):
        deviation = jnp.abs(steps(rate, jnp.rint(times / rate).astype(int)) - flow["loss"]) / flow["loss"][0]
        coarse.append(float(deviation[::20].max()))
        fine.append(float(deviation.max()))
    # known to two digits on 26 times, whose spacing steps over most of the drop
    np.testing.assert_allclose(coarse, [6.7e-3, 3.4e-3, 1.7e-3, 8.6e-4], rtol=0.02)
    # on 501 times the drop is resolved, and the constant is 33
    np.testing.assert_allclose(fine, 33.2 * np.array([2e-3, 1e-3, 5e-4, 2.5e-4]), rtol=0.03)


def test_silent_alignment_learns_at_the_logarithm_of_the_initial_length():
    system = RNNIntegrator(dynamics="flow", timescale=timescale(0.9), rate=1e-3, steps=12000, records=6000, scale=0.1)
    chosen = system.numerics(None)
    scales = jnp.array([1e-1, 1e-2, 1e-3, 1e-4])
    half = jax.jit(
        jax.vmap(lambda c: dataclasses.replace(system, scale=c).predict(None, chosen).facts["half_loss_time"])
    )(scales)
    # b = s_half - ln(1 / c); interpolation on a grid of 2e-3 errs by some 1e-5
    np.testing.assert_allclose(half + np.log(scales), [0.01840, 0.00537, 0.00514, 0.00513], atol=3e-5)


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
    lam = theory.curves["outlier"]
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
    joint = theory_scalar.curvature(decay, 0.0 * lags, 0.0, t.weights, t.mask, (1.0, 1.0), 1.0)
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
    np.testing.assert_allclose(theory.curves["outlier"], 1 - exact[:, 0], atol=2e-6)
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


# -- the bulk -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bulk():
    return RNNIntegrator(**BULK, bulk=0.2, width=200)


def test_circular_element_has_the_moments_of_a_ginibre_matrix():
    z = theory_fock.circular_element(4)
    vacuum = np.eye(len(z))[0]
    powers = [vacuum]
    for _ in range(4):
        powers.append(z @ powers[-1])
    for n, power in enumerate(powers):
        assert power @ power == 1.0  # <z*^n z^n> = 1
        assert power @ vacuum == float(n == 0)  # <z^n> = 0
    assert np.sum((z.T @ z @ vacuum) ** 2) == 2.0  # <(z* z)^2> = 2, the second Catalan number


def test_infinite_width_limit_is_chosen_by_itself_and_gives_the_known_losses(bulk):
    assert bulk.numerics(None).depth > 0
    theory = predicted(bulk, depth=6)
    np.testing.assert_allclose(theory.curves["loss"][::5], FOCK_LOSSES, atol=6e-6)  # five digits are known
    # the depth that is chosen by itself is good to its stated 1e-3 of the initial loss
    np.testing.assert_allclose(predicted(bulk).curves["loss"], theory.curves["loss"], atol=1e-3 * FOCK_LOSSES[0])


@pytest.fixture(scope="module")
def wide_runs(bulk):
    return simulated(single(bulk), 32, seed=1)["loss"]


def test_wide_networks_have_the_infinite_width_mean(bulk, wide_runs):
    assert np.abs(z_scores(wide_runs, predicted(bulk).curves["loss"])[5::5]).max() < 3


def test_a_bulk_left_out_is_flagged_and_told_apart(bulk, wide_runs):
    theory = predicted(bulk, depth=0)
    assert theory.facts["bulk_left_out"] == 0.2
    assert "bulk_left_out" not in predicted(bulk).facts
    assert np.abs(z_scores(wide_runs, theory.curves["loss"])[5::5]).max() > 6


class Misjudged(RNNIntegrator):
    """A theory that is wrong on purpose: it believes in a target memory 10 % too long."""

    def predict(self, instance, numerics):
        return RNNIntegrator.predict(dataclasses.replace(self, timescale=1.1 * self.timescale), instance, numerics)


def test_a_coefficient_off_by_ten_percent_is_told_apart(bulk, wide_runs):
    wrong = Misjudged(**{f.name: getattr(bulk, f.name) for f in dataclasses.fields(bulk)})
    assert np.abs(z_scores(wide_runs, predicted(wrong).curves["loss"])[5::5]).max() > 6


@pytest.mark.slow
def test_size_ladder_extrapolates_to_the_infinite_width_limit():
    case = FIGURES.case("ladder")
    sizes, runs = np.array(case.sizes), 64
    theory = np.asarray(predicted(RNNIntegrator.from_case(case)).curves["loss"])
    deviations, variances = [], []
    for n in sizes:
        curves = np.asarray(simulated(single(RNNIntegrator.from_case(case, width=int(n))), runs)["loss"], float)
        deviations.append(curves.mean(0) - theory)
        variances.append(curves.var(0, ddof=1) / runs)
    # weighted least squares d = a + b / n at each recorded step after the first
    d, w = np.array(deviations)[:, 1:], 1 / np.array(variances)[:, 1:]
    x = 1.0 / sizes[:, None]
    s, sx, sxx, sy, sxy = (np.sum(w * y, 0) for y in (1 + 0 * x, x, x * x, d, x * d))
    limit, error = (sxx * sy - sx * sxy) / (s * sxx - sx**2), np.sqrt(sxx / (s * sxx - sx**2))
    scale = np.sqrt(np.mean(theory**2))
    norm, noise = np.sqrt(np.mean(limit**2)) / scale, np.sqrt(np.mean(error**2)) / scale
    assert norm + 2 * noise < 0.05
    largest = np.sqrt(np.mean(d[-1] ** 2)) / scale
    assert largest < np.sqrt(np.mean(d[0] ** 2)) / scale


def test_two_vacua_hold_an_oscillation_learned_from_a_bulk():
    system = RNNIntegrator.from_case(FIGURES.case("pair-with-bulk"))
    theory = predicted(dataclasses.replace(system, records=9), depth=5)
    # known at depth 4 or 5 to four digits; truncation 1.2e-3 of the initial loss
    np.testing.assert_allclose(theory.curves["loss"][1:8:2], [0.3028, 0.1439, 0.0704, 0.0106], atol=1.2e-3)


def test_outlier_of_a_bulk_fluctuates_as_predicted():
    n, lam, g, draws = 60, 0.8, 0.3, 60
    rng = np.random.default_rng(0)
    matrices = g * rng.standard_normal((draws, n, n)) / math.sqrt(n)
    matrices[:, 0, 0] += lam
    outliers = np.abs(np.linalg.eigvals(matrices)).max(1)
    spread = float(theory_fock.outlier_spread(lam, g, n))
    assert abs(outliers.mean() - lam) < 4 * spread / math.sqrt(draws)
    assert outliers.std(ddof=1) == pytest.approx(spread, rel=4 / math.sqrt(2 * draws))


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


# -- sampled noise ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", ["terminal", "average"])
def test_stochastic_descent_equals_the_reduction_path_by_path(weights):
    system = RNNIntegrator(
        dynamics="sgd", start="given", weights=weights, frequency=0.3, timescale=timescale(0.85), horizon=10, batch=5,
        scale=0.8, along=0.3, across=0.6, rate=0.02, steps=50, records=50, width=12,
    )  # fmt: skip
    key = jax.random.fold_in(jax.random.key(0), 0)
    curves = simulated(system, 1)
    noise = jnp.asarray(simulation.training_noise(system, key))
    covariances = jax.vmap(lambda x: reduced.lagged_covariance(x, weights == "average"))(noise)
    lags = jnp.arange(10) * 1.0
    t = Task(target_filter(system.timescale, 0.3, 0.0, lags), loss_weights(weights, 1.0, lags, 10))
    start = Reduced(jnp.zeros((2, 2)), jnp.array([0.8, 0.0]), jnp.array([0.3, 0.6]))
    _, losses = reduced.sampled_descent(start, t, system.rate, covariances)
    np.testing.assert_allclose(curves["loss"][0][:-1], losses, rtol=0, atol=1e-13)


def test_sampled_noise_has_the_loss_weights_as_its_mean_covariance():
    x = jax.random.normal(jax.random.key(2), (20_000, 6))
    lags = jnp.arange(6) * 1.0
    for kind in ("terminal", "average"):
        c = reduced.lagged_covariance(x, kind == "average")
        # entries have standard deviation at most sqrt(2 / 20000)
        np.testing.assert_allclose(c, jnp.diag(loss_weights(kind, 1.0, lags, 6)), atol=5 * math.sqrt(2 / 20_000))


def test_mean_of_stochastic_descent_follows_the_mean_step():
    system = RNNIntegrator.from_case(QUICK.case("sgd"))
    runs = np.asarray(simulated(single(system), 16)["loss"], float)
    theory = np.asarray(predicted(system).curves["loss"])
    deviation = np.sqrt(np.mean((runs.mean(0) - theory) ** 2) / np.mean(theory**2))
    noise = np.sqrt(np.mean(runs.var(0, ddof=1) / 16) / np.mean(theory**2))
    # corrections to the mean step are of order kappa / batch = 0.5 %
    assert deviation < 0.005 + 3 * noise


# -- the interface ------------------------------------------------------------------------------------------


def test_every_case_builds_and_both_sides_give_its_observables():
    for preset in RNNIntegrator.presets.values():
        for case in preset.cases:
            system = RNNIntegrator.from_case(case)
            instance = system.draw(jax.random.key(0))
            axes = {name: len(values) for name, values in system.coordinates().items()}
            shapes = {o.name: tuple(axes[d] for d in o.dims) for o in system.observables}
            chosen = system.numerics(instance)
            theory = jax.eval_shape(lambda s, i: s.predict(i, chosen), system, instance).curves  # noqa: B023
            runs = jax.eval_shape(system.simulate, instance, jax.random.key(0))
            assert {k: v.shape for k, v in theory.items()} == shapes
            assert {k: v.shape for k, v in runs.items()} == shapes
            assert not [w for w in system.warnings(instance) if "stable" in w]


def test_prediction_is_traced_once_across_couplings_and_differentiates():
    system = RNNIntegrator(dynamics="flow", steps=300, records=3, horizon=12)
    traces = []

    def final(tau):
        traces.append(1)
        return dataclasses.replace(system, timescale=tau).predict(None, RNNNumerics()).curves["loss"][-1]

    jitted = jax.jit(jax.jacfwd(final))
    slope = [float(jitted(tau)) for tau in (8.0, 10.0, 12.0)]
    assert len(traces) == 1
    plain = jax.jit(final)
    numeric = (float(plain(10.0 + 1e-4)) - float(plain(10.0 - 1e-4))) / 2e-4
    assert slope[1] == pytest.approx(numeric, rel=1e-5)  # solver tolerance 1e-9 over a difference of 2e-4


def test_cost_and_numerics_grow_with_what_is_asked():
    short, long = RNNIntegrator(dynamics="flow", timescale=5.0), RNNIntegrator(dynamics="flow", timescale=30.0)
    assert short.cost() < long.cost() < RNNIntegrator(dynamics="flow", timescale=30.0, bulk=0.3).cost()
    assert RNNIntegrator(horizon=math.inf, timescale=100.0).numerics(None).lags >= 1833
    depths = [RNNIntegrator(bulk=g).numerics(None).depth for g in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert depths == sorted(depths)
    assert depths[0] == 0
    assert RNNIntegrator().deterministic
    assert not RNNIntegrator(bulk=0.1).deterministic
    assert not RNNIntegrator(dynamics="sgd").deterministic


# -- bad input ----------------------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"width": 1, "start": "random"}, "width of at least 2"),
        ({"horizon": 1}, "horizon must be an integer of at least 2"),
        ({"timescale": 0.0}, "timescale must be positive"),
        ({"timescale": -1.0}, "timescale must be positive"),
        ({"timescale": NAN}, "timescale must be positive"),
        ({"timescale": INF, "horizon": INF}, "perfect integrator"),
        ({"bulk": 1.0, "horizon": INF}, "spectral radius below 1"),
        ({"bulk": -0.1}, "bulk must not be negative"),
        ({"frequency": NAN}, "frequency must be finite"),
        ({"phase": INF}, "phase must be finite"),
        ({"scale": 0.0}, "nothing is learned"),
        ({"scale": 0.0, "start": "given", "train": "recurrent"}, "read-in is zero and not trained"),
        ({"start": "given", "along": 0.0, "across": 0.0, "train": "readin"}, "read-out is zero and not trained"),
        ({"rate": 0.0}, "rate must be positive"),
        ({"rate": -1.0}, "rate must be positive"),
        ({"rate": 0.1, "strict": True}, "the solution is not stable at rate 0.1"),
        ({"batch": 0}, "batch must be an integer of at least 1"),
        ({"discount": 0.0}, r"discount must be in \(0, 1\]"),
        ({"discount": 1.1}, r"discount must be in \(0, 1\]"),
        ({"weights": "average", "horizon": INF}, "finite horizon"),
        ({"timing": "continuous", "horizon": INF}, "finite horizon"),
        ({"dynamics": "sgd", "horizon": INF}, "finite horizon"),
        ({"dynamics": "sgd", "timing": "continuous"}, "discrete time"),
        ({"dynamics": "newton"}, "dynamics must be one of flow, descent, sgd"),
        ({"train": "everything"}, "train must be one of"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(fields, sentence):
    with pytest.raises(Refused, match=sentence):
        RNNIntegrator(**fields)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(Refused, match="width as an integer"):
        jax.eval_shape(RNNIntegrator(width=INF).simulate, None, jax.random.key(0))
    with pytest.raises(Refused, match="above 2048"):
        predicted(RNNIntegrator(bulk=0.3), depth=11)
    with pytest.raises(Refused, match="must have the target's length"):
        reduced.gradient(Reduced(jnp.eye(2), jnp.ones(2), jnp.ones(2)), Task(jnp.ones(5), jnp.ones(4)))


def test_what_is_allowed_but_doubtful_is_warned_of():
    assert RNNIntegrator().warnings(None) == ()
    (said,) = RNNIntegrator(rate=0.1).warnings(None)
    assert "rate x curvature" in said
    (said,) = RNNIntegrator(frequency=0.5).warnings(None)
    assert "trapped" in said
    (said,) = RNNIntegrator(bulk=0.9).warnings(None)
    assert "not accurate above 0.8" in said


def test_a_diverging_run_is_not_finite_and_so_is_its_prediction():
    system = RNNIntegrator(rate=1.0, steps=50, records=10)
    assert not np.isfinite(np.asarray(simulated(system, 1)["loss"])).all()
    chosen = system.numerics(None)
    assert "lower the learning rate" in jax.jit(lambda s: s.predict(None, chosen))(system).failure()
