"""flow_autoencoder: closed forms, limits, agreement with real networks, wrong theories told apart, refusals."""

from __future__ import annotations

import dataclasses
import math
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.core import NumericalFailure, Refused, coupling
from theorylab.data import mixtures
from theorylab.networks.autoencoder import TiedAutoencoder, parameters
from theorylab.solvers import quadrature
from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics, setting, simulation, simulation_separate
from theorylab.systems.flow_autoencoder import theory_collapse as collapse
from theorylab.systems.flow_autoencoder import theory_drift as drift
from theorylab.systems.flow_autoencoder import theory_growth as growth
from theorylab.systems.flow_autoencoder import theory_sampling as sampling
from theorylab.systems.flow_autoencoder import theory_separate as separate
from theorylab.systems.flow_autoencoder import theory_training as training
from theorylab.systems.flow_autoencoder.presets import BIMODAL, COLLAPSE, CROSS, FIGURES, LADDER, QUICK, SEPARATE
from theorylab.systems.flow_autoencoder.setting import Start
from theorylab.systems.flow_autoencoder.theory import generated_over_time
from theorylab.systems.flow_autoencoder.theory_drift import At, Order

INF = math.inf
_predict = jax.jit(lambda system, instance, numerics: system.predict(instance, numerics))


def predicted(system, instance=None, **numerics):
    """The prediction, compiled once a structure, in float64."""
    return _predict(system, instance, system.numerics(instance).replace(**numerics)).raise_if_failed()


def theory(case, **changes):
    return FlowAutoencoder(**{**case, **changes, "dimension": INF})


def points(system, skip=None):
    """The grid with its skips, b* where none are given."""
    at = setting.schedule(system)
    b = setting.optimal_skip(at, setting.noise(system)) if skip is None else skip
    return at, At(at.alpha, at.beta, at.gain, at.inner, b)


def mean_slopes(system, order, groups):
    """Averages of eqs. (13), (14) over the grid, before the rates."""
    _, each = points(system)
    parts = [jax.vmap(lambda p, g=group: drift.slopes(order, g, p, system.activation))(each) for group in groups]
    return jax.tree.map(lambda *leaves: sum(jnp.mean(leaf, axis=0) for leaf in leaves), *parts)


# -- closed forms -------------------------------------------------------------------------------------------


def bayes(system):
    """The realizable point: the network is the Bayes denoiser of two modes."""
    a, p = float(system.separation), float(system.share)
    return Order(jnp.array([[a]]), jnp.array([[a * a]]), jnp.array([0.5 * math.log(p / (1 - p))]))


def test_mean_step_vanishes_where_the_network_is_the_bayes_denoiser():
    system = theory({}, grid=20)
    groups = training.mixture_groups(setting.mixture(system), 1, FlowNumerics(nodes=161))
    found = mean_slopes(system, bayes(system), groups)
    for part in (found.overlap, found.norm, found.bias):
        assert float(jnp.abs(part).max()) < 1e-9


@pytest.mark.parametrize(
    ("grid", "share", "bulk"), [(20, 0.7628, 0.87928), (50, 0.7546, 0.94988), (200, 0.7506, 0.98723)]
)
def test_bayes_generator_reaches_the_target_as_steps_shrink(grid, share, bulk):
    system = theory({}, grid=grid)
    at, each = points(system)
    noise = sampling.noise_points(1, 1, 0, FlowNumerics())
    law = sampling.discrete_law(
        bayes(system), each.skip, at, system.steps_in_time, jnp.zeros(()), noise, system.activation
    )
    occupancy = sampling.occupancy(law, setting.mixture(system).means)
    # the quoted shares are of 1e5 to 2e5 drawn points: 0.001
    assert float(occupancy[0]) == pytest.approx(share, abs=1.5e-3)
    assert float(law.bulk) == pytest.approx(bulk, abs=5e-6)


def test_bulk_variance_of_twenty_euler_steps_is_its_product():
    system = theory({}, grid=20)
    at, each = points(system)
    stays = 1 + system.steps_in_time * (at.pull + at.push * each.skip)
    assert float(jnp.prod(stays) ** 2) == pytest.approx(0.8792803, abs=5e-8)
    noise = sampling.noise_points(1, 1, 0, FlowNumerics())
    law = sampling.discrete_law(MIDWAY, each.skip, at, system.steps_in_time, jnp.zeros(()), noise, "tanh")
    assert float(law.bulk) == pytest.approx(0.8792803, abs=5e-8)


def test_skip_is_its_closed_form():
    system = theory({})
    t = np.asarray(system.grid_times)
    delta = (1 - t) ** 2 + t**2
    best = t / delta
    expected = best * (1 - np.exp(-float(system.skip_rate) / 10 * delta * 10.0))
    np.testing.assert_allclose(predicted(system).curves["skip"], expected, rtol=1e-12)


GROWTH = {"separation": 2.5, "share": 0.5, "noise": 0.8, "rate": 0.4}


