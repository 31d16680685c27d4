"""Equivalents against closed forms, against the equations they solve, and against random matrices."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.data import spectra
from theorylab.solvers import resolvent as rs

INF = math.inf
POWER_LAW = rs.Modes(*map(jnp.asarray, spectra.scaled(spectra.power_law(200, 1.2, 1.8), 1.0)))
SIZES = [(150, INF), (150, 120), (40, 300), (INF, 50), (200, 200), (INF, INF)]


@jax.jit
def traced_nodes(modes: rs.Modes, samples: jax.Array, width: jax.Array, reach: jax.Array):
    """One program for all sizes: 32 upper nodes of an ellipse, 48 stages (needed at a reach of 1e-9)."""
    edge = rs.upper_edge(modes.values, modes.multiplicity, samples, width)
    z, _ = rs.ellipse(edge, reach, 64)
    return z, *rs.renormalised_nodes(modes, z, samples, width, 48)


def nodes_of(modes: rs.Modes, samples: float, width: float, reach: float):
    return traced_nodes(modes, *(jnp.asarray(x, float) for x in (samples, width, reach)))


def test_kappa_matches_closed_form_for_white_data() -> None:
    modes = rs.Modes(*map(jnp.asarray, spectra.flat(100)))
    for samples in (50, 200):
        c = 100 / samples
        z, kappa, found = nodes_of(modes, samples, INF, 1e-4)
        root = jnp.sqrt((z + c - 1) ** 2 + 4 * z)
        closed = [(z + c - 1 + sign * root) / 2 for sign in (1, -1)]
        # of the two roots of the quadratic the one in the upper half plane
        exact = jnp.where(closed[0].imag >= closed[1].imag, *closed)
        assert found
        np.testing.assert_allclose(kappa, exact, rtol=1e-12)


@pytest.mark.parametrize("reach", [1.0, 1e-2, 1e-5])
def test_kappa_stays_on_its_branch_close_to_the_cut(reach: float) -> None:
    for samples, width in SIZES:
        z, kappa, found = nodes_of(POWER_LAW, samples, width, reach)
        freedom = POWER_LAW.freedom(kappa)
        value = kappa * (1 - freedom / samples) * (1 - freedom / width)
        assert found
        assert jnp.all(kappa.imag >= 0)
        # round-off of 200 terms, amplified where z is close to the edge
        np.testing.assert_allclose(value, z, rtol=1e-11)


def test_host_and_traced_kappa_are_the_same() -> None:
    for samples, width in SIZES:
        z, kappa, _ = nodes_of(POWER_LAW, samples, width, 1e-3)
        host = rs.Modes(*map(np.asarray, (POWER_LAW.values, POWER_LAW.power, POWER_LAW.multiplicity)))
        found = rs.renormalised_nodes_host(host, np.asarray(z), samples, width, 1e-3)
        np.testing.assert_allclose(found, kappa, rtol=1e-11)


def test_too_few_stages_are_reported_not_believed() -> None:
    edge = rs.upper_edge(POWER_LAW.values, POWER_LAW.multiplicity, 150, 120)
    z, _ = rs.ellipse(edge, jnp.asarray(1e-4), 64)
    _, found = rs.renormalised_nodes(POWER_LAW, z, 150, 120, 0)
    assert not found


def test_kappa_on_nodes_has_the_derivative_of_its_equation() -> None:
    z, _ = rs.ellipse(jnp.asarray(1.3), jnp.asarray(0.1), 32)
    stages = rs.descent_stages(POWER_LAW, 0.05, 150, 120)

    @jax.jit
    def kappa(scale: jax.Array) -> jax.Array:
        modes = rs.Modes(POWER_LAW.values * scale, POWER_LAW.power, POWER_LAW.multiplicity)
        return rs.renormalised_nodes(modes, z, 150, 120, stages)[0]

    # jax.jvp against central differences of 1e-5: error 1e-10
    _, tangent = jax.jvp(kappa, (jnp.asarray(1.0),), (jnp.asarray(1.0),))
    step = 1e-5
    difference = (kappa(jnp.asarray(1 + step)) - kappa(jnp.asarray(1 - step))) / (2 * step)
    np.testing.assert_allclose(tangent, difference, rtol=1e-7)


def test_upper_edge_is_marchenko_pastur_for_white_data() -> None:
    for c in (0.1, 0.5, 1.0, 2.0, 7.0):
        for xp in (np, jnp):
            edge = rs.upper_edge(np.ones(1), np.full(1, 100.0), 100 / c, INF, xp=xp)
            np.testing.assert_allclose(edge, (1 + math.sqrt(c)) ** 2, rtol=1e-13)
    no_noise = rs.upper_edge(POWER_LAW.values, POWER_LAW.multiplicity, INF, INF)
    np.testing.assert_allclose(no_noise, 1.0, rtol=1e-15)


def test_upper_edge_is_that_of_large_random_matrices() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat([1.0, 0.25], 300)
    inputs = rng.standard_normal((400, 600)) * np.sqrt(values)
    features = rng.standard_normal((600, 300)) / np.sqrt(300)
    largest = np.linalg.eigvalsh((inputs @ features).T @ (inputs @ features) / 400)[-1]
    # the largest eigenvalue lies within some size^(-2/3), here 2 % each, of the edge
    assert largest == pytest.approx(rs.upper_edge(values, np.ones(600), 400, 300, xp=np), rel=0.06)


@pytest.mark.parametrize("time", [0.3, 30.0, 3e4])
def test_contours_integrate_the_exponential_of_a_diagonal_matrix(time: float) -> None:
    exact = float(jnp.sum(POWER_LAW.power * jnp.exp(-2 * POWER_LAW.values * time)))
    z, weight = (x[0] for x in rs.parabola(jnp.asarray([time])))
    found = rs.feature_transforms(POWER_LAW, z, z, INF, INF, 0.0).test
    # 1e-13 is the parabola's own accuracy with 14 nodes, of an initial loss of 1
    assert rs.integrate_pairs(jnp.exp(z * time) * weight, *found) == pytest.approx(exact, abs=2e-12)
    reach = 4 / time
    z, weight = rs.ellipse(jnp.asarray(1.0), jnp.asarray(reach), rs.ellipse_nodes(1.0, reach))
    found = rs.feature_transforms(POWER_LAW, z, z, INF, INF, 0.0).test
    assert rs.integrate_pairs(jnp.exp(z * time) * weight, *found) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize(("samples", "width"), SIZES)
def test_solved_form_satisfies_the_coupled_equations(samples: float, width: float) -> None:
    z, kappa, _ = nodes_of(POWER_LAW, samples, width, 0.3)
    p, n, variance = 1 / samples, 1 / width, 0.09
    both = rs.feature_transforms(POWER_LAW, z, kappa, samples, width, variance)
    freedom = POWER_LAW.freedom(kappa)
    for conjugate, index in ((False, 0), (True, 1)):

        def outer(x: jax.Array, conjugate: bool = conjugate) -> jax.Array:
            return x[:, None] * (x.conj() if conjugate else x)[None]

        g = 1 / (POWER_LAW.values + kappa[:, None])
        pair = g[:, None] * (g.conj() if conjugate else g)[None]
        values, power = POWER_LAW.values, POWER_LAW.power
        d2, s, t1, t2 = ((pair * x).sum(-1) for x in (values**2, values, power, values * power))
        data, features = outer(1 - freedom * p), outer(1 - freedom * n)

        def solve(noise, t1=t1, t2=t2, d2=d2, s=s, data=data, features=features, outer=outer):
            """docs/sgd_resolvent.md eq. (6), literally."""
            matrix = jnp.stack(
                [
                    jnp.stack([1 - p * d2, -s / features], -1),
                    jnp.stack([-outer(kappa) * features * n * p * s, 1 - n * d2], -1),
                ],
                -2,
            )
            source = jnp.stack([data * noise + t1 / features, t2 * n], -1)
            return jnp.linalg.solve(matrix, source[..., None])[..., 0, 0]

        train = solve(variance / outer(z))
        scale = jnp.abs(train).max()
        np.testing.assert_allclose(both.train[index] / scale, train / scale, atol=1e-12)
        np.testing.assert_allclose(both.test[index], train / data - variance / outer(z), atol=1e-11 * scale)
        if not math.isinf(samples):
            noise = solve(jnp.ones_like(train), t1=0 * t1, t2=0 * t2)
            kernel = samples * (noise / data - 1)
            np.testing.assert_allclose(both.test_kernel[index], kernel, rtol=1e-9)
            r = 1 - freedom * p
            response = samples * (noise - r[:, None] - (r.conj() if conjugate else r)[None] + 1)
            np.testing.assert_allclose(both.train_kernel[index], response, rtol=1e-9)


def test_kernels_keep_their_digits_in_the_limit_of_many_samples() -> None:
    z, kappa, _ = nodes_of(POWER_LAW, INF, 80, 0.1)
    fresh = rs.feature_transforms(POWER_LAW, z, kappa, INF, 80, 0.0)
    z, kappa, _ = nodes_of(POWER_LAW, 1e10, 80, 0.1)
    many = rs.feature_transforms(POWER_LAW, z, kappa, 1e10, 80, 0.0)
    # the true difference is of order df1^2 / P
    for pair in (many.test_kernel, many.train_kernel):
        np.testing.assert_allclose(pair.same, fresh.test_kernel.same, rtol=1e-6)


def test_diagonal_kernels_are_the_diagonal_of_the_mixed_ones() -> None:
    z, kappa, _ = nodes_of(POWER_LAW, 150, 120, 0.1)
    both = rs.feature_transforms(POWER_LAW, z, kappa, 150, 120, 0.0)
    train, test = rs.diagonal_kernels(POWER_LAW, kappa, 150, 120)
    np.testing.assert_allclose(train, jnp.diagonal(both.train_kernel.mixed), rtol=1e-11)
    np.testing.assert_allclose(test, jnp.diagonal(both.test_kernel.mixed), rtol=1e-11)


# -- ridges ------------------------------------------------------------------------------------------------


def test_ridge_moments_match_independent_values() -> None:
    modes = rs.Modes(*map(jnp.asarray, spectra.scaled(spectra.power_law(400, 1.3, 2.04), 1.0)))
    kappa = rs.renormalised_ridge(modes, 1e-3, 100, 80)
    found = rs.ridge_moments(modes, kappa, 100, 80, 0.09)
    # to the digits of the values, computed once by another program
    assert float(kappa) == pytest.approx(0.012216, abs=5e-7)
    assert float(found.freedom) == pytest.approx(62.52493, abs=5e-6)
    assert float(found.bias) == pytest.approx(0.013926, abs=5e-7)
    assert float(found.across) == pytest.approx(0.136988, abs=5e-7)
    assert float(found.same) == pytest.approx(0.259125, abs=5e-7)


def test_renormalised_ridge_of_white_data_solves_its_cubic() -> None:
    modes = rs.Modes(*map(jnp.asarray, spectra.flat(100)))
    kappa, slope = jax.jvp(
        lambda ridge: rs.renormalised_ridge(modes, ridge, 80, 60), (jnp.asarray(0.3),), (jnp.asarray(1.0),)
    )
    assert float(kappa) == pytest.approx(1.603564934881, abs=1e-12)
    ridge = jax.grad(lambda k: k * (1 - 100 / (80 * (1 + k))) * (1 - 100 / (60 * (1 + k))))(kappa)
    assert float(slope * ridge) == pytest.approx(1.0, rel=1e-12)


def test_ridgeless_kappa_vanishes_below_the_interpolation_threshold() -> None:
    modes = rs.Modes(*map(jnp.asarray, spectra.flat(100)))
    assert float(rs.ridgeless_kappa(modes, 120, 150)) == 0.0
    # white data: df1 = 100 / (1 + kappa) = 70
    assert float(rs.ridgeless_kappa(modes, INF, 70)) == pytest.approx(3 / 7, rel=1e-14)
    assert float(rs.renormalised_ridge(modes, 0.0, INF, 70)) == pytest.approx(3 / 7, rel=1e-14)


# -- general noise -----------------------------------------------------------------------------------------

NOISES = {"wishart": rs.Wishart(1.5), "projector": rs.Projector(0.5)}
VALUES = np.arange(1, 301) ** -0.7


def test_features_on_data_are_a_product_of_two_wisharts() -> None:
    modes = rs.equal_modes(jnp.asarray(VALUES))
    product = rs.FreeProduct((rs.Wishart(300 / 200), rs.Wishart(300 / 120)))
    for ridge in (1e-4, 0.1, 10.0):
        kappa = rs.kappa_of_ridge(product, VALUES, ridge)
        np.testing.assert_allclose(kappa, rs.renormalised_ridge(modes, ridge, 200, 120), rtol=1e-12)


def test_vertex_of_wishart_noise_is_one_loop() -> None:
    noise, ridges = rs.Wishart(1.5), (0.05, 0.4)
    g = [1 / (VALUES + np.asarray(rs.kappa_of_ridge(noise, VALUES, r))) for r in ridges]
    loop = np.mean(VALUES**2 * g[0] * g[1])
    np.testing.assert_allclose(rs.vertex(noise, VALUES, ridges), 1.5 / (1 - 1.5 * loop), rtol=1e-12)


@pytest.mark.parametrize(("name", "value"), [("wishart", 1.79815), ("projector", 2.1577)])
def test_confluent_vertex_is_the_limit_of_the_divided_difference(name: str, value: float) -> None:
    noise = NOISES[name]
    confluent = float(rs.vertex(noise, VALUES, (0.05, 0.05)))
    assert confluent == pytest.approx(value, abs=6e-5)
    # symmetric about the same ridge: the difference is of second order, (2e-3)^2
    apart = float(rs.vertex(noise, VALUES, (0.05 - 1e-4, 0.05 + 1e-4)))
    assert apart == pytest.approx(confluent, rel=3e-6)


@pytest.mark.parametrize("name", list(NOISES))
def test_product_of_two_resolvents_matches_random_matrices(name: str) -> None:
    noise, ridges = NOISES[name], (0.05, 0.4)
    rng = np.random.default_rng(1)
    middle = rng.standard_normal((300, 300)) / np.sqrt(300)
    middle = middle + middle.T + np.diag(np.linspace(1, 2, 300))
    probe = rng.standard_normal((300, 300)) / np.sqrt(300)
    probe = probe @ probe.T
    root = np.sqrt(VALUES)
    samples = []
    for _ in range(12):
        matrix = root[:, None] * rs.sample_noise(noise, 300, rng) * root
        left, right = (np.linalg.inv(matrix + ridge * np.eye(300)) for ridge in ridges)
        samples.append(np.sum(probe * (left @ middle @ right)))
    mean, error = np.mean(samples), np.std(samples, ddof=1) / np.sqrt(len(samples))
    exact = float(np.sum(probe * np.asarray(rs.resolvent_product(noise, VALUES, middle, ridges))))
    assert abs(mean - exact) < 4 * error + 2e-3 / 300 * exact
    assert abs(mean - exact) < 5e-3 * exact


def test_unknown_noise_has_no_sampler() -> None:
    with pytest.raises(TypeError, match="FreeProduct"):
        rs.sample_noise(rs.FreeProduct((rs.Wishart(1.0),)), 10, np.random.default_rng(0))
