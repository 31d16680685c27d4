"""deep_linear_dmft: closed forms, two independent solvers, regressions, agreement with training, refusals."""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused, Status
from theorylab.core.casting import cast, in_precision
from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, theory, theory_rank_one, theory_sweep
from theorylab.systems.deep_linear_dmft.presets import QUICK
from theorylab.systems.deep_linear_dmft.theory_march import march, tangent_kernel

T = 60
NOISE = 0.1**0.5
SOLVE = jax.jit(march)


def curves(**fields):
    """The prediction's curves, in float64, at D = 100 unless given."""
    return predicted(setting(**fields)).curves


def setting(nu=1.0, alpha=2.0, **fields):
    size = fields.pop("dimension", 100)

    def scaled(ratio):
        return ratio if math.isinf(ratio) else round(ratio * size)

    return DeepLinearDMFT(**{"steps": T, "dimension": size, "width": scaled(nu), "samples": scaled(alpha), **fields})


def predicted(system):
    """As `system.predict`, but with one compiled marching for all sizes of a kind."""
    system = cast(system, "float64")
    equations = theory.setting(system, system.numerics(None).groups)
    return theory.observe(system, equations, SOLVE(equations))


def marchenko_pastur(alpha, nodes=4000):
    """Nodes and weights of the bulk of (1/P) X^T X, P = alpha D, and the mass at zero; exact for polynomials."""
    c = 1 / alpha
    low, high = (1 - math.sqrt(c)) ** 2, (1 + math.sqrt(c)) ** 2
    k = np.arange(1, nodes + 1) * np.pi / (nodes + 1)
    x = (low + high) / 2 + (high - low) / 2 * np.cos(k)
    weight = ((high - low) / 2) ** 2 * np.sin(k) ** 2 * np.pi / (nodes + 1) / (2 * np.pi * c * x)
    return x, weight, max(0.0, 1 - 1 / c)


def linear_regression(alpha, rates, variance, steps=T):
    """Test and training loss of gradient descent on linear regression (docs eqs. (32)-(33))."""
    x, w, atom = marchenko_pastur(alpha)
    left = np.cumprod(np.concatenate([np.ones((1, x.size)), 1 - np.asarray(rates)[:-1, None] * x]), axis=0)[:steps]
    test = left**2 @ w + atom + variance / alpha * (((1 - left) ** 2 / x) @ w)
    train = left**2 @ (w * x) + variance * (1 + ((left**2 - 1) @ w) / alpha)
    return test, train


# -- closed forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "decay"), [(2.0, 0.0), (0.5, 0.0), (2.0, 0.05)])
def test_linear_regression_is_marchenko_pastur(alpha, decay):
    out = curves(depth=0, alpha=alpha, rate=0.3, rate_decay=decay, noise=0.5)
    test, train = linear_regression(alpha, 0.3 / (1 + decay * np.arange(T)), 0.25)
    np.testing.assert_allclose(out["loss"], test, rtol=1e-10)
    np.testing.assert_allclose(out["train_loss"], train, rtol=1e-10)
    if alpha == 2 and decay == 0:
        assert out["loss"][59] == pytest.approx(0.235547, abs=5e-7)
        assert out["train_loss"][59] == pytest.approx(0.125200, abs=5e-7)


def test_a_profile_of_rates_is_marchenko_pastur_too():
    out = curves(depth=0, rate=0.3, rate_profile=(1.0, 0.5, 2.0), noise=0.5)
    knots = np.interp(np.arange(T), [0, (T - 1) / 2, T - 1], [1.0, 0.5, 2.0])
    test, train = linear_regression(2.0, 0.3 * knots, 0.25)
    np.testing.assert_allclose(out["loss"], test, rtol=1e-10)
    np.testing.assert_allclose(out["train_loss"], train, rtol=1e-10)
    with pytest.raises(Refused, match="positive factors of the rate"):
        setting(rate_profile=(1.0, 0.0))
    with pytest.raises(Refused, match="at most one a step"):
        setting(steps=2, rate_profile=(1.0, 2.0, 1.0))


def test_one_infinite_layer_follows_its_three_number_recursion():
    # Nonlinear in richness: the fields along the target have second moments S, D of h +- g.
    gamma, rate = 1.5, 0.1
    loss = curves(depth=1, nu=math.inf, alpha=math.inf, data="population", richness=gamma, rate=rate)["loss"]
    s, d, b, expected = 2.0, 2.0, 0.0, []
    for _ in range(T):
        expected.append((1 - b) ** 2)
        e = rate * gamma * (1 - b)
        s, d = s * (1 + e) ** 2, d * (1 - e) ** 2
        b = (s - d) / (4 * gamma)
    # The loss is the square of 1 - b, which rounding moves by 1e-16 whatever its size.
    np.testing.assert_allclose(np.sqrt(loss), np.sqrt(expected), atol=1e-14)
    np.testing.assert_allclose(loss[jnp.array([5, 10, 20])], [0.0710616, 1.46833e-3, 2.50648e-7], rtol=3e-6)


