"""rnn_integrator: the theory against the full network, and wrong theories told apart."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rnn_helpers import predicted, simulated, single, task, z_scores

import theorylab as tl
from theorylab.systems.rnn_integrator import (
    RNNIntegrator,
    simulation,
    theory_fock,
)
from theorylab.systems.rnn_integrator import theory_reduced as reduced
from theorylab.systems.rnn_integrator.filters import loss_weights, target_filter
from theorylab.systems.rnn_integrator.presets import BULK, FIGURES, QUICK, timescale
from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task

FOCK_LOSSES = (1.29909, 1.21701, 1.11753, 0.98423, 0.77447, 0.33051, 0.00862, 0.00798)
"""Infinite-width loss at steps 0, 20, .., 140 of `BULK` at g = 0.2."""


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
    # the eigenvalue, unlike the overlap, reaches the target's pole
    assert theory.facts["outlier"] == pytest.approx(0.85, abs=0.02)
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


def test_the_verdict_tells_the_theory_from_wrong_ones():
    system = RNNIntegrator(**BULK, bulk=0.2, width=100)
    wrong = Misjudged(**{f.name: getattr(system, f.name) for f in dataclasses.fields(system)})

    def verdict(*args, **kwargs):
        return tl.compare.run(*args, runs=32, **kwargs).rungs[-1].agreements["loss"].word

    assert verdict(system) == "agrees"
    assert verdict(wrong) == "differs"
    assert verdict(system, numerics={"depth": 0}) == "differs"  # the bulk left out


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