def test_growth_rate_at_zero_overlap_is_its_closed_form_and_the_slope_of_the_drift():
    system = theory(GROWTH)
    assert float(growth.growth_rates(system, 1.3)[0]) == pytest.approx(0.230345, abs=5e-7)
    groups = training.mixture_groups(setting.mixture(system), 1, system.numerics(None))
    small = 1e-5
    order = Order(jnp.array([[small]]), jnp.array([[1.3]]), jnp.zeros(1))
    slope = 0.4 * float(mean_slopes(system, order, groups).overlap[0, 0]) / small
    # the drift is odd in M: its next term is of relative order M^2 = 1e-10
    assert slope == pytest.approx(float(growth.growth_rates(system, 1.3)[0]), abs=1e-8)


@pytest.mark.parametrize(
    ("gains", "rate", "norm", "distance"),
    [
        ("precond", 0.4, 0.1355, 0.3569),
        ("precond", 1.0, 0.3647, 0.5644),
        ("precond", 2.0, 0.8103, 0.8011),
        ("plain", 0.2, 0.0596, 0.5233),
        ("plain", 2.0, 0.8357, 1.8391),
        ("plain", 3.0, 1.5983, 2.4810),
    ],
)
def test_learnability_thresholds(gains, rate, norm, distance):
    system = theory({}, gains=gains, rate=rate)
    roots = growth.resting_norms(system)
    assert roots[0][1]
    assert roots[0][0] == pytest.approx(norm, abs=7e-5)
    assert growth.threshold(system) == pytest.approx(distance, abs=7e-5)


def test_large_rates_have_a_second_unstable_norm_and_a_start_beyond_it_is_warned_of():
    system = theory({}, gains="plain", rate=4.0)
    stable, unstable = growth.resting_norms(system)[:2]
    assert stable[1]
    assert not unstable[1]
    assert 10 < unstable[0] < 30
    assert not system.warnings(None)
    assert "lies above the unstable norm" in dataclasses.replace(system, spread=30.0).warnings(None)[0]


def test_identity_activation_has_a_drift_in_closed_form():
    system = theory(
        {"target": "given", "means": (2.0, 0.5, -1.0, 1.0, 0.3, -2.0), "shares": (0.5, 0.3, 0.2)},
        units=2, activation="identity", gains="plain", noise=0.7,
    )  # fmt: skip
    target = setting.mixture(system)
    moment = jnp.einsum("k,ki,kj->ij", target.shares, target.means, target.means)
    m = jnp.array([[0.6, 0.2], [-0.3, 0.5]])
    order = Order(m, m @ m.T + jnp.array([[1.0, 0.2], [0.2, 0.8]]), jnp.zeros(2))
    skip = jnp.linspace(0.1, 0.9, 10)
    _, each = points(system, skip)

    def closed(p):
        delta = p.alpha**2 + p.beta**2 * 0.49
        d = p.beta * 0.49 / delta - p.skip
        left = p.alpha**2 / delta  # a_t
        r = p.beta**2 * m @ moment + delta * m
        fields = p.beta**2 * m @ moment @ m.T + delta * order.norm
        return (
            p.gain
            * p.inner
            * (2 * d * r + 2 * left * p.beta * m @ moment - p.gain * p.inner * (fields @ m + order.norm @ r))
        )

    fine = training.mixture_groups(target, 2, FlowNumerics(nodes=61, radius=8.5))[0]
    found = jax.vmap(lambda p: drift.slopes(order, fine, p, "identity").overlap)(each)
    np.testing.assert_allclose(found, jax.vmap(closed)(each), atol=1e-11)


def test_gaussian_data_of_one_mode_leave_nothing_to_learn_but_noise():
    # one mode at the origin: y is Gaussian, so M = 0 stays, whatever the start of Q
    system = theory({}, separation=0.0, overlap=0.0)
    curves = predicted(system).curves
    np.testing.assert_allclose(curves["overlap"], 0, atol=1e-12)


def test_without_biases_the_generated_density_is_even_whatever_the_targets_weights():
    for share in (0.5, 0.75, 0.95):
        curves = predicted(theory({}, share=share)).curves
        np.testing.assert_allclose(curves["occupancy"], 0.5, atol=1e-12)
        np.testing.assert_allclose(curves["density"][0], curves["density"][0][::-1], atol=1e-12)


def test_a_direction_without_overlap_is_generated_as_a_gaussian_of_the_bulks_variance():
    system = theory(CROSS, tilt=0.0, grid=10, records=1, duration=8.0)
    curves = predicted(system).curves
    np.testing.assert_allclose(curves["overlap"][1], 0, atol=1e-12)
    edges = np.asarray(setting.edges(system)) / math.sqrt(float(curves["bulk"]))
    np.testing.assert_allclose(
        curves["density"][1] * np.diff(np.asarray(setting.edges(system))),
        np.diff(jax.scipy.stats.norm.cdf(edges)),
        atol=1e-12,
    )


# -- two forms of one theory, and what they rest on ----------------------------------------------------------

MIDWAY = Order(jnp.array([[1.2]]), jnp.array([[2.3]]), jnp.array([0.4]))


def particles_of(system, source, nodes):
    """The target as points, from normal numbers along the direction and a uniform label."""
    along, label = source
    target = setting.mixture(system)
    kinds = quadrature.choice(label[:, 0], np.asarray(target.shares))
    centres = np.asarray(target.means)[kinds] + float(target.noise) * along
    return training.particle_group(jnp.asarray(centres), jnp.asarray(nodes), jnp.asarray(target.noise) ** 2)