def test_small_rates_approach_gradient_flow_linearly():
    # gamma0 = 2, time 1: exact 1.178612e-3; Richardson's value leaves an error of second order.
    losses = [
        float(
            curves(depth=1, nu=math.inf, alpha=math.inf, data="population", richness=2.0, rate=1 / n, steps=n + 1)[
                "loss"
            ][-1]
        )
        for n in (100, 200)
    ]
    np.testing.assert_allclose(losses, [1.054659e-3, 1.115637e-3], rtol=1e-6)
    assert 2 * losses[1] - losses[0] == pytest.approx(1.1766e-3, rel=1e-4)


@pytest.mark.parametrize("depth", [1, 2])
def test_lazy_infinite_width_is_linear_regression_at_rate_times_kernel(depth):
    # Corrections are of order richness^2 = 1e-8.
    lazy = partial(curves, depth=depth, nu=math.inf, richness=1e-4, rate=0.05)
    out = lazy(noise=0.5)
    test, train = linear_regression(2.0, np.full(T, 0.05 * (depth + 1)), 0.25)
    np.testing.assert_allclose(out["loss"], test, rtol=1e-7)
    np.testing.assert_allclose(out["train_loss"], train, rtol=1e-7)


def test_lazy_one_pass_follows_its_recursion():
    out = curves(depth=2, nu=math.inf, alpha=0.5, data="online", richness=1e-4, rate=0.05, noise=0.5)
    c, step, expected = 1.0, 0.05 * 3, []
    for _ in range(T):
        expected.append(c)
        c = (1 - step) ** 2 * c + step**2 * (c + 0.25) / 0.5
    np.testing.assert_allclose(out["loss"], expected, rtol=1e-7)


@pytest.mark.parametrize(("nu", "values"), [(2.0, (0.141799, 1.64471e-3)), (0.5, (0.213793, 7.67726e-3))])
def test_lazy_centred_layer_sees_the_initial_weights_spectrum(nu, values):
    loss = curves(depth=1, nu=nu, alpha=math.inf, data="population", centered=True, richness=1e-3, rate=0.1)["loss"]
    m, w, atom = marchenko_pastur(nu)
    t = np.arange(T)[:, None]
    expected = (1 - 0.1 * (1 + m)) ** (2 * t) @ w + atom * (1 - 0.1) ** (2 * t[:, 0])
    # Corrections are of order richness^2 = 1e-6, relative to the loss at time 0.
    np.testing.assert_allclose(loss, expected, atol=1e-6)
    np.testing.assert_allclose(loss[jnp.array([5, 20])], values, atol=1e-6)


def test_residual_lazy_kernel():
    fields = {"residual": "scaled", "nu": math.inf, "alpha": math.inf, "data": "population"}
    out = curves(depth=5, steps=12, richness=1e-3, **fields)
    assert float(out["ntk"][0]) == pytest.approx(6.8359375, rel=1e-14)
    assert setting(depth=5, residual="scaled").lazy_kernel() == pytest.approx(6.8359375, rel=1e-14)
    assert setting(depth=10**6, steps=1, residual="none").lazy_kernel() == 10**6 + 1
    many = 10**6  # corrections are of order 1 / branches
    b2 = 1 / many
    limit = 2 * (1 + b2) ** many + (1 + b2) ** (many - 1)
    assert limit == pytest.approx(math.e * 3, rel=1e-5)


def test_initial_loss_is_target_plus_initial_predictor():
    gamma, nu, variance = 1.3, 0.5, 0.1
    plain = curves(nu=nu, richness=gamma, noise=NOISE)
    assert float(plain["loss"][0]) == pytest.approx(1 + 1 / (gamma**2 * nu), rel=1e-14)
    assert float(plain["train_loss"][0]) == pytest.approx(1 + 1 / (gamma**2 * nu) + variance, rel=1e-14)
    residual = curves(depth=5, steps=12, nu=nu, residual="constant", branch=0.5, richness=gamma)
    assert float(residual["loss"][0]) == pytest.approx(1 + 1.25**4 / (gamma**2 * nu), rel=1e-14)


def test_residual_network_without_blocks_is_a_plain_one():
    plain, residual = (curves(depth=1, noise=NOISE, residual=kind) for kind in ("none", "constant"))
    np.testing.assert_allclose(plain["loss"], residual["loss"], rtol=1e-14)


