"""Ensembles of random-feature regressors: closed forms, monotonicity, exponents, agreement, refusals."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.core import Prediction, Refused, coupling
from theorylab.core.casting import cast, in_precision
from theorylab.data import digits, spectra
from theorylab.solvers.resolvent import Modes, renormalised_ridge, ridge_moments, ridgeless_kappa
from theorylab.systems.rf_ensembles import RFEnsembles, setting, simulation, theory, theory_scaling
from theorylab.systems.rf_ensembles.theory_tuned import tuned

INF = math.inf


def power_law(dimension: int, capacity: float = 1.3, source: float = 2.04) -> Modes:
    """Target power of 1 in all."""
    found = spectra.scaled(spectra.power_law(dimension, capacity, source), 1.0)
    return Modes(*(jnp.asarray(x) for x in found))


MODES = power_law(400)

# sizes traced, so that settings share a program
_risk = jax.jit(
    jax.vmap(theory.ensemble_risk, (None, 0, None, None, None, None)),
)
_tuned = jax.jit(jax.vmap(tuned, (None, 0, 0, 0, None)))


def risk(ridges, samples, width, members, noise=0.3, modes=MODES) -> theory.Risk:
    sizes = (jnp.asarray(float(n)) for n in (samples, width, members))
    found = _risk(modes, jnp.atleast_1d(jnp.asarray(ridges, float)), *sizes, noise)
    return jax.tree.map(np.asarray, found)


def at_best(samples, widths, members, noise, modes):
    """Several settings at their best ridge; padded to six, so that one program serves all."""
    sizes = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, float)) for x in (samples, widths, members)))
    padded = (jnp.asarray(np.pad(x, (0, 6 - x.size), mode="edge")) for x in sizes)
    return jax.tree.map(lambda x: np.asarray(x)[: sizes[0].size], _tuned(modes, *padded, noise))


def best(samples, widths, members, noise, modes) -> np.ndarray:
    return at_best(samples, widths, members, noise, modes).risk


# -- values of the deterministic equivalent --------------------------------------------------------------------


def test_unit_values() -> None:
    found = risk([1e-3, 0.1], 100, 80, INF)
    moments = [ridge_moments(MODES, kappa, 100, 80, 0.09) for kappa in found.kappa]
    np.testing.assert_allclose(found.kappa, [0.012216, 0.135144], atol=5e-7)
    np.testing.assert_allclose(found.kappa[0] * (1 - found.freedom[0] / 80), 0.002668, atol=5e-7)
    np.testing.assert_allclose(found.freedom, [62.52493, 12.41381], atol=5e-6)
    np.testing.assert_allclose(found.bias[0], 0.013926, atol=5e-7)
    np.testing.assert_allclose([m.across for m in moments], [0.136988, 0.196652], atol=5e-7)
    np.testing.assert_allclose([m.same for m in moments], [0.259125, 0.216073], atol=5e-7)
    g = 1 / (MODES.values + found.kappa[0])
    assert float(jnp.sum((MODES.values * g) ** 2)) == pytest.approx(24.135025, abs=5e-7)
    assert float(found.kappa[0] * jnp.sum(MODES.values * MODES.power * g**2)) == pytest.approx(0.035360, abs=5e-7)


ROWS = {
    (200, 60, 1): [0.1106, 0.0992, 0.0798, 0.1272, 0.4338],
    (200, 60, 5): [0.0448, 0.0430, 0.0456, 0.1078, 0.4278],
    (100, 150, 1): [0.2513, 0.1261, 0.0658, 0.1119, 0.4275],
    (100, 150, 4): [0.1204, 0.0735, 0.0491, 0.1041, 0.4252],
    (60, 300, 1): [0.1131, 0.1005, 0.0726, 0.1154, 0.4294],
    (60, 300, 4): [0.0872, 0.0794, 0.0627, 0.1112, 0.4282],
}


@pytest.mark.parametrize("sizes", ROWS)
def test_risk_of_validation_settings(sizes) -> None:
    # to the digits of the values, computed once by another program
    np.testing.assert_allclose(risk([1e-4, 1e-3, 1e-2, 1e-1, 1.0], *sizes).risk, ROWS[sizes], atol=5.1e-5)


def test_training_error_of_validation_settings() -> None:
    single, three = (risk([0.01, 0.1], 120, 90, k, noise=0.4, modes=power_law(200)) for k in (1, 3))
    np.testing.assert_allclose(single.train_error, [0.1177, 0.2255], atol=5.1e-5)
    np.testing.assert_allclose(three.train_error, [0.1074, 0.2171], atol=5.1e-5)
    np.testing.assert_allclose(three.gcv, three.risk + 0.16, rtol=1e-14)


# -- closed forms ----------------------------------------------------------------------------------------------


def test_infinite_ensemble_is_kernel_regression_at_a_larger_ridge() -> None:
    many = risk([1e-3, 0.1], 100, 80, INF)
    effective = np.array([1e-3, 0.1]) / (1 - many.freedom / 80)
    np.testing.assert_allclose(risk(effective, 100, INF, 1).risk, many.risk, rtol=1e-12)


def test_members_drop_out_at_infinite_width() -> None:
    one, five = (risk([1e-3, 0.1], 100, INF, k) for k in (1, 5))
    np.testing.assert_array_equal(one.risk, five.risk)
    assert np.all(one.feature_variance == 0)
    kappa = one.kappa[0]
    g = 1 / (MODES.values + kappa)
    a = jnp.sum((MODES.values * g) ** 2) / 100
    bias = kappa**2 * jnp.sum(MODES.power * g**2)
    assert one.risk[0] == pytest.approx(float((0.09 + bias) / (1 - a) - 0.09), rel=1e-13)


def test_population_without_ridge_is_a_projection() -> None:
    found = risk(0.0, INF, 70, 1)
    kappa = found.kappa[0]
    assert found.freedom[0] == pytest.approx(70, rel=1e-13)
    projection = kappa * jnp.sum(MODES.power / (MODES.values + kappa))
    assert found.risk[0] == pytest.approx(float(projection), rel=1e-12)
    assert found.risk[0] == pytest.approx(0.0431087767, abs=5e-11)
    assert risk(1e-12, 1e15, 70, 1).risk[0] == pytest.approx(0.0431087767, abs=5e-11)
    assert risk(0.0, INF, 70, 1, noise=2.0).risk[0] == pytest.approx(found.risk[0], rel=1e-12)


def test_large_ridge_predicts_zero() -> None:
    assert risk(1e12, 100, 80, 3).risk[0] == pytest.approx(1.0, rel=1e-9)


def test_white_data_solve_a_cubic() -> None:
    white = Modes(*(jnp.asarray(x) for x in spectra.flat(100)))
    kappa = float(renormalised_ridge(white, 0.3, 80, 60))
    assert kappa == pytest.approx(1.603564934881, abs=1e-12)
    assert kappa * (1 - 100 / (80 * (1 + kappa))) * (1 - 100 / (60 * (1 + kappa))) == pytest.approx(0.3, rel=1e-13)


def test_one_member_diverges_at_the_interpolation_peak_and_infinitely_many_do_not() -> None:
    assert risk(1e-13, 100, 100, 1).risk[0] == pytest.approx(1.4e4, rel=0.04)
    assert risk(1e-13, 100, 100, INF).risk[0] == pytest.approx(0.0838, abs=5.1e-5)


def test_units_of_inputs_and_labels_do_not_matter() -> None:
    base = risk([1e-3, 0.1], 100, 80, 3)
    c = 7.0
    inputs = Modes(c * MODES.values, MODES.power, MODES.multiplicity)
    np.testing.assert_allclose(risk([c * 1e-3, c * 0.1], 100, 80, 3, modes=inputs).risk, base.risk, rtol=1e-12)
    labels = Modes(MODES.values, c * MODES.power, MODES.multiplicity)
    scaled = risk([1e-3, 0.1], 100, 80, 3, noise=0.3 * math.sqrt(c), modes=labels).risk
    np.testing.assert_allclose(scaled, c * base.risk, rtol=1e-12)


def test_renormalised_ridge_is_symmetric_in_samples_and_width_and_the_risk_is_not() -> None:
    one, other = risk([1e-3], 100, 80, 2), risk([1e-3], 80, 100, 2)
    np.testing.assert_allclose(one.kappa, other.kappa, rtol=1e-14)
    assert abs(one.risk[0] / other.risk[0] - 1) > 0.01


def test_parts_add_up() -> None:
    found = risk([1e-4, 1e-2], 200, 60, 5)
    np.testing.assert_allclose(found.bias + found.data_variance + found.feature_variance / 5, found.risk, rtol=1e-13)
    np.testing.assert_allclose(found.member_risk, risk([1e-4, 1e-2], 200, 60, 1).risk, rtol=1e-13)


def test_bisection_agrees_with_the_explicit_inverse_over_random_settings() -> None:
    """ridge(kappa) is explicit: starting from kappa, its ridge must lead back."""
    rng = np.random.default_rng(3)
    sizes = np.exp(rng.uniform(0, 8, (2, 200)))
    least = np.asarray(jax.vmap(ridgeless_kappa, (None, 0, 0))(MODES, *sizes))
    kappa = np.maximum(least, 1e-8) * (1 + np.exp(rng.uniform(-6, 6, 200)))
    freedom = np.asarray(MODES.freedom(jnp.asarray(kappa)))
    ridge = kappa * (1 - freedom / sizes[0]) * (1 - freedom / sizes[1])
    found = jax.vmap(renormalised_ridge, (None, 0, 0, 0))(MODES, ridge, *sizes)
    np.testing.assert_allclose(found, kappa, rtol=1e-11)


def test_multiplicity_equals_copies() -> None:
    grouped = Modes(jnp.asarray([1.0, 0.2]), jnp.asarray([0.01, 0.003]), jnp.asarray([40.0, 90.0]))
    copies = Modes(*(jnp.repeat(x, jnp.asarray([40, 90])) for x in (grouped.values, grouped.power)), jnp.ones(130))
    for modes in (grouped, copies):
        found = theory.ensemble_risk(modes, 0.01, 60, 50, 3, 0.2)
        assert float(found.risk) == pytest.approx(
            float(theory.ensemble_risk(grouped, 0.01, 60, 50, 3, 0.2).risk), rel=1e-12
        )


# -- the best ridge --------------------------------------------------------------------------------------------


def test_best_risk_falls_with_width_samples_and_members() -> None:
    widths = best(100, [10, 30, 100, 300], 2, 0.3, MODES)
    # the second is 0.1088488 here, 5.12e-5 from the reference, which is rounded to 1e-4
    np.testing.assert_allclose(widths, [0.2290, 0.1089, 0.0610, 0.0486], atol=5.2e-5)
    samples = best([10, 30, 100, 300], 80, 2, 0.3, MODES)
    np.testing.assert_allclose(samples, [0.2299, 0.1209, 0.0660, 0.0424], atol=5.1e-5)
    members = best(100, 80, [1, 2, 4, 16, INF], 0.3, MODES)
    np.testing.assert_allclose(members, [0.0842, 0.0660, 0.0556, 0.0466, 0.0431], atol=5.1e-5)


LARGE = power_law(3000)
SPLITS = np.array([1, 2, 4, 8, 16, 32])


@pytest.mark.parametrize(
    ("samples", "noise", "values"),
    [
        (256, 0.3, [0.042567, 0.044430, 0.048401, 0.060799, 0.101698, 0.186431]),
        (2000, 0.0, [0.016935, 0.021778, 0.031813, 0.053395, 0.098064, 0.184401]),
        (50, 1.0, [0.199867, 0.200233, 0.200997, 0.202668, 0.206622, 0.233206]),
    ],
)
def test_no_free_lunch_at_the_best_ridge(samples, noise, values) -> None:
    np.testing.assert_allclose(best(samples, 256 / SPLITS, SPLITS, noise, LARGE), values, atol=5.1e-7)


def test_ensembles_win_at_a_wrong_ridge() -> None:
    found = [risk(1e-10, 256, 256 / k, k, modes=LARGE).risk[0] for k in SPLITS]
    np.testing.assert_allclose(found[1:], [0.0908, 0.0504, 0.0608, 0.1017, 0.1864], atol=5.1e-5)
    assert found[0] == pytest.approx(254, abs=0.5)


def test_wide_members_collapse_on_the_total_number_of_features() -> None:
    table = {
        800: [0.075188, 0.075421, 0.075921, 0.077070],
        1600: [0.071736, 0.071800, 0.071935, 0.072231],
        3200: [0.069970, 0.069987, 0.070022, 0.070096],
    }
    for total, values in table.items():
        members = SPLITS[:4]
        np.testing.assert_allclose(best(50, total / members, members, 0.3, LARGE), values, atol=5.1e-7)
    np.testing.assert_allclose(best(50, [INF], 1, 0.3, LARGE), 0.068176, atol=5.1e-7)


def random_problems(count: int):
    """Spectra of 40 entries (power laws, log-normal, two levels, with multiplicities), targets, sizes, noises."""
    rng = np.random.default_rng(11)
    index = np.arange(1.0, 41)
    steep, wild = index ** -rng.uniform(0.3, 3, (count, 1)), np.exp(2 * rng.normal(size=(count, 40)))
    values = np.where(rng.random((count, 1)) < 0.6, steep, wild)
    power = values * np.exp(rng.normal(0, 2, (count, 40)))
    power /= power.sum(1, keepdims=True)
    multiplicity = np.where(rng.random((count, 1)) < 0.5, 1.0, rng.integers(1, 20, (count, 40)))
    samples, width = np.round(np.exp(rng.uniform(0, 6, (2, count))))
    members = rng.integers(2, 20, count).astype(float)
    noise = np.where(rng.random(count) < 0.3, 0.0, np.exp(rng.uniform(-4, 1, count)))
    return Modes(*(jnp.asarray(x) for x in (values, power, multiplicity))), samples, width, members, noise


def test_no_violation_of_monotonicity_in_300_random_problems() -> None:
    modes, samples, width, members, noise = random_problems(300)
    smallest = jax.jit(jax.vmap(lambda m, p, n, k, s: tuned(m, p, n, k, s).risk))
    base = smallest(modes, samples, width, members, noise)
    # round-off of risks up to the target's power 1
    slack = base * (1 + 1e-10) + 1e-14
    assert np.all(smallest(modes, samples, width * members, jnp.ones(300), noise) <= slack)
    assert np.all(smallest(modes, samples, width + 3, members, noise) <= slack)
    assert np.all(smallest(modes, samples + 3, width, members, noise) <= slack)
    assert np.all(smallest(modes, samples, width, members + 1, noise) <= slack)


def test_best_ridge_is_a_minimum_over_a_fine_grid() -> None:
    ridges = np.geomspace(1e-6, 1e2, 400)
    settings = np.array([[100, 80, 1], [100, 100, 3], [60, 300, 2], [100, 30, 2]], float)
    found = at_best(*settings.T, 0.3, MODES)
    for i, sizes in enumerate(settings):
        curve = risk(ridges, *sizes).risk
        assert found.risk[i] <= curve.min()
        assert found.risk[i] == pytest.approx(curve.min(), rel=1e-3)
        assert risk(found.ridge[i], *sizes).risk[0] == pytest.approx(found.risk[i], rel=1e-12)


def test_no_ridge_is_best_without_noise_and_with_many_samples() -> None:
    found = at_best(1e6, 40, 4, 0.0, MODES)
    assert found.ridge[0] == 0.0
    assert found.risk[0] == pytest.approx(risk(0.0, 1e6, 40, 4, noise=0.0).risk[0], rel=1e-6)


# -- power laws ------------------------------------------------------------------------------------------------

EXPONENTS = {
    (1.5, 0.3): {1.0: 0.901, 0.8: 0.729, 0.6: 0.540, 0.4: 0.360},
    (1.5, 0.8): {1.0: 1.502, 0.8: 1.400, 0.6: 1.308, 0.4: 0.959},
    (2.0, 0.8): {1.0: 2.000, 0.8: 1.800, 0.6: 1.600, 0.4: 1.286},
    (1.2, 0.9): {1.0: 1.200, 0.8: 1.160, 0.6: 1.141, 0.4: 0.847},
}


@pytest.mark.parametrize(("capacity", "r"), EXPONENTS)
def test_exponents_of_ensembles_follow_the_formula(capacity, r) -> None:
    source = 1 + 2 * capacity * r
    for growth, measured in EXPONENTS[capacity, r].items():
        largest = 1e8 if growth >= 0.8 else 1e11
        slope = theory_scaling.local_exponents(capacity, source, growth, [largest / 10, largest])[0]
        assert slope == pytest.approx(measured, abs=2.1e-3)
        # near capacity 1 bias and variance still cross over at 10^11 features
        distance = 0.02 if capacity >= 1.5 else 0.025
        assert slope == pytest.approx(theory_scaling.budget_exponent(capacity, source, growth), abs=distance)


def test_exponent_has_its_two_branches() -> None:
    # hard task: only one model is optimal, and the loss of exponent is linear
    assert theory_scaling.budget_exponent(1.5, 1.9, 0.4) == pytest.approx(0.36)
    assert theory_scaling.critical_growth(1.5, 1.9) == 1.0
    # easy task: l* = 1/(1 + alpha (2 r - 1))
    assert theory_scaling.critical_growth(1.5, 1 + 2.4) == pytest.approx(1 / (1 + 1.5 * 0.6))
    assert theory_scaling.exponent_loss(1.1, 1 + 2.2 * 0.9, 0.7) == pytest.approx(0.1 * 0.3)
    assert theory_scaling.budget_exponent(1.5, 9.0, 1.0) == 1.5


def test_data_limited_and_width_limited_exponents() -> None:
    for r, data, width in ((0.3, 0.9, 0.9), (0.8, 2.4, 1.5)):
        modes = theory_scaling.endless_modes(1.5, 1 + 3.0 * r)
        points = np.array([1e4, 1e5])
        by_data = np.asarray(theory_scaling.tuned_risks(modes, points, INF, 1.0, 0.0))
        by_width = np.asarray(theory_scaling.tuned_risks(modes, INF, points, 1.0, 0.0))
        assert -np.diff(np.log10(by_data))[0] == pytest.approx(data, abs=0.02)
        assert -np.diff(np.log10(by_width))[0] == pytest.approx(width, abs=0.02)


def test_power_law_without_end_does_not_feel_where_it_is_grouped() -> None:
    risks = []
    for largest in (10**9, 10**12):
        modes = theory_scaling.endless_modes(1.4, 1.9, largest)
        risks.append(float(theory_scaling.tuned_risks(modes, INF, [1e5, 1e6], 1.0, 0.0)[0]))
    assert risks[0] == pytest.approx(risks[1], rel=1e-6)
    cut = Modes(*(jnp.asarray(x) for x in spectra.power_law(10**12, 1.4, 1.9)))
    dropped = float(theory_scaling.tuned_risks(cut, INF, [1e5, 1e6], 1.0, 0.0)[0] / cut.signal())
    assert abs(dropped / risks[1] - 1) > 5e-4


def test_bad_power_laws_are_refused() -> None:
    with pytest.raises(Refused, match=r"growth of the width, N = M\^growth, must be in \(0, 1\], got 0"):
        theory_scaling.budget_exponent(1.5, 1.9, 0.0)
    with pytest.raises(Refused, match="growth of the width"):
        theory_scaling.local_exponents(1.5, 1.9, 1.2, [10.0, 100.0])
    with pytest.raises(Refused, match="exponents need capacity above 1, got 1"):
        theory_scaling.budget_exponent(1.0, 1.9, 0.5)
    with pytest.raises(Refused, match="exponents need source above 1, got 1"):
        theory_scaling.critical_growth(1.5, 1.0)
    with pytest.raises(Refused, match="without end needs capacity above 1"):
        theory_scaling.endless_modes(1.0, 1.9)
    with pytest.raises(Refused, match="without end needs source above 1"):
        theory_scaling.endless_modes(1.5, 0.9)


# -- derivatives -----------------------------------------------------------------------------------------------


def test_derivatives_match_differences() -> None:
    small = power_law(60)

    @jax.jit
    def outcome(ridge, samples, width, noise, tilt, shift):
        modes = Modes(small.values * jnp.exp(tilt), small.power * (1 + shift * small.values), small.multiplicity)
        found = theory.ensemble_risk(modes, ridge, samples, width, 3, noise)
        at_best = tuned(modes, samples, width, 3, noise).risk
        ridgeless = theory.ensemble_risk(modes, 0.0, samples, width, 3, noise).risk
        return jnp.stack([found.risk, found.feature_variance, found.train_error, at_best, ridgeless])

    point = [jnp.asarray(x) for x in (0.01, 50.0, 30.0, 0.3, 0.0, 0.0)]
    slopes = jax.jit(jax.jacfwd(outcome, argnums=range(6)))(*point)
    for i, slope in enumerate(slopes):
        step = 1e-5 * max(1.0, float(point[i])) if i else 1e-7
        high, low = ([x + sign * step * (i == j) for j, x in enumerate(point)] for sign in (1, -1))
        # central differences: 1e-9 relative truncation, 1e-10 round-off
        np.testing.assert_allclose(slope, (outcome(*high) - outcome(*low)) / (2 * step), rtol=2e-6, atol=1e-8)


# -- simulation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("samples", "width"), [(30, 12), (12, 30)])
def test_all_ridges_of_a_run_solve_their_normal_equations(samples, width) -> None:
    rng = np.random.default_rng(0)
    rows, labels, ridges = rng.normal(size=(samples, width)), rng.normal(size=samples), np.array([1e-3, 0.1, 2.0])
    weights, trace = simulation.ridge_weights(jnp.asarray(rows), jnp.asarray(labels), samples, jnp.asarray(ridges))
    for i, ridge in enumerate(ridges):
        normal = rows.T @ rows / samples + ridge * np.eye(width)
        np.testing.assert_allclose(weights[i], np.linalg.solve(normal, rows.T @ labels / samples), rtol=1e-9)
        smoother = rows @ np.linalg.solve(normal, rows.T) / samples
        assert float(trace[i]) == pytest.approx(np.trace(smoother), rel=1e-11)


def test_without_a_ridge_the_least_norm_solution_is_found() -> None:
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(10, 30)), rng.normal(size=10)
    weights, trace = simulation.ridge_weights(jnp.asarray(rows), jnp.asarray(labels), 10, jnp.zeros(1))
    np.testing.assert_allclose(weights[0], np.linalg.lstsq(rows, labels, rcond=None)[0], rtol=1e-9)
    assert float(trace[0]) == pytest.approx(10)


def test_squared_bias_is_the_mean_over_different_sets_and_different_members() -> None:
    errors = np.random.default_rng(0).normal(size=(3, 4, 2, 5))
    pairs = [
        (errors[r, m] * errors[s, n]).sum(-1)
        for r in range(3)
        for s in range(3)
        for m in range(4)
        for n in range(4)
        if r != s and m != n
    ]
    np.testing.assert_allclose(simulation.independent_products(jnp.asarray(errors)), np.mean(pairs, 0), rtol=1e-12)


class Perturbed(RFEnsembles):
    """The theory with one term wrong: 1 - dressed of the loop through samples and features left out, and feature
    variance divided by K^(1 + squared)."""

    dressed: float = coupling(1.0)
    squared: float = coupling(0.0)

    def predict(self, instance, numerics) -> Prediction:
        del instance, numerics
        modes = theory.modes_of(self)
        inputs = (jnp.asarray(setting.ridge_grid(self)), self.samples, self.width, self.members, self.noise)
        right = jax.vmap(theory.ensemble_risk, (None, 0, None, None, None, None))(modes, *inputs)
        g = 1 / (modes.values + right.kappa[:, None])
        d2 = jnp.sum((modes.values * g) ** 2, -1)
        s1 = right.kappa * jnp.sum(modes.values * g**2, -1)
        a, loop = d2 / self.samples, s1**2 / (self.samples * self.width * (1 - d2 / self.width))
        same = (right.member_risk + self.noise**2) * (1 - a - loop) / (1 - a - self.dressed * loop)
        across = right.bias + right.data_variance + self.noise**2
        total = across + (same - across) / self.members ** (1 + self.squared)
        curves = {name: getattr(right, name) for name in (o.name for o in self.observables)}
        curves |= {"risk": total - self.noise**2, "member_risk": same - self.noise**2}
        return Prediction(curves)


@pytest.fixture(scope="module")
def compared():
    """Up to ridge 0.01, beyond which neither error can be seen; the same runs for all three theories."""
    fields = {"ridge_high": 0.01, "ridges": 3}
    changes = {"right": {}, "undressed": {"dressed": 0.0}, "squared": {"squared": 1.0}}
    return {
        name: tl.compare.run(Perturbed(**fields, **change), runs=160, key=jax.random.key(0))
        for name, change in changes.items()
    }


def test_ensembles_follow_the_theory(compared) -> None:
    words = compared["right"].words
    assert {words.pop(name) for name in ("risk", "member_risk", "feature_variance", "train_error", "gcv", "bias")} == {
        "agrees"
    }
    # 160 runs need not decide on the variance over data within 5 %
    assert words["data_variance"] in ("agrees", "undecided")


def test_wrong_theories_are_called_different(compared) -> None:
    undressed, squared = compared["undressed"], compared["squared"]
    assert undressed.words["member_risk"] == "differs"
    assert squared.words["risk"] == "differs"
    np.testing.assert_allclose(undressed.rungs[0].predicted["member_risk"][[0, 2]], [0.0698, 0.0694], atol=5.1e-5)
    np.testing.assert_allclose(squared.rungs[0].predicted["risk"][[0, 2]], [0.0316, 0.0388], atol=5.1e-5)
    assert squared.words["member_risk"] == "agrees"


def deviations(system: RFEnsembles, runs: int) -> dict[str, np.ndarray]:
    """(mean - theory) in standard errors, less a finite-size allowance of 2 / (smallest size) of the theory."""
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(7), runs)
        found = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)))(cast(system, "float32"), keys)
    curves = jax.jit(lambda s: s.predict(None, None))(cast(system, "float64")).raise_if_failed().curves
    smallest = min(system.dimension, system.samples, system.width)
    excess = {}
    for name, runs_ in found.items():
        every = np.asarray(runs_, float)
        mean, error = every.mean(0), every.std(0, ddof=1) / math.sqrt(runs)
        excess[name] = np.maximum(np.abs(mean - curves[name]) - 2 / smallest * np.abs(curves[name]), 0) / error
    return excess


@pytest.mark.parametrize(
    "fields",
    [
        {"samples": 100, "width": 150, "members": 4},
        pytest.param({"samples": 60, "width": 300, "members": 1}, marks=pytest.mark.slow),
        pytest.param({"width": INF, "members": 1}, marks=pytest.mark.slow),
        {"samples": INF, "members": 3},
        pytest.param(
            {"spectrum": "flat", "dimension": 120, "samples": 90, "width": 60, "members": 2}, marks=pytest.mark.slow
        ),
        {"axis": "members", "samples": 96, "width": 12, "members": 8, "ridge_low": 1e-3},
        {"ridges": 1, "ridge_low": 0.0, "samples": 150, "width": 60, "members": 2},
    ],
    ids=["comparable", "single", "kernel", "population", "white", "budget", "ridgeless"],
)
def test_simulations_follow_the_theory(fields) -> None:
    """Up to 4 standard errors, beyond the finite-size allowance."""
    for name, z in deviations(RFEnsembles(**{"dimension": 200, **fields}), 32).items():
        assert z.max() < 4, name


DIGITS = {"spectrum": "digits", "dimension": 1797, "samples": 300, "width": 100, "members": 4, "noise": 0.0}


def test_measured_spectrum_predicts_relu_features_on_digits() -> None:
    modes = Modes(*(jnp.asarray(x) for x in setting.spectrum(RFEnsembles(**DIGITS))))
    table = {
        (100, 1): [0.3095, 0.2894, 0.2701, 0.3595, 0.6575],
        (100, 4): [0.1959, 0.1965, 0.2218, 0.3388, 0.6525],
        (1000, 1): [0.1437, 0.1328, 0.1739, 0.3110, 0.6418],
        (1000, 4): [0.1192, 0.1206, 0.1690, 0.3089, 0.6413],
    }
    for (width, members), values in table.items():
        found = risk([1e-5, 1e-4, 1e-3, 1e-2, 1e-1], 300, width, members, noise=0.0, modes=modes).risk
        np.testing.assert_allclose(found, values, atol=5.1e-5)
    system = RFEnsembles(**DIGITS, ridge_high=0.1, ridges=4)
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(1), 6)
        runs = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)))(cast(system, "float32"), keys)
    for name, members in (("risk", 4), ("member_risk", 1)):
        mean = np.asarray(runs[name], float).mean(0)
        assert np.all(np.abs(mean / table[100, members][1:] - 1) < 0.15)
    assert all(observable.margin == 0.15 for observable in system.observables)
    # ReLU features' mean product is the kernel whose spectrum went in
    assert float(modes.values.sum()) == pytest.approx(1.0, rel=1e-12)
    assert system.dimension == digits.COUNT


# -- the interface ---------------------------------------------------------------------------------------------


def test_theory_and_simulation_agree_on_names_and_shapes() -> None:
    for fields in ({}, {"members": 1}, {"samples": INF}, {"width": INF}, {"axis": "members", "members": 6}, DIGITS):
        system = RFEnsembles(**fields)
        shapes = {o.name: tuple(len(system.coordinates()[d]) for d in o.dims) for o in system.observables}
        curves = jax.eval_shape(lambda s: s.predict(None, None), system).curves
        runs = jax.eval_shape(lambda s: s.simulate(None, jax.random.key(0)), system)
        assert {k: v.shape for k, v in curves.items()} == shapes
        assert {k: v.shape for k, v in runs.items()} == shapes


def test_couplings_are_traced_once() -> None:
    count = []

    @jax.jit
    def curve(system: RFEnsembles):
        count.append(1)
        return system.predict(None, None).curves["risk"]

    first, second = (
        curve(cast(RFEnsembles(noise=noise, ridge_low=low), "float64")) for noise, low in ((0.3, 1e-4), (0.1, 1e-3))
    )
    assert len(count) == 1
    assert not np.allclose(first, second)


def test_a_budget_is_split_in_every_even_way() -> None:
    system = RFEnsembles(axis="members", width=8, members=12)
    assert system.splits() == (1, 2, 3, 4, 6, 12)
    assert system.widths() == (96, 48, 32, 24, 16, 8)
    assert list(system.coordinates()["members"]) == [1, 2, 3, 4, 6, 12]
    assert RFEnsembles.split(256, 8).width == 32
    with pytest.raises(Refused, match="256 features cannot be split evenly among 5 members; .* are 255 and 260"):
        RFEnsembles.split(256, 5)


def test_prediction_knows_the_best_ridge_and_the_single_model() -> None:
    facts = tl.predict(RFEnsembles()).facts
    assert float(facts["single_tuned_risk"]) < float(facts["tuned_risk"])
    assert risk(float(facts["tuned_ridge"]), 200, 60, 5).risk[0] == pytest.approx(float(facts["tuned_risk"]), rel=1e-10)


def test_enormous_and_infinite_sizes_are_predicted_but_not_simulated() -> None:
    system = RFEnsembles(dimension=10**12, capacity=1.5, source=1.9, samples=10**6, width=10**4, members=INF)
    assert np.all(tl.predict(system).raise_if_failed().curves["risk"] > 0)
    with pytest.raises(Refused, match="needs a finite number of members"):
        system.simulate(None, jax.random.key(0))
    with pytest.raises(Refused, match="at most 20000"):
        dataclasses.replace(system, members=3).simulate(None, jax.random.key(0))
    with pytest.raises(Refused, match="ReLU features needs a finite width"):
        RFEnsembles(**{**DIGITS, "width": INF}).simulate(None, jax.random.key(0))


def test_ladder_keeps_the_ratios() -> None:
    grown = RFEnsembles().resized(800)
    assert (grown.dimension, grown.samples, grown.width, grown.members) == (800, 400, 120, 5)
    assert RFEnsembles(samples=INF).resized(100).samples == INF
    with pytest.raises(Refused, match="no ladder"):
        RFEnsembles(**DIGITS).resized(100)


def test_small_ridges_are_warned_of() -> None:
    assert RFEnsembles().warnings(None) == ()
    assert "single precision lose digits" in RFEnsembles(ridge_low=1e-8).warnings(None)[0]


def test_presets_are_settings_that_are_accepted() -> None:
    for preset in RFEnsembles.presets.values():
        for case in preset.cases:
            system = RFEnsembles.from_case(case)
            assert [system.resized(n).dimension for n in case.sizes] == list(case.sizes)
    cases = {case.name for case in RFEnsembles.presets["quick"].cases}
    assert {claim.case for claim in RFEnsembles.paper.claims} <= cases


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"samples": 0}, "samples must be an integer of at least 1 or inf, got 0"),
        ({"samples": 1.5}, "samples must be an integer of at least 1 or inf, got 1.5"),
        ({"width": 0}, "width must be an integer of at least 1 or inf, got 0"),
        ({"width": 2.5}, "width must be an integer"),
        ({"members": 0}, "members must be an integer of at least 1 or inf, got 0"),
        ({"members": 1.5}, "members must be an integer"),
        ({"dimension": INF}, "dimension must be an integer"),
        ({"ridges": 0}, "ridges must be an integer"),
        ({"ridge_low": -1e-3}, "ridge_low must not be negative, got -0.001"),
        ({"ridge_low": 0.0}, "several ridges need 0 < ridge_low < ridge_high, got 0 and 1"),
        ({"ridge_high": 1e-5}, "several ridges need"),
        ({"ridge_low": math.nan}, "ridge_low must be finite"),
        (
            {"ridge_low": 0.0, "ridges": 1, "width": 200},
            "infinite at the interpolation peak, width = samples = 200 below the dimension 400",
        ),
        ({"ridge_low": 0.0, "ridges": 1, "samples": 400, "width": 500}, "infinite at samples = dimension = 400"),
        (
            {"ridge_low": 0.0, "ridges": 1, "axis": "members", "samples": 100, "width": 25, "members": 8},
            "width = samples = 100",
        ),
        ({"noise": -0.1}, "noise must not be negative, got -0.1"),
        ({"signal": 0.0}, "signal must be positive"),
        ({"capacity": -1.0}, "capacity must not be negative"),
        ({"axis": "width"}, 'axis must be "ridge" or "members"'),
        ({"axis": "members", "members": INF}, "must be finite"),
        ({"spectrum": "pink"}, "spectrum must be one of"),
        ({"spectrum": "given"}, "at least one eigenvalue"),
        ({"spectrum": "digits"}, "the digits set has dimension 1797, got 400"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(fields, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        RFEnsembles(**fields)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([], []), "at least one eigenvalue"),
        (([1.0, -0.5], [1.0, 1.0]), "every eigenvalue must be positive"),
        (([1.0, 0.0], [1.0, 1.0]), "every eigenvalue must be positive"),
        (([1.0, math.inf], [1.0, 1.0]), "eigenvalues must be finite"),
        (([1.0, 0.5], [1.0]), "must have one shape"),
        (([1.0, 0.5], [1.0, -0.5]), "no target power may be negative"),
        (([1.0, 0.5], [1.0, 1.0], [1.0, 0.0]), "multiplicities must be positive"),
    ],
)
def test_bad_spectra_are_refused_with_a_sentence(arguments, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        RFEnsembles.from_spectrum(*arguments)