def test_particles_of_one_joint_set_agree_with_quadrature_and_separate_sets_do_not():
    system = theory({}, share=0.6, separation=2.0)
    exact = mean_slopes(system, MIDWAY, training.mixture_groups(setting.mixture(system), 1, system.numerics(None)))
    along, label, nodes = quadrature.sobol_uniform([1, 1, 1], 14, seed=7)
    joint = particles_of(system, (quadrature.normal(along), label), quadrature.normal(nodes))
    found = mean_slopes(system, MIDWAY, (joint,))
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    along, label = quadrature.sobol_uniform([1, 1], 14, seed=7)
    (apart,) = quadrature.sobol_normal([1], 14, seed=8)
    wrong = mean_slopes(system, MIDWAY, (particles_of(system, (quadrature.normal(along), label), apart),))
    assert abs(float(wrong.overlap[0, 0] - exact.overlap[0, 0])) > 5e-3


def test_the_solved_equations_do_not_change_when_nodes_double():
    # one unit: the quadrature's error is far below the tolerance of the steps, 1e-7
    system = theory(LADDER)
    one, two = predicted(system).curves, predicted(system, nodes=201).curves
    for name in ("overlap", "norm", "bias", "gain", "density"):
        np.testing.assert_allclose(one[name], two[name], atol=2e-6)