def test_residual_marching_with_one_infinite_branch_scale_is_a_deeper_chain_of_sources():
    # Independent of the layered marching: at b = 0 the blocks do nothing and depth 3 is depth 1 with kernel 2.
    short = theory.setting(setting(depth=1, noise=NOISE, steps=12))
    long = dataclasses.replace(
        theory.setting(setting(depth=3, noise=NOISE, steps=12, residual="constant")), branch=jnp.zeros(())
    )
    np.testing.assert_allclose(SOLVE(long).error, SOLVE(short).error, rtol=1e-13)


def test_infinite_samples_are_the_population():
    many = curves(alpha=1e8)
    population = curves(alpha=math.inf, data="population")
    # Corrections of order 1 / alpha = 1e-8, relative to the loss at time 0.
    np.testing.assert_allclose(many["loss"], population["loss"], atol=5e-8)


def test_equal_modes_may_be_grouped():
    fields = {"spectrum": "modes", "width": 30, "samples": 40, "dimension": 4, "richness": 0.8, "rate": 0.1}
    grouped = curves(modes=((0.5, 1.2, 2), (0.2, 0.7, 2)), **fields)
    apart = curves(modes=((0.5, 1.2, 1), (0.5, 1.2, 1), (0.2, 0.7, 1), (0.2, 0.7, 1)), **fields)
    for name, curve in grouped.items():
        # The same sums in another order: rounding of the initial values, 1e-16, grows to 1e-12 of the last ones.
        np.testing.assert_allclose(curve, apart[name], rtol=1e-11)


def test_isotropic_normalisation_is_the_general_one_rescaled():
    size = 400
    general = curves(
        dimension=size,
        spectrum="modes",
        modes=((1 / size, 1.0, size),),
        richness=1 / size**0.5,
        rate=0.05 * size,
        noise=NOISE,
    )
    isotropic = curves(dimension=size, noise=NOISE)
    for name in ("loss", "train_loss", "ntk", "gradient_kernel", "error_correlation"):
        np.testing.assert_allclose(general[name], isotropic[name], rtol=1e-11)
    np.testing.assert_allclose(size * general["feature_kernel"], isotropic["feature_kernel"], rtol=1e-11)


def test_short_form_of_infinite_width_and_samples_is_the_general_one():
    fields = {"dimension": 20, "spectrum": "power_law", "rate": 0.2, "steps": 30, "depth": 2}
    short = theory.setting(setting(nu=math.inf, alpha=math.inf, data="population", **fields))
    general = dataclasses.replace(short, infinite=False)
    assert short.infinite
    np.testing.assert_allclose(SOLVE(short).error, SOLVE(general).error, rtol=1e-12)


# -- two independent solvers ----------------------------------------------------------------------------------

BOTH = {
    "batch": {"noise": NOISE},
    "centred": {"depth": 3, "centered": True, "richness": 0.5},
    "online": {"depth": 1, "data": "online", "rate": 0.1, "rate_decay": 0.1, "batch_schedule": ((4, 500),)},
    "population": {"data": "population", "nu": 0.5},
    "residual": {"depth": 4, "residual": "scaled", "noise": NOISE, "steps": 14},
    "power_law": {"dimension": 6, "spectrum": "power_law", "nu": 4, "alpha": 5, "richness": 0.3, "rate": 0.2},
}


@pytest.mark.parametrize("case", BOTH)
def test_marching_and_sweeps_agree(case):
    equations = theory.setting(setting(**BOTH[case]))
    marched, swept = SOLVE(equations), theory_sweep.solve(equations)
    np.testing.assert_allclose(marched.error, swept.error, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(marched.mean, swept.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(marched.force, np.diag(swept.features[0]), rtol=1e-10, atol=1e-12)
    features = [np.diag(m) for m in swept.features[1:]]
    np.testing.assert_allclose(marched.feature_kernel, features, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(marched.gradient_kernel, [np.diag(m) for m in swept.gradients], rtol=1e-10)


# -- values ---------------------------------------------------------------------------------------------------


def test_two_layers_full_batch_to_eight_digits():
    out = curves(noise=NOISE)
    at = jnp.array([1, 2, 5, 10, 20, 40, 59])
    test = [1.306599, 1.0449209, 0.71665091, 0.49462661, 0.30086178, 0.16420985, 0.12192442]
    train = [1.1825833, 0.86205123, 0.49464599, 0.28519888, 0.14616742, 0.077940693, 0.061592369]
    np.testing.assert_allclose(out["loss"][at], test, rtol=1e-7)
    np.testing.assert_allclose(out["train_loss"][at], train, rtol=1e-7)


def test_order_parameters_of_two_layers():
    system = setting(noise=NOISE)
    solution = SOLVE(theory.setting(system))
    at = jnp.array([0, 10, 40])
    for curve, values in (
        (solution.gradient_kernel[0], (1, 0.77095, 1.05489)),
        (solution.gradient_kernel[1], (1, 0.90809, 1.01899)),
        (solution.feature_kernel[0], (4.05, 0.067637, 2.4256e-3)),
        (solution.force, (3.05, 0.180625, 9.5964e-3)),
        (tangent_kernel(solution), (3.98361, 1.35340, 1.48226)),
        (solution.mean[0], (1, 0.44189, 0.12626)),
        (solution.error[10], (0.70719, None, 0.21953)),
    ):
        for value, expected in zip(curve[at], values, strict=True):
            if expected is not None:
                assert float(value) == pytest.approx(expected, rel=1e-4)
    assert float(solution.error[20, 10]) == pytest.approx(0.36682, rel=1e-4)


CASES = {
    "B": ({"depth": 1, "alpha": math.inf, "data": "population", "rate": 0.1}, "0.33799 7.469e-3 5.88e-7"),
    "C": ({"depth": 1, "rate": 0.1, "noise": NOISE}, "0.57107 0.18833 0.09754"),
    "D": ({"depth": 1, "nu": 0.5, "alpha": 0.5, "rate": 0.1, "noise": NOISE}, "1.44069 1.37722 1.41595"),
    "E": ({"depth": 1, "rate": 0.1, "noise": NOISE, "data": "online"}, "0.37225 0.01577 6.10e-3"),
    "G": ({"richness": 3.0, "rate": 0.01, "noise": NOISE}, "0.84958 0.46106 0.16447"),
    "H": ({"depth": 3, "nu": 2.0, "alpha": 1.0, "data": "online"}, "0.35928 0.01125 2.36e-6"),
    "I": (
        {"depth": 5, "residual": "constant", "branch": 0.5, "noise": NOISE, "steps": 40},
        "0.66122 0.24556 0.13689",
    ),
    "J": ({"centered": True, "richness": 0.5, "noise": NOISE}, "0.43511 0.18262 0.09773"),
}


def last_digit(text):
    """One unit in the last printed digit."""
    mantissa, _, exponent = text.partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


@pytest.mark.parametrize("case", CASES)
def test_loss_of_reference_cases(case):
    fields, printed = CASES[case]
    loss = curves(**fields)["loss"]
    for value, text in zip(loss[jnp.array([5, 20, -1])], printed.split(), strict=True):
        assert float(value) == pytest.approx(float(text), abs=last_digit(text))


def test_schedules_of_rate_and_batch():
    falling = curves(richness=1.5, noise=NOISE, rate=0.08, rate_decay=0.05)["loss"]
    np.testing.assert_allclose(falling[jnp.array([5, 10, 20, 40])], [0.46719, 0.30275, 0.18734, 0.12735], rtol=1e-4)
    growing = curves(
        depth=1, alpha=0.5, data="online", richness=1.2, rate=0.08, noise=0.3**0.5, batch_schedule=((12, 200),)
    )["loss"]
    expected = [1.69444, 0.53900, 0.21884, 0.040522, 0.015003]
    np.testing.assert_allclose(growing[jnp.array([0, 5, 11, 20, 40])], expected, rtol=1e-4)


def test_ensemble_divides_the_variance_of_the_initial_weights():
    one, two = (predicted(setting(noise=NOISE, members=m)) for m in (1, 2))
    shared = 2 * two.curves["loss"] - one.curves["loss"]
    np.testing.assert_allclose(shared[jnp.array([5, 20, 39])], [0.42126, 0.15875, 0.10101], rtol=1e-4)
    parts = [two.facts[name] for name in ("bias", "variance_of_data", "variance_of_initialization")]
    np.testing.assert_allclose(sum(parts), one.curves["loss"], rtol=1e-12)
    assert all(float(jnp.min(part)) >= -1e-12 for part in parts)


def test_power_law_at_finite_width_and_samples():
    fields = {"dimension": 300, "spectrum": "power_law", "depth": 1, "steps": 50, "richness": 0.3, "rate": 0.15}
    fields |= {"spectrum_exponent": 1.3, "task_exponent": 0.5, "width": 200, "samples": 300, "noise": 0.02**0.5}
    at = jnp.array([5, 10, 20, 49])
    np.testing.assert_allclose(curves(**fields)["loss"][at], [0.67541, 0.49688, 0.34778, 0.22227], rtol=1e-4)
    online = curves(**fields, data="online")["loss"]
    np.testing.assert_allclose(online[at], [0.67437, 0.49433, 0.34365, 0.21645], rtol=1e-4)


CONVERGING = {1: 0.40836, 2: 0.37983, 4: 0.36369, 8: 0.35547, 16: 0.35141, 24: 0.35008}


def residual_loss(blocks):
    return float(curves(depth=blocks + 1, residual="scaled", nu=2.0, rate=0.03, steps=11)["loss"][10])


def test_residual_curves_converge_like_one_over_depth():
    losses = {blocks: residual_loss(blocks) for blocks in (2, 4, 8)}
    for blocks, loss in losses.items():
        assert loss == pytest.approx(CONVERGING[blocks], abs=6e-6)
    # Halving 1 / depth halves the distance to the limit 0.3474; what is left is of second order in 1 / depth.
    assert 2 * losses[8] - losses[4] == pytest.approx(0.3474, abs=3e-4)
    assert (losses[2] - losses[4]) / (losses[4] - losses[8]) == pytest.approx(2, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [1, 16, 24])
def test_residual_loss_of_few_and_many_branches(blocks):
    assert residual_loss(blocks) == pytest.approx(CONVERGING[blocks], abs=6e-6)


def test_wider_is_better_in_mup_and_not_in_ntk():
    widths = (0.25, 0.5, 1, 2, 4, 16)
    mup = np.array([curves(nu=nu, alpha=4.0)["loss"] for nu in (*widths, math.inf)])
    assert (np.diff(mup, axis=0) < 0).all()
    expected = [0.70021, 0.39657, 0.15964, 0.064406, 0.032271, 0.015797, 0.011699]
    np.testing.assert_allclose(mup[:, 20], expected, rtol=1e-4)
    ntk = [curves(nu=nu, alpha=4.0, parametrization="ntk")["loss"] for nu in widths]
    np.testing.assert_allclose([loss[0] for loss in ntk], 2, rtol=1e-12)
    np.testing.assert_allclose([loss[20] for loss in ntk], [0.388, 0.255, 0.160, 0.104, 0.0750, 0.0543], rtol=5e-3)


def test_repeated_samples_overfit_and_fresh_ones_do_not():
    minima = {0.5: (7, 0.96615, 1.09758), 1: (25, 0.56071, 0.87369), 2: (44, 0.21214, 0.24258)}
    floors = {0.5: 0.044453, 1: 0.023572, 2: 0.012163}
    for alpha, (when, least, last) in minima.items():
        out = curves(nu=2.0, alpha=alpha, noise=0.5, steps=150)
        assert int(jnp.argmin(out["loss"])) == when
        np.testing.assert_allclose([out["loss"][when], out["loss"][-1]], [least, last], atol=1e-5)
        assert (jnp.diff(out["train_loss"]) < 0).all()
        fresh = curves(nu=2.0, alpha=alpha, noise=0.5, steps=150, data="online")["loss"]
        assert float(fresh[-1]) == pytest.approx(floors[alpha], rel=1e-4)
        assert (jnp.diff(fresh) < 1e-12).all()


# -- power laws -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("richness", "rate", "values", "slope"),
    [
        (1e-3, 0.15, (0.714324, 0.379279, 0.288013, 0.218959), 0.4),
        (4.0, 0.06, (0.710154, 0.275692, 0.185407, 0.125243), 4 / 7),
    ],
)
def test_feature_learning_accelerates_a_hard_power_law(richness, rate, values, slope):
    system = setting(
        dimension=10**8,
        nu=math.inf,
        alpha=math.inf,
        data="population",
        spectrum="power_law",
        task_exponent=0.4,
        normalized=False,
        richness=richness,
        rate=rate,
        steps=200,
        depth=1,
    )
    loss = jnp.diagonal(SOLVE(theory.setting(system, 60)).error)
    # The expected values end their last group one mode earlier, which moves the last digit.
    np.testing.assert_allclose(loss[jnp.array([10, 50, 100, 199])], values, atol=1.5e-6)
    fitted = theory_rank_one.fitted_slope(np.arange(40.0, 200), loss[40:])
    assert float(fitted) == pytest.approx(slope, abs=0.01)
    reference = theory_rank_one.lazy_slope(0.4) if richness < 1 else theory_rank_one.rich_slope(0.4)
    assert float(reference) == pytest.approx(slope, rel=1e-12)


def test_rank_one_reduction_reaches_its_exponents():
    times = np.geomspace(1, 1e6, 61)
    spectrum = theory_rank_one.power_law(1.5, 0.5)
    prediction = jax.jit(lambda t: theory_rank_one.curve(t, 1, spectrum, rtol=1e-6, atol=1e-9))(times)
    prediction.raise_if_failed()
    loss, late = prediction.curves["loss"], (times >= 300) & (times <= 1e5)
    fitted = theory_rank_one.fitted_slope(times[late], loss[late])
    assert float(fitted) == pytest.approx(0.661, abs=1e-3)
    assert float(fitted) == pytest.approx(float(theory_rank_one.rich_slope(0.5)), abs=0.01)
    lazy = theory_rank_one.lazy_curve(times, 1, spectrum)
    assert float(theory_rank_one.fitted_slope(times[late], lazy[late])) == pytest.approx(0.5, abs=0.01)


RANK_ONE = {
    1: (1.74858, 0.707562, 0.157607, 0.0353711, 7.83117e-3),
    2: (1.74716, 0.594824, 0.113403, 0.0218485, 4.12261e-3),
}


@pytest.mark.slow
@pytest.mark.parametrize("depth", RANK_ONE)
def test_rank_one_reduction_values(depth):
    spectrum = theory_rank_one.power_law(1.5, 0.5, groups=260)
    times = np.geomspace(0.1, 1000, 5)
    loss = jax.jit(lambda t: theory_rank_one.curve(t, depth, spectrum))(times).curves["loss"]
    np.testing.assert_allclose(loss, RANK_ONE[depth], rtol=3e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "fitted"), [(2, 0.736), (3, 0.778)])
def test_rank_one_exponent_depends_on_depth(depth, fitted):
    times = np.geomspace(300, 1e5, 31)
    spectrum = theory_rank_one.power_law(1.5, 0.5)
    loss = jax.jit(lambda t: theory_rank_one.curve(t, depth, spectrum, rtol=1e-6, atol=1e-9))(times).curves["loss"]
    assert float(theory_rank_one.fitted_slope(times, loss)) == pytest.approx(fitted, abs=1e-3)
    assert float(theory_rank_one.rich_slope(0.5, depth)) > float(theory_rank_one.paper_slope(0.5)) + 0.05


# -- derivatives ----------------------------------------------------------------------------------------------


def test_derivative_by_the_learning_rate():
    system = cast(setting(noise=NOISE), "float64")

    def last(rate):
        return theory.predict(dataclasses.replace(system, rate=rate), system.numerics(None)).curves["loss"][-1]

    value, slope = jax.jit(lambda r: jax.jvp(last, (r,), (jnp.ones(()),)))(jnp.asarray(0.05))
    assert float(value) == pytest.approx(0.12192442, rel=1e-7)
    assert float(slope) == pytest.approx(-1.5427991, rel=1e-7)


# -- agreement with training ------------------------------------------------------------------------------------

TILE = 32


TRAINED = {}


def trained(system, runs, seed=0):
    """Curves of `runs` runs in float32, as the engine makes them; kept."""
    leaves, kind = jax.tree.flatten(system)
    asked = (kind, tuple(np.asarray(leaf).tobytes() for leaf in leaves), runs, seed)
    if asked not in TRAINED:
        TRAINED[asked] = _trained(system, runs, seed)
    return TRAINED[asked]


def _trained(system, runs, seed):
    with in_precision("float32"):
        single = cast(system, "float32")
        tile = jax.jit(
            lambda system, first: jax.vmap(
                lambda i: system.simulate(None, jax.random.fold_in(jax.random.key(seed), i))
            )(first + jnp.arange(TILE))
        )
        tiles = [jax.tree.map(np.asarray, tile(single, n * TILE)) for n in range(runs // TILE)]
    return {name: np.concatenate([t[name] for t in tiles]).astype(float) for name in tiles[0]}


def deviation(prediction, runs, observable):
    """Relative deviation of the mean run, and the norm of its standard error, as the verdict measures them."""
    theory_curve = np.asarray(prediction.curves[observable.name])
    scale = theory_curve if observable.scale == "log" else np.sqrt(np.mean(theory_curve**2))
    residuals = (runs[observable.name] - theory_curve) / scale
    error = residuals.std(0, ddof=1) / math.sqrt(len(residuals))
    return np.sqrt(np.mean(residuals.mean(0) ** 2)), np.sqrt(np.mean(error**2))


def judged(system, prediction, runs, names):
    """Lowest and highest relative deviation (two standard errors) of the named observables."""
    bounds = {}
    for observable in system.observables:
        if observable.name in names:
            size, error = deviation(prediction, runs, observable)
            bounds[observable.name] = (size - 2 * error, size + 2 * error, observable.margin)
    return bounds


def check_agreement(system, runs):
    simulated = trained(system, runs)
    prediction = predicted(system)
    names = {observable.name for observable in system.observables}
    assert names <= set(simulated)
    for name, (_, high, margin) in judged(system, prediction, simulated, names).items():
        assert high < margin, f"{name}: deviation up to {high:.3f}, margin {margin}"


@pytest.mark.parametrize("name", [case.name for case in QUICK.cases])
def test_training_agrees_with_theory(name):
    case = QUICK.case(name)
    check_agreement(DeepLinearDMFT.from_case(case), case.runs)


OTHERS = {
    "ntk": {"nu": 2.0, "parametrization": "ntk", "noise": NOISE, "steps": 40},
    "population": {"data": "population", "depth": 1, "rate": 0.1, "steps": 15},
    "linear": {"depth": 0, "rate": 0.3, "noise": 0.5, "steps": 40},
    "ensemble": {"members": 3, "centered": True, "noise": NOISE, "steps": 40},
    "schedules": {
        "depth": 1,
        "alpha": 0.5,
        "data": "online",
        "batch_schedule": ((12, 400),),
        "rate": 0.08,
        "rate_decay": 0.02,
        "rate_profile": (0.5, 1.5, 0.2),
        "noise": 0.3**0.5,
        "steps": 30,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_training_agrees_with_theory_in_other_settings(name):
    check_agreement(setting(dimension=200, **OTHERS[name]), 512)


@pytest.mark.slow
def test_deviation_falls_like_one_over_the_dimension():
    sizes = np.array([50, 100, 200, 400])
    system = setting(noise=NOISE, steps=40)
    loss = next(o for o in system.observables if o.name == "loss")
    found = [deviation(predicted(system.resized(n)), trained(system.resized(n), 64 * 400 // n), loss) for n in sizes]
    size, error = np.array(found).T
    # Weighted least squares of a + b / D: the limit is zero within the margin.
    design = np.stack([np.ones(4), 1 / sizes], 1) / error[:, None]
    limit = np.linalg.lstsq(design, size / error, rcond=None)[0][0]
    assert abs(limit) < 0.05
    assert size[0] > size[-1]


class LeftOut(DeepLinearDMFT):
    """A wrong theory: one term of the equations replaced."""

    wrong: str = eqx.field(static=True, default="")

    def equations(self):
        equations = theory.setting(cast(self, "float64"))
        changes = {
            "width": {"inverse_width": 0 * equations.inverse_width},
            "response": {"reaction": jnp.zeros(())},
            "rate": {"rates": 1.1 * equations.rates},
        }
        return dataclasses.replace(equations, **changes.get(self.wrong, {}))

    def predict(self, instance, numerics):
        equations = self.equations()
        return theory.observe(self, equations, SOLVE(equations))


@pytest.mark.parametrize("wrong", ["width", "response", "rate"])
def test_wrong_theory_differs(wrong):
    system = LeftOut(dimension=100, width=200, samples=400, steps=30, wrong=wrong)
    right = dataclasses.replace(system, wrong="")
    simulated = trained(right, 256)
    names = ("loss", "train_loss")
    for name, (low, _, margin) in judged(system, system.predict(None, None), simulated, names).items():
        assert low > margin, f"{name}: deviation at least {low:.3f}"
    for low, _, margin in judged(right, right.predict(None, None), simulated, names).values():
        assert low < margin


# -- refusals, warnings, divergence -----------------------------------------------------------------------------

REFUSED = {
    "steps must be an integer of at least 1": {"steps": 0},
    "depth must be an integer of at least 0": {"depth": -1},
    "width must be an integer of at least 1 or inf": {"width": 0},
    "samples must be an integer of at least 1 or inf": {"samples": -3},
    "dimension must be an integer of at least 1": {"dimension": 0},
    "richness must be positive": {"richness": 0.0},
    "rate must be positive": {"rate": -0.1},
    "rate must be finite": {"rate": math.inf},
    "noise is a standard deviation and must not be negative": {"noise": -0.1},
    "eigenvalues must be positive": {"spectrum": "modes", "modes": ((-1.0, 1.0, 100),)},
    "squared target coefficients must not be negative": {"spectrum": "modes", "modes": ((1.0, -1.0, 100),)},
    "needs at least one group in modes": {"spectrum": "modes"},
    "multiplicities of modes must add up to dimension = 100, they give 3": {
        "spectrum": "modes",
        "modes": ((1.0, 1.0, 3),),
    },
    r"each of modes is \(eigenvalue, target coefficient squared, multiplicity\)": {
        "spectrum": "modes",
        "modes": ((1.0, 1.0),),
    },
    "needs at least one hidden layer": {"residual": "scaled", "depth": 0},
    "branch, the scale of residual branches, must not be negative": {"branch": -1.0},
    "take data='population'": {"data": "online", "samples": math.inf},
    "a batch schedule needs fresh batches": {"batch_schedule": ((3, 10),)},
    "steps of the batch schedule must increase": {"data": "online", "batch_schedule": ((5, 10), (3, 10))},
    "raise richness, or take centered=True": {"richness": 1e-4},
    "NTK parametrization is lazy": {"parametrization": "ntk", "width": math.inf},
    "spectrum_exponent must be above 1": {"spectrum": "power_law", "spectrum_exponent": 1.0},
    "data must be one of batch, online, population": {"data": "stream"},
    r"of two-time matrices, the limit is 4 GiB; at most 5\d\d\d steps fit": {"steps": 20_000},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_bad_input_is_refused(sentence):
    with pytest.raises(Refused, match=sentence):
        setting(**REFUSED[sentence])


@pytest.mark.parametrize(
    ("sentence", "fields"),
    [
        ("infinite width can be predicted, not simulated", {"width": math.inf}),
        ("take data='population' to simulate", {"samples": math.inf}),
    ],
)
def test_infinite_sizes_are_not_simulated(sentence, fields):
    with pytest.raises(Refused, match=sentence):
        setting(**fields).simulate(None, jax.random.key(0))


def test_rates_above_the_lazy_bound_warn_with_the_bound():
    # Two layers, alpha = 2: 2 / (3 (1 + 2^-1/2)^2) = 0.22876.
    assert setting(rate=0.2).warnings(None) == ()
    (sentence,) = setting(rate=0.24).warnings(None)
    assert "0.24 is above the lazy stability bound 0.2288" in sentence
    # One pass: 2 / (3 (1 + 1/2)).
    assert "bound 0.4444" in setting(rate=0.5, data="online").warnings(None)[0]
    assert "bound 0.6667" in setting(rate=0.7, data="population").warnings(None)[0]


def test_linear_regression_is_stable_below_the_bound_and_not_above():
    for fields in ({}, {"spectrum": "power_law", "dimension": 20}, {"data": "online"}):
        system = setting(depth=0, steps=150, **fields)
        bound = float(2 / system.sharpness())
        stable, unstable = (
            predicted(dataclasses.replace(system, rate=factor * bound)).curves["loss"] for factor in (0.97, 1.1)
        )
        assert float(stable[-1]) < 1
        assert not float(unstable[-1]) < 1e3


def test_sharpness_is_the_sample_covariance_largest_eigenvalue():
    system = setting(
        dimension=400, spectrum="modes", modes=((1.0, 1.0, 200), (0.3, 1.0, 200)), samples=200, depth=0, rate=0.01
    )
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 400)) * np.repeat([1, 0.3**0.5], 200)
    # The largest eigenvalue fluctuates by a relative P^(-2/3) = 0.03.
    assert float(system.sharpness()) == pytest.approx(np.linalg.eigvalsh(x.T @ x / 200)[-1], rel=0.06)


def test_divergence_says_at_which_step():
    prediction = predicted(setting(rate=1.0))
    at = int(prediction.facts["diverged_at"])
    assert 0 < at < T
    assert int(prediction.status) == Status.NOT_FINITE
    loss = np.asarray(prediction.curves["loss"])
    assert np.isfinite(loss[:at]).all()
    assert (loss[:at] <= theory.DIVERGED).all()
    assert np.isnan(loss[at:]).all()
    assert "diverges" in prediction.failure()
    assert str(at) in prediction.failure().split(":")[0]
    assert int(predicted(setting()).facts["diverged_at"]) == -1


def test_the_approach_of_the_stability_edge_is_told():
    # richness 4 at rate 0.14 lies past the edge of the kernel that it learns, though below the lazy bound.
    system = setting(nu=8.0, richness=4.0, rate=0.14, alpha=4.0, steps=20)
    assert "past the stability edge" in system.doubts(predicted(system))[0]
    assert setting().doubts(predicted(setting())) == ()


def test_sizes_grow_together():
    system = setting(nu=2.0, alpha=0.5, data="online", batch_schedule=((4, 30),))
    larger = system.resized(400)
    assert (larger.dimension, larger.width, larger.samples) == (400, 800, 200)
    assert larger.batch_schedule == ((4, 120),)
    np.testing.assert_allclose(predicted(larger).curves["loss"], predicted(system).curves["loss"], rtol=1e-12)
    assert setting(nu=math.inf).resized(300).width == math.inf