FINER, SOBOL = {"nodes": 201}, {"particles": 14}
EQUATIONS, GENERATED = ("overlap", "norm", "bias", "gain", "cross"), ("occupancy", "spread", "separation", "bulk")
DOUBLED = {
    # fields, doubled numerics, and what may change: solved equations; what is generated
    "four modes": ({**CROSS, "hidden_bias": True, "duration": 20.0, "records": 2}, {**FINER, **SOBOL}, 2e-6, 1e-3),
    "two units": (
        {**CROSS, "units": 2, "duration": 20.0, "records": 2}, {"nodes": 81, "radius": 7.0, **SOBOL}, 2e-6, 1e-3
    ),
    "flow": ({**BIMODAL, "sampler": "flow"}, {**FINER, "start_nodes": 8001}, 2e-6, 2e-6),
    "noisy sampler, 20 dimensions of noise": ({**BIMODAL, "sampler": "sde"}, {**FINER, **SOBOL}, 2e-6, 5e-3),
    "a network for each time": ({**SEPARATE, "sharing": "nothing"}, {**FINER, **SOBOL}, 2e-6, 5e-3),
    "two units for each time": (
        {**SEPARATE, "sharing": "nothing", "target": "cross", "units": 2, "tilt": 0.1, "grid": 4},
        {"nodes": 81, "radius": 7.0, **SOBOL}, 2e-6, 5e-3,
    ),
    "shared data": ({**SEPARATE, "sharing": "data", "grid": 6, "rate": 0.6}, {**FINER, **SOBOL}, 4e-3, 5e-3),
    "generations": ({**COLLAPSE, "hidden_bias": True}, {**FINER, "start_nodes": 8001, **SOBOL}, 1e-3, 1e-3),
    "digits": (
        {"target": "digits", "rate": 0.1, "overlap": 1.0, "records": 2}, {**FINER, **SOBOL}, 2e-6, 1e-3
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", DOUBLED)
def test_nothing_changes_when_nodes_and_points_double(name):
    # quadrature: far below the tolerance of the steps; joint Sobol sets of 2^13 points: 1e-3, more in 20 dimensions
    fields, finer, equations, generated = DOUBLED[name]
    system = theory(fields)
    one, two = predicted(system).curves, predicted(system, **finer).curves
    for names, tolerance in ((EQUATIONS, equations), (GENERATED, generated)):
        for curve in set(names) & set(one):
            np.testing.assert_allclose(one[curve], two[curve], atol=tolerance, err_msg=curve)


@pytest.mark.slow
def test_three_units_are_averaged_on_sobol_points():
    system = theory({}, units=3, duration=2.0, records=1, hidden_bias=True)
    coarse, fine = predicted(system, particles=12).curves, predicted(system, particles=14).curves
    np.testing.assert_allclose(coarse["overlap"], fine["overlap"], atol=1e-3)


def test_diagonal_of_separate_networks_follows_the_drift_of_one_network():
    system = theory(SEPARATE, sharing="nothing", grid=4)
    at = setting.schedule(system)
    (group,) = training.mixture_groups(setting.mixture(system), 1, system.numerics(None))
    begin = separate.initial(system, setting.start(system, None))
    skip = jnp.array([0.1, 0.3, 0.5, 0.9])
    rates = training.rates_of(system)
    moved = separate.drift(begin, group, at, skip, rates, "tanh", None)
    _, each = points(system, skip)
    alone = jax.vmap(lambda p: drift.slopes(Order(*(x[0] for x in separate.of_each(begin))), group, p, "tanh"))(each)
    expected = rates.rate * alone.norm + rates.rate**2 * alone.noise
    np.testing.assert_allclose(separate.of_each(moved).norm, expected, atol=1e-13)


def test_networks_of_independent_data_and_starts_overlap_through_the_target_only():
    curves = predicted(theory(SEPARATE, sharing="nothing")).curves
    product = np.outer(curves["overlap"], curves["overlap"])
    excess = np.asarray(curves["cross"]) - product
    # an exact invariant, kept to the tolerance of the steps
    assert np.abs(excess - np.diag(np.diag(excess))).max() < 2e-6


def test_generations_start_from_coordinates_that_keep_all_overlaps():
    order = Order(jnp.array([[0.6, 0.2], [-0.3, 0.5]]), jnp.array([[1.5, 0.1], [0.1, 0.9]]), jnp.zeros(2))
    basis = collapse.basis_of(order)
    weights = jnp.concatenate([basis.weights, jnp.zeros((2, 2))], axis=1)
    np.testing.assert_allclose(weights @ weights.T, order.norm, atol=1e-12)
    np.testing.assert_allclose(weights @ basis.directions.T, order.overlap, atol=1e-12)
    np.testing.assert_allclose(basis.directions @ basis.directions.T, jnp.eye(2), atol=1e-9)


# -- the numbers of docs/flow_autoencoder.md -------------------------------------------------------------------


def test_overlaps_skip_and_gain_in_the_setting_of_the_ladder():
    curves = predicted(theory(LADDER)).curves
    assert float(curves["overlap"][0, -1]) == pytest.approx(1.663386, abs=1e-5)
    assert float(curves["norm"][0, -1]) == pytest.approx(3.124226, abs=1e-5)
    assert float(curves["bias"][0, -1]) == pytest.approx(0.241375, abs=1e-5)
    assert float(curves["skip"][5]) == pytest.approx(0.767553, abs=1e-5)
    assert float(curves["overlap"][0, 2]) == pytest.approx(1.024933, abs=1e-5)
    expected = (-0.2187, -0.4774, -1.2492, -2.1083, -2.3458, -1.7545, -0.8776, -0.2794, -0.0483, -0.0026)
    np.testing.assert_allclose(curves["gain"], expected, atol=6e-5)


def test_generated_density_with_bias_learning():
    prediction = predicted(theory(BIMODAL))
    curves = prediction.curves
    assert float(curves["occupancy"][0]) == pytest.approx(0.78592, abs=1e-5)
    assert float(prediction.facts["mean"][0]) == pytest.approx(1.39579, abs=1e-5)
    assert float(curves["spread"][0]) == pytest.approx(2.11842, abs=1e-5)
    assert float(curves["bulk"]) == pytest.approx(0.8789, abs=5e-5)
    np.testing.assert_allclose(
        np.asarray([curves["overlap"][0], curves["norm"][0], curves["bias"][0]])[:, [1, 4]],
        [[1.027, 2.443], [1.866, 6.288], [0.404, 0.626]], atol=6e-4,
    )  # fmt: skip
    widths = np.diff(np.asarray(setting.edges(theory(BIMODAL))))
    assert float(curves["density"][0] @ widths) == pytest.approx(1.0, abs=1e-9)


def test_continuous_flow_and_noisy_sampler_at_fixed_weights():
    order = Order(jnp.array([[2.44255]]), jnp.array([[6.28780]]), jnp.array([0.62621]))
    system = theory(BIMODAL, skip="optimal", sampler="flow")
    _, each = points(system)
    law, status = jax.jit(lambda b: sampling.law_of(system, order, b, system.numerics(None)))(each.skip)
    assert int(status) == 0
    assert float(sampling.occupancy(law, setting.mixture(system).means)[0]) == pytest.approx(0.773667, abs=3e-6)
    assert float(sampling.mean(law)[0]) == pytest.approx(1.356679, abs=1e-5)
    assert float(sampling.spread(law)[0]) == pytest.approx(2.263954, abs=1e-5)
    assert float(law.bulk) == pytest.approx(1.0, abs=2 * setting.STOP**2)  # sigma exactly, but for the last stop
    noisy = dataclasses.replace(system, sampler="sde")
    law, _ = jax.jit(lambda b: sampling.law_of(noisy, order, b, noisy.numerics(None)))(each.skip)
    # 2^13 Sobol points in 20 dimensions
    assert float(sampling.spread(law)[0]) == pytest.approx(2.164, abs=5e-3)
    assert float(law.bulk) == pytest.approx(0.9417, abs=5e-4)


def test_one_unit_loses_the_minor_pair_of_four_modes():
    system = theory(CROSS, duration=80.0, records=4)
    numerics = system.numerics(None).replace(particles=14)
    occupancy = jax.jit(lambda s: generated_over_time(s, None, numerics)["occupancy"])(system).T
    # quoted from 1e5 drawn points: 0.001, twice that for its rounding and for the joint Sobol set's own error
    np.testing.assert_allclose(occupancy[[1, 2, 4], :2].sum(axis=1), [0.826, 0.898, 0.910], atol=2e-3)
    np.testing.assert_allclose(occupancy.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.slow
def test_two_units_recover_the_minor_pair_and_then_over_represent_it():
    system = theory(CROSS, units=2, duration=80.0, records=16)
    numerics = system.numerics(None)
    occupancy = jax.jit(lambda s: generated_over_time(s, None, numerics)["occupancy"])(system)
    # quoted from 1e5 drawn points, joint Sobol set of 2^13
    np.testing.assert_allclose(occupancy[:2, [1, 4, 8, 16]].sum(axis=0), [0.563, 0.749, 0.705, 0.656], atol=2.5e-3)
    curves = predicted(system).curves
    np.testing.assert_allclose(curves["overlap"][:, -1], [1.858, 1.109, -1.350, 1.347], atol=1e-3)


def test_model_collapse_over_generations():
    curves = predicted(theory(COLLAPSE)).curves
    # joint Sobol set of 2^13: 1e-3
    np.testing.assert_allclose(curves["overlap"][0], [2.143, 1.332, 0.726, 0.484], atol=2e-3)
    np.testing.assert_allclose(curves["norm"][0], [5.068, 2.398, 1.206, 0.934], atol=2e-3)
    np.testing.assert_allclose(curves["spread"][0], [2.240, 1.485, 1.020, 0.847], atol=2e-3)
    np.testing.assert_allclose(curves["bulk"], [0.8758, 0.7647, 0.6642, 0.5714], atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "overlap", "bias", "share"),
    [
        ({}, (2.248, 1.612, 1.148, 0.820), (0.492, 0.615, 0.663, 0.518), (0.734, 0.760, 0.738, 0.660)),
        ({"inherit": True}, (2.248, 2.214, None, 2.068), (0.492, 0.508, None, 0.520), (0.734, 0.741, None, 0.748)),
        ({"real": 0.5}, (2.248, 1.932, 1.815, None), (0.492, 0.5435, 0.555, None), (0.734, 0.747, 0.748, None)),
    ],
)
def test_model_collapse_with_biases_warm_starts_and_real_data(changes, overlap, bias, share):
    curves = predicted(theory(COLLAPSE, hidden_bias=True, bias_rate=1.0, **changes)).curves
    for found, expected in ((curves["overlap"], overlap), (curves["bias"], bias), (curves["occupancy"], share)):
        for one, other in zip(found[0], expected, strict=True):
            assert other is None or float(one) == pytest.approx(other, abs=2e-3)


def test_profile_of_separate_networks():
    curves = predicted(theory(SEPARATE, sharing="nothing")).curves
    expected = (1, 1.583, 2.610, 2.793, 2.679, 2.307, 1.750, 1.290, 1.074, 1.010)
    np.testing.assert_allclose(curves["overlap"][0], expected, atol=6e-4)
    assert float(curves["spread"][0]) == pytest.approx(2.213, abs=5e-3)  # quoted from drawn points


@pytest.mark.slow
def test_common_starts_fade_and_shared_data_raise_the_overlap_between_networks():
    common = predicted(theory(SEPARATE, sharing="nothing", common_start=True)).curves
    excess = np.asarray(common["cross"]) - np.outer(common["overlap"], common["overlap"])
    assert 0.0 < excess[2, 3] < 1.0
    one, other = (
        predicted(theory(SEPARATE, sharing=how, grid=6, rate=0.6, share=0.5)).curves["cross"]
        for how in ("nothing", "data")
    )
    assert float(other[1, 2]) > 1.03 * float(one[1, 2])


def test_plain_gains_settle_at_a_small_overlap():
    system = theory({"gains": "plain", "share": 0.5, "rate": 0.2, "overlap": 1.0, "duration": 30.0, "records": 6})
    curves = predicted(system).curves
    np.testing.assert_allclose(curves["overlap"][0, [1, 3, 6]], [1.2862, 1.1619, 1.1397], atol=1e-4)
    np.testing.assert_allclose(curves["norm"][0, [1, 3, 6]], [2.0092, 1.5557, 1.4952], atol=1e-4)
    assert float(curves["spread"][0]) == pytest.approx(3.93, abs=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gains", "expected"), [("precond", (0.967, 0.935, 0.874, 0.757)), ("plain", (0.846, 0.727, 0.524, 0.0))]
)
def test_steady_alignment_falls_with_the_learning_rate(gains, expected):
    for rate, alignment in zip((0.5, 1.0, 2.0, 4.0), expected, strict=True):
        system = theory({"share": 0.5, "skip": "optimal", "overlap": 1.0, "duration": 60.0}, gains=gains, rate=rate)
        curves = predicted(system).curves
        assert float(curves["overlap"][0, -1] / curves["norm"][0, -1] ** 0.5) == pytest.approx(alignment, abs=6e-4)


# -- the simulation, piece by piece ----------------------------------------------------------------------------

TINY = FlowAutoencoder(
    units=2, target="cross", tilt=0.1, dimension=40, hidden_bias=True, duration=1.0, records=2, samples=50, ridge=0.1
)


def test_initial_weights_have_exactly_the_overlaps_of_the_start():
    network = simulation.initial_network(TINY, None, jax.random.normal(jax.random.key(0), (2, 40)))
    begin, seen = setting.start(TINY, None), simulation.watch(TINY, network)
    np.testing.assert_allclose(seen.overlap, begin.overlap.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(seen.norm, begin.norm[setting.pairs(2)], atol=1e-6)


def test_a_step_of_sgd_is_its_formula():
    network = simulation.initial_network(TINY, None, jax.random.normal(jax.random.key(0), (2, 40)))
    network["params"]["bias"] = jnp.array([0.2, -0.1])
    x1, x0 = jax.random.normal(jax.random.key(1), (2, 1, 40))
    at = jax.tree.map(lambda leaf: leaf[4:5], setting.schedule(TINY))
    after = simulation.sgd_step(TINY, 10)(network, x1, x0, jnp.array([4]), at)["params"]
    w, theta, d = network["params"]["weight"], network["params"]["bias"], 40
    x = at.alpha * x0[0] + at.beta * x1[0]
    f = jnp.tanh(at.inner * (w @ x) / math.sqrt(d) + theta)
    slope = 1 - f**2
    error = x1[0] - at.gain * (f @ w) / math.sqrt(d)
    pushed = w @ error / math.sqrt(d)
    eta, ridge = float(TINY.rate), float(TINY.ridge)
    grown = at.gain * f[:, None] * error + at.gain * at.inner * (slope * pushed)[:, None] * x
    np.testing.assert_allclose(after["weight"], (1 - eta * ridge / d) * w + eta / math.sqrt(d) * grown, atol=1e-12)
    np.testing.assert_allclose(after["bias"], theta + float(TINY.bias_rate) / d * at.gain * slope * pushed, atol=1e-12)
    expected = jnp.zeros(10).at[4].set(float(TINY.skip_rate) / d**2 * error @ x)
    np.testing.assert_allclose(after["skip"], expected, atol=1e-12)


def test_numbers_of_a_run_are_standard_normal_and_uniform():
    chance, normal = simulation.numbers(dataclasses.replace(TINY, dimension=400), jax.random.key(0), 500)
    # 400,000 and 1000 numbers: four standard errors
    assert abs(float(normal.mean())) < 4 / math.sqrt(normal.size)
    assert abs(float(normal.var()) - 1) < 4 * math.sqrt(2 / normal.size)
    assert abs(float(chance.mean()) - 0.5) < 4 / math.sqrt(12 * chance.size)


def test_flow_sampler_solves_its_equation_in_all_dimensions():
    # without hidden activity the flow is linear: every direction ends at the denoised variance, b = b* gives sigma
    system = FlowAutoencoder(dimension=20, skip="optimal", sampler="flow", noise=0.8, grid=10)
    at = setting.schedule(system)
    network = parameters(jnp.zeros((1, 20)), jnp.zeros(1), setting.optimal_skip(at, 0.8))
    x = jax.random.normal(jax.random.key(0), (3, 20))
    np.testing.assert_allclose(simulation.generate(system, network, x, jax.random.key(1)), 0.8 * x, rtol=1e-5)


def test_random_starts_are_drawn_once_for_both_sides():
    system = FlowAutoencoder(dimension=30, origin="random", units=2)
    drawn = system.draw(jax.random.key(3))
    network = simulation.initial_network(system, drawn, jax.random.normal(jax.random.key(0), (2, 30)))
    np.testing.assert_allclose(simulation.watch(system, network).overlap, drawn.overlap.reshape(-1), atol=1e-6)
    np.testing.assert_allclose(simulation.watch(system, network).norm, drawn.norm[setting.pairs(2)], atol=1e-5)


def test_bulk_is_measured_outside_weights_and_target():
    x = jax.random.normal(jax.random.key(0), (4000, 12))
    weight = jax.random.normal(jax.random.key(1), (2, 12))
    system = dataclasses.replace(TINY, dimension=12)
    spoiled = x + 7.0 * weight[0] + 5.0 * jnp.eye(12)[0]
    clean, found = (simulation.measured(system, weight, one)["bulk"] for one in (x, spoiled))
    np.testing.assert_allclose(found, clean, rtol=1e-9)
    assert abs(float(clean) - 1) < 4 * math.sqrt(2 / (4000 * 8))


def test_every_setting_simulates_and_predicts_curves_of_one_shape():
    settings = [
        TINY,
        dataclasses.replace(TINY, sampler="sde", batch=3, interpolant="trigonometric", activation="erf"),
        dataclasses.replace(TINY, generations=1, real=0.3),
        dataclasses.replace(TINY, sharing="data", grid=3),
        dataclasses.replace(TINY, sharing="nothing", grid=3, common_start=True),
        dataclasses.replace(TINY, target="digits", components=2),
    ]
    for system in settings:
        ran = jax.eval_shape(lambda key, s=system: s.simulate(None, key), jax.random.key(0))
        thought = jax.eval_shape(lambda s=system: s.predict(None, s.numerics(None)).curves)
        axes = {name: len(np.asarray(values)) for name, values in system.coordinates().items()}
        for observable in system.observables:
            expected = tuple(axes[dim] for dim in observable.dims)
            assert ran[observable.name].shape == thought[observable.name].shape == expected


def test_digits_are_rotated_scaled_and_come_back_as_pixels():
    from theorylab.systems.flow_autoencoder import digits

    known = digits.target((3, 8), 2, 1.0)
    np.testing.assert_allclose(known.images[:, 2:].var(axis=0).mean(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(known.shares @ known.means, 0.0, atol=1e-12)
    back = known.pixels(known.images)
    assert np.abs(back - np.round(back)).max() < 1e-10
    assert back.min() > -1e-10
    assert back.max() < 16 + 1e-10


# -- agreement, and theories that are wrong ---------------------------------------------------------------------


class Wrong(FlowAutoencoder):
    """The system with theories that are wrong in one coefficient, told apart by couplings: all share a program."""

    faster: float = coupling(0.0)
    """The learning rate is off by this fraction."""
    quieter: float = coupling(0.0)
    """This fraction of the term in rate^2 is left out."""

    def predict(self, instance, numerics):
        right = training.rates_of

        def wrong(system):
            rates = right(system)
            faster = rates.rate * (1 + self.faster)
            return rates._replace(rate=faster, batch=rates.batch / (1 - self.quieter))

        with mock.patch.object(training, "rates_of", wrong):
            return super().predict(instance, numerics)


SMALL = {
    "dimension": 300, "share": 0.5, "rate": 1.0, "overlap": 0.8, "duration": 6.0, "records": 6, "samples": 800,
}  # fmt: skip


def test_overlaps_gain_and_generated_density_agree_with_real_networks():
    result = tl.compare.run(Wrong(**SMALL), runs=24)
    assert {name: word for name, word in result.words.items() if word != "agrees"} == {}


@pytest.mark.parametrize("error", [{"faster": 0.1}, {"quieter": 1 - 1e-9}])
def test_a_learning_rate_off_by_a_tenth_and_a_missing_noise_term_are_told_apart(error):
    result = tl.compare.run(Wrong(**SMALL, **error), runs=24)
    assert result.words["norm"] == "differs"


@pytest.mark.slow
def test_leaving_out_overlaps_between_times_is_told_apart():
    class Forgetful(FlowAutoencoder):
        def predict(self, instance, numerics):
            right = separate.train

            def wrong(*args):
                state, skip, status = right(*args)
                same = jnp.eye(state.cross.shape[0])[:, :, None, None]
                return state._replace(cross=state.cross * same), skip, status

            with mock.patch.object(separate, "train", wrong):
                return super().predict(instance, numerics)

    changes = {**SEPARATE, "sharing": "nothing", "dimension": 300}
    assert tl.compare.run(FlowAutoencoder(**changes), runs=16).words["density"] == "agrees"
    words = tl.compare.run(Forgetful(**changes), runs=16).words
    assert words["cross"] == words["spread"] == "differs"


@pytest.mark.slow
@pytest.mark.parametrize("case", QUICK.cases, ids=lambda case: case.name)
def test_quick_cases_agree(case):
    result = tl.compare.run(FlowAutoencoder.from_case(case), runs=case.runs)
    assert result.verdict == "agrees"


@pytest.mark.slow
def test_overlaps_agree_at_dimension_500_and_the_ladder_extrapolates_to_agreement():
    result = tl.compare.run(FlowAutoencoder(**LADDER, dimension=500), runs=48)
    assert {result.words[name] for name in ("overlap", "norm")} == {"agrees"}
    ladder = tl.converge(FlowAutoencoder(**LADDER), sizes=[125, 250, 500, 1000], runs=48)
    assert {ladder.words[name] for name in ("overlap", "norm")} <= {"agrees", "converges"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sde", "flow", "shared-data", "separate", "escape", "digits"])
def test_cases_of_the_paper_preset_agree_or_are_within_twice_the_margin(name):
    case = FIGURES.case(name)
    result = tl.compare.run(FlowAutoencoder.from_case(case, dimension=400), runs=12)
    assert "failed" not in result.words.values()
    assert result.words["density"] == "agrees"


# -- what a system promises ---------------------------------------------------------------------------------------


def test_couplings_are_traced_once():
    count = 0

    def call(system):
        nonlocal count
        count += 1
        return system.predict(None, system_numerics).curves["overlap"]

    base = theory({}, records=1, duration=1.0)
    system_numerics = base.numerics(None)
    compiled = jax.jit(call)
    for rate in (0.3, 0.4, 0.5):
        compiled(dataclasses.replace(base, rate=rate))
    assert count == 1


def test_occupancy_has_the_derivative_of_its_finite_difference():
    # the share of the nearest centre is no step function of the samples: its derivative is exact
    system = theory(CROSS, grid=10)
    _, each = points(system)
    centres = setting.mixture(system).means

    @jax.jit
    def share(m):
        order = Order(jnp.stack([jnp.stack([m, 0.3 * m])]), jnp.array([[4.0]]), jnp.zeros(1))
        law, _ = sampling.law_of(system, order, each.skip, system.numerics(None).replace(particles=11))
        return sampling.occupancy(law, centres)

    h = 1e-5
    difference = (share(1.5 + h) - share(1.5 - h)) / (2 * h)
    np.testing.assert_allclose(jax.jvp(share, (1.5,), (1.0,))[1], difference, atol=1e-7)
    assert float(jnp.abs(difference).max()) > 0.01


@pytest.mark.slow
def test_derivatives_in_couplings_are_those_of_finite_differences():
    base = theory({}, records=1, duration=3.0, hidden_bias=True)
    slopes = tl.sensitivity(base, over=["separation"])["separation"]
    h = 1e-4
    up, down = (predicted(dataclasses.replace(base, separation=3.0 + x)).curves for x in (h, -h))
    for name in ("overlap", "norm", "bias", "occupancy", "spread", "gain"):
        difference = (up[name] - down[name]) / (2 * h)
        # steps of 1e-7 relative tolerance, divided by 2 h: 1e-3 of a curve of order one
        np.testing.assert_allclose(slopes[name], difference, atol=2e-3)


def test_too_large_a_rate_is_said_to_diverge():
    system = theory({}, gains="plain", rate=8.0, overlap=3.0, spread=400.0, duration=20.0)
    with pytest.raises(NumericalFailure, match="diverges at these couplings; lower the learning rate"):
        predicted(system)


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dimension": 1}, "dimension must be an integer of at least 2"),
        ({"units": 0}, "units must be an integer of at least 1"),
        ({"grid": 0}, "grid must be an integer of at least 1"),
        ({"target": "given"}, "needs at least one mode"),
        ({"target": "given", "shares": (0.5, 0.4), "means": (1.0, -1.0)}, "must sum to 1"),
        ({"target": "given", "shares": (1.5, -0.5), "means": (1.0, -1.0)}, "must not be negative"),
        ({"target": "given", "shares": (0.5, 0.5), "means": (1.0, -1.0, 2.0)}, "equally many numbers"),
        ({"share": 1.2}, "share is a probability"),
        ({"noise": -1.0}, "noise must not be negative"),
        ({"noise": 0.0}, "precond gains need a positive noise"),
        ({"noise": math.nan}, "noise must be finite"),
        ({"times": (0.0, 0.5, 0.5)}, "increase strictly"),
        ({"times": (0.0, 0.5, 1.0)}, "nothing of the noise is left"),
        ({"times": (0.1, 0.5)}, "the first of the times must be 0"),
        ({"rate": 0.0}, "rate must be positive"),
        ({"skip_rate": -1.0}, "skip_rate must not be negative"),
        ({"skip_rate": 50.0, "dimension": 20}, "the skip's recursion is not stable"),
        ({"spread": 0.0}, "the norm Q is singular"),
        ({"duration": 0.0}, "duration must be positive"),
        ({"real": 1.5}, "real is a fraction"),
        ({"gains": "best"}, "gains must be one of precond, plain"),
        ({"interpolant": "cubic"}, "interpolant must be one of linear, trigonometric"),
        ({"activation": "relu"}, "activation must be one of tanh, erf, identity"),
        ({"target": "digits", "classes": (3, 3)}, "different digits"),
        ({"target": "digits", "pixels": True}, "needs dimension 64"),
        ({"sharing": "data", "generations": 1}, "generations are for sharing='weights'"),
        ({"sharing": "nothing", "sampler": "flow"}, "use sampler='euler'"),
        ({"origin": "random", "dimension": INF}, "give a finite dimension"),
        ({"dimension": 3, "target": "cross"}, "dimension must exceed"),
    ],
)
def test_refusals(changes, sentence):
    with pytest.raises(Refused, match=sentence):
        FlowAutoencoder(**changes)


@pytest.mark.parametrize(
    ("begin", "sentence"),
    [
        (Start(np.zeros((2, 1)), np.array([[1.0, 0.5], [0.1, 1.0]])), "must be a symmetric matrix"),
        (Start(np.zeros((2, 1)), np.ones((2, 2))), "is singular"),
        (Start(np.array([[2.0]]), np.array([[1.0]])), "must be positive semi-definite"),
    ],
)
def test_impossible_initial_overlaps_are_refused(begin, sentence):
    system = FlowAutoencoder(origin="random", units=len(begin.norm))
    with pytest.raises(Refused, match=sentence):
        tl.predict(system, instance=begin)


def test_a_tensor_grid_of_three_units_is_refused():
    system = theory({}, units=3)
    with pytest.raises(Refused, match="use sobol_normal instead"):
        tl.predict(system, numerics=system.numerics(None).replace(nodes=21))


def test_long_means_are_warned_of_and_an_infinite_dimension_is_not_simulated():
    assert "order sqrt(dimension)" in FlowAutoencoder(separation=25.0).warnings(None)[0]
    with pytest.raises(Refused, match="cannot be simulated"):
        tl.simulate(theory({}), runs=1)


def test_mixtures_draw_their_modes_in_their_shares():
    target = mixtures.cross(jnp.array(5.0), jnp.array(0.7), jnp.array(0.5))
    x = mixtures.sample(jax.random.key(0), target, 4000, 6, jnp.float64)
    found = np.asarray(mixtures.nearest(x[:, :2], target.means))
    # four standard errors of a share
    assert np.all(np.abs(found - np.asarray(target.shares)) < 4 * np.sqrt(np.asarray(target.shares) / 4000))
    assert abs(float(x[:, 2:].var()) - 0.25) < 4 * 0.25 * math.sqrt(2 / 16000)


def test_network_has_one_skip_a_time_and_its_branch_is_tied():
    net = TiedAutoencoder(2, 3)
    weight = jax.random.normal(jax.random.key(0), (2, 5))
    params = parameters(weight, jnp.array([0.1, -0.2]), jnp.array([0.0, 0.5, 1.0]))
    x = jax.random.normal(jax.random.key(1), (3, 5))
    gain, inner = jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, 0.5, 0.2])
    out = net.apply(params, x, jnp.arange(3), gain, inner)
    hidden = jnp.tanh(inner[:, None] * (x @ weight.T) / math.sqrt(5) + jnp.array([0.1, -0.2]))
    expected = jnp.arange(3)[:, None] * 0.5 * x + gain[:, None] * (hidden @ weight) / math.sqrt(5)
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_separate_networks_start_without_overlap_outside_the_target():
    system = FlowAutoencoder(**{**SEPARATE, "dimension": 60}, sharing="nothing")
    networks = simulation_separate.initial_networks(system, None, jax.random.normal(jax.random.key(0), (10, 60)))
    weight = networks["params"]["weight"][:, 0]
    np.testing.assert_allclose(weight @ weight.T / 60, 1.0 + np.eye(10), atol=1e-12)
