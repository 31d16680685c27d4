"""Learning curves of SGD in linear models: closed forms, limits, agreement with training, wrong theories, refusals."""

from __future__ import annotations

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.core import Refused
from theorylab.core.casting import cast, in_precision
from theorylab.data import spectra
from theorylab.solvers.resolvent import Modes, ellipse, feature_transforms, integrate_pairs, parabola
from theorylab.systems.sgd_resolvent import SGDResolvent, setting, theory, theory_homogenised, theory_limits
from theorylab.systems.sgd_resolvent import theory_stability as stability

INF = math.inf
ONLINE = {"dynamics": "online", "samples": INF, "rate": 0.2, "batch": 4, "steps": 300}
MULTI = {"dynamics": "multi", "rate": 0.2, "batch": 4, "steps": 300}


def modes_of(system: SGDResolvent) -> Modes:
    return Modes(*(np.asarray(x, float) for x in setting.spectrum(system)))


def physics_of(system: SGDResolvent, **terms: float) -> theory.Setting:
    modes = jax.tree.map(jnp.asarray, modes_of(system))
    sizes = (jnp.asarray(float(n)) for n in (system.samples, system.width))
    terms = {"vertex": 1.0, "back_coupling": 1.0} | terms
    return theory.Setting(modes, jnp.asarray(system.noise), *sizes, math.isinf(system.samples), **terms)


predict = jax.jit(lambda system, numerics: system.predict(None, numerics))

# Sizes are traced in these three, and contours fixed at what the longest test needs, so that settings share programs.
NODES, STAGES = 160, 56
STEPS = 401


def predicted(system: SGDResolvent):
    found = predict(cast(system, "float64"), system.numerics(None))
    found.raise_if_failed()
    return found


@jax.jit
def _descent(physics, rate, last):
    return theory.descent_curves(physics, jnp.arange(STEPS), rate, NODES, STAGES, last)


def descent(system: SGDResolvent, steps, **terms: float):
    numerics = system.numerics(None)
    assert numerics.nodes <= NODES
    found = _descent(physics_of(system, **terms), system.rate, jnp.asarray(float(system.steps)))
    assert found.found
    return theory.Curves(*(x[np.asarray(steps)] for x in found[:2]), found.found)


@jax.jit
def _stochastic(physics, rate, factor):
    return theory.stochastic_curves(physics, rate, factor, STEPS - 1, NODES, STAGES)


def stochastic(system: SGDResolvent):
    """Curves at every step from 0, and the kernel mass."""
    numerics = dataclasses.replace(system, steps=STEPS - 1).numerics(None)
    assert numerics.nodes <= NODES
    assert numerics.stages <= STAGES
    factor = theory.noise_factor(system.rate, system.samples, system.batch, system.replacement)
    curves, mass = _stochastic(physics_of(system), system.rate, factor)
    assert curves.found
    return curves, mass


@jax.jit
def _flow(physics, times):
    return theory.flow_curves(physics, times, STAGES)


def flow(system: SGDResolvent, times):
    """One program for up to 60 times."""
    times = np.asarray(times, float)
    found = _flow(physics_of(system), jnp.asarray(np.pad(times, (0, 60 - len(times)), mode="edge")))
    assert found.found
    return theory.Curves(*(x[: len(times)] for x in found[:2]), found.found)


def curves_of(system: SGDResolvent, **terms: float) -> dict[str, np.ndarray]:
    """Curves at the recorded times."""
    if system.dynamics == "flow":
        found = flow(system, system.horizon * setting.relative_times())
    elif system.dynamics == "gd":
        found = descent(system, setting.recorded_steps(system.steps), **terms)
    else:
        steps = setting.recorded_steps(system.steps)
        found = theory.Curves(*(x[steps] for x in stochastic(system)[0][:2]), jnp.asarray(True))
    return {"loss": np.asarray(found.loss), "train_loss": np.asarray(found.train_loss)}


@functools.cache
def simulated(system_fields: tuple, runs: int) -> dict[str, np.ndarray]:
    system = cast_float32(SGDResolvent(**dict(system_fields)))
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(5), runs)
        found = jax.jit(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)))(system, keys)
    return {name: np.asarray(value, float) for name, value in found.items()}


def cast_float32(system: SGDResolvent) -> SGDResolvent:
    with in_precision("float32"):
        return cast(system, "float32")


def deviations(system: SGDResolvent, runs: int, curves=None) -> dict[str, np.ndarray]:
    """(mean - theory) in standard errors, less a finite-size allowance of 2 / (smallest size) of the theory."""
    fields = tuple((f.name, getattr(system, f.name)) for f in dataclasses.fields(system))
    curves = curves_of(system) if curves is None else curves
    smallest = min(system.dimension, system.samples, system.width)
    found = {}
    for name, runs_ in simulated(fields, runs).items():
        mean, error = runs_.mean(0), runs_.std(0, ddof=1) / math.sqrt(runs)
        excess = np.abs(mean - curves[name]) - 2 / smallest * np.asarray(curves[name])
        found[name] = np.maximum(excess, 0) / error
    return found


# -- figures of the headline settings ------------------------------------------------------------------------


def test_gradient_descent_on_150_samples_has_its_headline_values() -> None:
    found = descent(SGDResolvent(), [10, 100, 400])
    # to the digits of the values, computed once by another program
    np.testing.assert_allclose(found.loss, [0.17957, 0.05357, 0.04975], atol=5e-6)
    np.testing.assert_allclose(found.train_loss, [0.23736, 0.07942, 0.03851], atol=5e-6)


def test_random_features_have_their_headline_values() -> None:
    np.testing.assert_allclose(
        descent(SGDResolvent(width=120), [10, 100, 400]).loss, [0.2013, 0.0870, 0.0872], atol=5e-5
    )
    found = descent(SGDResolvent(samples=400, width=100), [400])
    np.testing.assert_allclose([found.loss[0], found.train_loss[0]], [0.0629, 0.1099], atol=5e-5)


@pytest.mark.parametrize(
    ("fields", "steps", "loss", "train"),
    [
        (ONLINE, [5, 50, 300], [0.3871, 0.0873, 0.0270], None),
        ({**ONLINE, "width": 100}, [5, 50, 300], [0.4045, 0.1240, 0.0678], None),
        (MULTI, [10, 50, 300], [0.2556, 0.1003, 0.0528], [0.3186, 0.1465, 0.0628]),
        (
            {**MULTI, "batch": 16, "samples": 400, "width": 100},
            [10, 50, 300],
            [0.2559, 0.1155, 0.0697],
            [0.3348, 0.1867, 0.1248],
        ),
    ],
)
def test_sgd_has_its_headline_values(fields, steps, loss, train) -> None:
    found, mass = stochastic(SGDResolvent(**fields))
    assert mass < 1
    np.testing.assert_allclose(found.loss[jnp.asarray(steps)], loss, atol=5.1e-5)
    if train:
        np.testing.assert_allclose(found.train_loss[jnp.asarray(steps)], train, atol=5.1e-5)


def test_two_level_spectrum_has_its_headline_values() -> None:
    system = SGDResolvent(
        spectrum="two_level", dimension=400, signal=0.625, dynamics="multi", rate=0.06, batch=30, samples=300,
        width=240, steps=200,
    )  # fmt: skip
    found, mass = stochastic(system)
    steps = jnp.asarray([10, 50, 200])
    np.testing.assert_allclose(found.loss[steps], [0.53172, 0.51020, 0.59423], atol=5e-6)
    np.testing.assert_allclose(found.train_loss[steps], [0.37900, 0.19773, 0.12167], atol=5e-6)
    assert float(mass) == pytest.approx(0.246, abs=0.002)


def test_batches_with_replacement_carry_more_noise() -> None:
    fields = {"spectrum": "flat", "dimension": 120, "samples": 90, "width": 100, "dynamics": "multi", "batch": 30}
    steps = jnp.asarray([10, 50, 150])
    for replacement, train in ((False, [0.2898, 0.1092, 0.0533]), (True, [0.3242, 0.1211, 0.0589])):
        found, _ = stochastic(SGDResolvent(**fields, rate=0.1, steps=150, replacement=replacement))
        np.testing.assert_allclose(found.train_loss[steps], train, atol=5.1e-5)


def test_multi_pass_sgd_above_threshold_grows_and_says_so() -> None:
    fields = {"capacity": 0.5, "source": 0.5, "dynamics": "multi", "batch": 2, "steps": 300}
    signal = float(np.mean(np.arange(1, 201) ** -0.5))
    below = SGDResolvent(**fields, signal=signal, rate=0.1)
    found, mass = stochastic(below)
    np.testing.assert_allclose(found.train_loss[jnp.asarray([100, 300])], [0.1088, 0.0429], atol=5e-5)
    assert mass < 1
    assert below.warnings(None) == ()
    above = SGDResolvent(**fields, signal=signal, rate=0.2)
    prediction = predicted(above)
    assert not bool(prediction.facts["stable"])
    assert float(prediction.facts["kernel_mass"]) == pytest.approx(theory.host_kernel_mass(above), rel=1e-9)
    np.testing.assert_allclose(stochastic(above)[0].train_loss[jnp.asarray([100, 300])], [18.3, 5.1e4], rtol=1e-2)
    assert "mass is 1.39" in above.warnings(None)[0]


# -- closed forms --------------------------------------------------------------------------------------------


def test_flow_without_bottlenecks_decays_mode_by_mode() -> None:
    system = SGDResolvent(samples=INF, dynamics="flow")
    modes, times = modes_of(system), np.geomspace(1e-2, 1e5, 40)
    exact = (modes.power * np.exp(-2 * modes.values * times[:, None])).sum(-1)
    # the parabola's accuracy is 1e-13 of the initial loss
    np.testing.assert_allclose(flow(system, times).loss, exact, atol=1e-12)


@pytest.mark.parametrize("samples", [400, 100])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_flow_on_white_data_is_an_average_over_marchenko_pastur(samples: int, noise: float) -> None:
    c, times = 200 / samples, np.geomspace(0.1, 100, 20)
    system = SGDResolvent(spectrum="flat", samples=samples, noise=noise, dynamics="flow")
    low, high = (1 - math.sqrt(c)) ** 2, (1 + math.sqrt(c)) ** 2
    # Gauss quadrature of the second Chebyshev kind carries the square root of the density exactly
    angle = np.pi * np.arange(1, 401) / 401
    x = (low + high) / 2 + (high - low) / 2 * np.cos(angle)
    weight = np.pi / 401 * np.sin(angle) ** 2 * ((high - low) / 2) ** 2 / (2 * np.pi * c * x)
    decay = np.exp(-x * times[:, None])
    exact = (weight * decay**2).sum(-1) + max(0, 1 - 1 / c) + noise**2 * c * (weight * (1 - decay) ** 2 / x).sum(-1)
    # 1e-13 of the initial loss is the parabola's accuracy
    np.testing.assert_allclose(flow(system, times).loss, exact, rtol=1e-11, atol=1e-13)


def test_curves_start_at_the_signal() -> None:
    system = SGDResolvent(width=120, signal=2.0, dynamics="flow")
    found = flow(system, [0.0, 1e-9])
    np.testing.assert_allclose(found.loss, 2.0, rtol=1e-8)
    np.testing.assert_allclose(found.train_loss, 2.09, rtol=1e-8)
    assert float(found.loss[0]) == pytest.approx(2.0, rel=1e-15)
    start = descent(dataclasses.replace(system, dynamics="gd"), [0])
    np.testing.assert_allclose([start.loss[0], start.train_loss[0]], [2.0, 2.09], rtol=1e-11)


def test_one_pass_regression_is_the_explicit_volterra_equation() -> None:
    system = SGDResolvent(**ONLINE)
    modes, steps = modes_of(system), np.arange(301)
    decay = (1 - 0.2 * modes.values) ** (2 * steps[:, None])
    kernel = 0.2**2 / 4 * (modes.values**2 * decay).sum(-1)
    total = (modes.power * decay).sum(-1) + 0.09
    for t in steps[1:]:
        total[t] += kernel[:t][::-1] @ total[:t]
    found, mass = stochastic(system)
    np.testing.assert_allclose(found.loss[:301], total - 0.09, rtol=1e-10)
    np.testing.assert_allclose(mass, stability.one_pass_mass(modes, 0.2, 4), rtol=1e-10)


def test_exact_moments_of_one_pass_sgd_approach_the_theory_like_the_inverse_square_dimension() -> None:
    gaps = []
    for dimension in (50, 100, 200, 400, 800):
        rate = 2 / dimension
        loss = 1.0
        # white data: one number suffices; the last term is what the limit drops
        for _ in range(50):
            loss = (1 - rate) ** 2 * loss + rate**2 / 4 * (loss + dimension * (loss + 0.25))
        system = SGDResolvent(
            spectrum="flat", dimension=dimension, samples=INF, dynamics="online", rate=rate, noise=0.5, steps=50
        )
        found, _ = stochastic(system)
        gaps.append(abs(float(found.loss[50]) / loss - 1))
    # the values measured once by another program, to their digits
    np.testing.assert_allclose(gaps, [1.2e-2, 4.4e-3, 1.2e-3, 3.1e-4, 7.8e-5], rtol=0.05)


def test_infinite_time_is_the_ridgeless_limit_to_seven_digits() -> None:
    fields = {"dimension": 400, "capacity": 1.5, "source": 1.8, "noise": 0.2, "dynamics": "flow"}
    values = {(100, INF): 0.0643171631, (100, 50): 0.1854913, (50, 100): 0.1972338}
    for (samples, width), value in values.items():
        system = SGDResolvent(**fields, samples=samples, width=width)
        limit = float(theory_limits.ridge_loss(modes_of(system), samples, width, 0.2))
        assert limit == pytest.approx(value, abs=1e-7)
        assert float(flow(system, [1e7]).loss[0]) == pytest.approx(limit, rel=1e-7)


# -- limits --------------------------------------------------------------------------------------------------


def test_full_batches_make_multi_pass_sgd_gradient_descent() -> None:
    system = SGDResolvent(**{**MULTI, "batch": 150})
    found, mass = stochastic(system)
    exact = descent(dataclasses.replace(system, dynamics="gd", steps=400), np.arange(401))
    assert float(mass) == 0.0
    np.testing.assert_allclose(found.loss, exact.loss, rtol=1e-11)
    np.testing.assert_allclose(found.train_loss, exact.train_loss, rtol=1e-11)


def test_multi_pass_sgd_on_many_samples_is_one_pass() -> None:
    for width in (INF, 100):
        many, mass = stochastic(SGDResolvent(**{**MULTI, "samples": 10**9, "width": width}))
        fresh, fresh_mass = stochastic(SGDResolvent(**{**ONLINE, "width": width}))
        # the true difference is of order df1^2 / P and of steps x batch / P
        np.testing.assert_allclose(many.loss, fresh.loss, rtol=1e-5)
        np.testing.assert_allclose(many.train_loss, fresh.loss + 0.09, rtol=1e-5)
        np.testing.assert_allclose(mass, fresh_mass, rtol=1e-5)


def test_many_features_are_linear_regression() -> None:
    wide = descent(SGDResolvent(width=10**9), [10, 100, 400])
    np.testing.assert_allclose(wide.loss, descent(SGDResolvent(), [10, 100, 400]).loss, rtol=1e-6)


def test_train_loss_falls_to_zero_while_test_loss_turns_up() -> None:
    times = np.geomspace(0.1, 1e6, 60)
    found = flow(SGDResolvent(dynamics="flow"), times)
    assert np.all(np.diff(found.train_loss) < 1e-12)
    assert float(found.train_loss[-1]) < 1e-10
    assert float(found.loss[-1]) > 2 * float(jnp.min(found.loss))


def test_flow_is_the_limit_of_small_steps() -> None:
    exact = flow(SGDResolvent(dynamics="flow"), [30.0]).loss[0]
    gaps = []
    for steps in (200, 400):
        system = SGDResolvent(rate=30 / steps, steps=steps)
        gaps.append(float(descent(system, [steps]).loss[0] - exact))
    # first order in the rate
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.05)


def test_homogenised_sgd_is_the_limit_of_small_rates() -> None:
    gaps = []
    # rate / batch is the noise's strength, held fixed
    for rate, steps, batch in ((0.1, 100, 4), (0.05, 200, 2), (0.025, 400, 1)):
        system = SGDResolvent(**{**MULTI, "rate": rate, "steps": steps, "batch": batch})
        found, _ = stochastic(system)
        factor = theory.noise_factor(system.rate, 150, batch, False) / system.rate
        smooth = _homogenised(physics_of(system), factor)
        gaps.append([float(x[steps] / y[-1] - 1) for x, y in zip(found[:2], smooth[:2], strict=True)])
    gaps = np.abs(gaps)
    # first order in the rate, up to the second
    np.testing.assert_allclose(gaps[:-1] / gaps[1:], 2.0, rtol=0.2)


@jax.jit
def _homogenised(physics: theory.Setting, factor: jax.Array) -> theory.Curves:
    """Up to time 10, trapezoid spacing 1/80: its error is a hundredth of the rates'."""
    numerics = theory.ContourNumerics(nodes=NODES, stages=STAGES)
    return theory_homogenised.homogenised_curves(physics, factor, 10.0, 801, numerics)[1]


def test_homogenised_one_pass_sgd_is_the_limit_of_small_rates() -> None:
    system = SGDResolvent(**{**ONLINE, "rate": 0.02, "steps": 400, "batch": 1})
    smooth = _homogenised(physics_of(system), jnp.asarray(0.02))
    chosen = theory_homogenised.homogenised_numerics(physics_of(system), 10.0)
    assert chosen.nodes <= NODES
    assert chosen.stages <= STAGES
    found, _ = stochastic(system)
    # relative O(rate x edge) = 2 %
    np.testing.assert_allclose(found.loss[400], smooth.loss[640], rtol=0.02)


# -- stability -----------------------------------------------------------------------------------------------

FLAT_POWER = Modes(np.arange(1, 201) ** -0.5, np.zeros(200), np.ones(200))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("batch", "rate"), [(1, 0.07386), (4, 0.28815), (16, 1.0334), (64, 1.9388)])
def test_critical_rates_of_one_pass_sgd(batch: int, rate: float) -> None:
    closed = float(stability.one_pass_critical_rate(FLAT_POWER, batch))
    assert closed == pytest.approx(rate, abs=6e-5 if batch > 4 else 6e-6)
    assert stability.critical_rate(FLAT_POWER, INF, INF, batch) == pytest.approx(closed, rel=1e-9)
    assert float(stability.one_pass_critical_batch(FLAT_POWER, closed)) == pytest.approx(batch, rel=1e-9)


def test_kernel_mass_is_the_sum_of_the_kernel() -> None:
    """White data with many samples and features: the spectrum has a gap, so 400 steps exhaust the kernel."""
    system = SGDResolvent(spectrum="flat", samples=2000, width=4000, dynamics="multi", rate=0.3, batch=50)

    @jax.jit
    def kernel_of(physics):
        z, weight = ellipse(physics.edge(), 4 / (0.3 * 400), NODES)
        propagator = jnp.exp(jnp.arange(400.0)[:, None] * jnp.log1p(0.3 * z)) * weight
        return integrate_pairs(propagator, *physics.transforms(z, physics.kappa(z, STAGES)[0]).train_kernel)

    factor = float(theory.noise_factor(system.rate, 2000, 50, False))
    kernel = factor * kernel_of(physics_of(system))
    assert float(jnp.sum(kernel)) == pytest.approx(theory.host_kernel_mass(system), rel=1e-11)
    weighted = float(jnp.sum(kernel * jnp.exp(-0.05 * jnp.arange(1, 401))))
    mass = stability.kernel_mass(modes_of(system), 2000, 4000, 0.3, factor, 0.05)
    assert weighted == pytest.approx(mass, rel=1e-11)


def test_loss_above_threshold_grows_at_the_predicted_rate() -> None:
    system = SGDResolvent(capacity=0.5, source=0.5, dynamics="online", samples=INF, batch=4, rate=0.4, steps=300)
    found, mass = stochastic(system)
    growth = stability.growth_rate(modes_of(system), INF, INF, 0.4, 0.4**2 / 4)
    assert mass > 1
    assert float(jnp.log(found.loss[300] / found.loss[290])) / 10 == pytest.approx(growth, rel=1e-6)
    with pytest.raises(Refused, match="does not grow"):
        stability.growth_rate(modes_of(system), INF, INF, 0.1, 0.1**2 / 4)


@pytest.mark.parametrize("replacement", [False, True])
def test_critical_batch_has_mass_one(replacement: bool) -> None:
    batch = 2
    share = float(theory.noise_factor(1.0, 150, batch, replacement))
    mass = stability.kernel_mass(FLAT_POWER, 150, INF, 0.2, 0.04 * share)
    critical = float(stability.critical_batch(mass, 150, batch, replacement))
    at = float(theory.noise_factor(1.0, 150, critical, replacement))  # pyright: ignore[reportArgumentType]
    assert stability.kernel_mass(FLAT_POWER, 150, INF, 0.2, 0.04 * at) == pytest.approx(1.0, rel=1e-9)


def test_one_pass_floor_is_the_asymptote() -> None:
    system = SGDResolvent(spectrum="flat", samples=INF, dynamics="online", rate=0.2, batch=40, steps=400)
    found = predicted(system)
    assert float(found.curves["loss"][-1]) == pytest.approx(float(found.facts["asymptote"]), rel=1e-9)


# -- power laws ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [1.9, 3.2])
def test_exponents_of_power_laws(source: float) -> None:
    capacity, far = 1.5, 1e12
    modes = Modes(*spectra.power_law(int(far), capacity, source))  # pyright: ignore[reportArgumentType]

    def slope(x, y) -> float:
        return -float(np.log(y[1] / y[0]) / np.log(x[1] / x[0]))

    physics = theory.Setting(jax.tree.map(jnp.asarray, modes), jnp.zeros(()), INF, INF, True)
    times = np.array([1e3, 1e4]) if source > 3 else np.array([1e5, 1e6])
    time = slope(times, np.asarray(theory.flow_curves(physics, times, 0).loss))
    assert time == pytest.approx(theory_limits.time_exponent(capacity, source), abs=0.02)

    z, weight = parabola(jnp.asarray(times))
    kernels = [
        integrate_pairs(
            jnp.exp(z[i] * t) * weight[i], *feature_transforms(physics.modes, z[i], z[i], INF, INF, 0.0).test_kernel
        )
        for i, t in enumerate(times)
    ]
    assert slope(times, np.asarray(kernels)) == pytest.approx(theory_limits.kernel_exponent(capacity), abs=0.02)

    sizes = np.array([1e3, 1e4])
    ridge_loss = jax.jit(theory_limits.ridge_loss)
    data = [float(ridge_loss(physics.modes, p, INF, 0.0)) for p in sizes]
    assert slope(sizes, data) == pytest.approx(theory_limits.data_exponent(capacity, source), abs=0.02)
    model = [float(ridge_loss(physics.modes, INF, n, 0.0)) for n in sizes]
    assert slope(sizes, model) == pytest.approx(theory_limits.model_exponent(capacity, source), abs=0.02)


def test_compute_exponent_is_the_harmonic_combination() -> None:
    # source - 1 < capacity: (source - 1) / (capacity + 1)
    assert theory_limits.compute_exponent(1.5, 1.9) == pytest.approx(0.9 / 2.5)
    assert theory_limits.one_pass_exponent(1.5, 3.2) == pytest.approx(4 / 3)
    with pytest.raises(Refused, match="capacity above 1"):
        theory_limits.time_exponent(1.0, 1.9)
    with pytest.raises(Refused, match="source above 1"):
        theory_limits.data_exponent(1.5, 1.0)


# -- beside training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ({}, 48),
        ({"samples": 400, "width": 100, "steps": 300}, 48),
        (ONLINE, 48),
        ({**MULTI, "batch": 16, "width": 100, "samples": 400}, 48),
        (
            {
                **MULTI,
                "spectrum": "flat",
                "samples": 90,
                "dimension": 120,
                "batch": 30,
                "replacement": True,
                "rate": 0.1,
            },
            48,
        ),
        ({"dynamics": "flow", "horizon": 300.0, "width": 120}, 48),
    ],
    ids=["gd", "features", "online", "multi-features", "replacement", "flow-features"],
)
def test_training_follows_the_theory(fields, runs: int) -> None:
    """Up to 4 standard errors at each of some 40 times, beyond the finite-size allowance."""
    for name, z in deviations(SGDResolvent(**fields), runs).items():
        assert z.max() < 4, name


def test_theory_without_the_vertex_is_rejected() -> None:
    system = SGDResolvent()
    values = descent(system, [10, 100, 400], vertex=0.0)
    np.testing.assert_allclose(values.loss, [0.1734, 0.0365, 0.0139], atol=5.1e-5)
    for vertex in (0.0, 0.9):
        z = deviations(system, 48, curves_of(system, vertex=vertex))
        assert max(z["loss"].max(), z["train_loss"].max()) > (10 if vertex == 0 else 4)


class _WithoutVertex(SGDResolvent):
    def predict(self, instance, numerics):
        return theory.predict(self, numerics, vertex=0.0)


def test_the_verdict_tells_the_theory_from_wrong_ones() -> None:
    case = SGDResolvent.presets["quick"].case("gd")
    words = {cls: tl.compare.run(cls.from_case(case), runs=case.runs).words for cls in (SGDResolvent, _WithoutVertex)}
    assert words[SGDResolvent] == {"loss": "agrees", "train_loss": "agrees"}
    assert words[_WithoutVertex] == {"loss": "differs", "train_loss": "differs"}


def test_theory_without_the_back_coupling_is_rejected() -> None:
    system = SGDResolvent(width=120)
    found = descent(system, [10, 100, 400], back_coupling=0.0)
    np.testing.assert_allclose(found.loss, [0.2004, 0.0809, 0.0708], atol=5.1e-5)
    assert deviations(system, 48, curves_of(system, back_coupling=0.0))["loss"].max() > 6


DIGITS = {"spectrum": "digits", "dimension": 1797, "samples": 300, "noise": 0.0, "rate": 2.0}


def test_measured_spectrum_predicts_kernel_regression_on_digits() -> None:
    system = SGDResolvent(**DIGITS)
    values, power, _ = setting.spectrum(system)
    # the kernel is 1 on the diagonal and the labels are +-1
    assert values.sum() == pytest.approx(1.0, rel=1e-12)
    assert power.sum() == pytest.approx(1.0, rel=1e-12)
    curves = predicted(system).curves
    runs = simulated(tuple(dataclasses.asdict(system).items()), 8)
    for name, found in runs.items():
        error = np.sqrt(np.mean((found.mean(0) / curves[name] - 1) ** 2))
        assert error < 0.15, name
    assert all(observable.margin == 0.15 for observable in system.observables)


@pytest.mark.parametrize(
    "fields", [{"dynamics": "flow"}, {"dynamics": "multi"}, {"dynamics": "online", "samples": INF}]
)
def test_digits_can_be_learned_by_every_dynamics(fields) -> None:
    system = SGDResolvent(**{**DIGITS, "steps": 40, "rate": 1.0, "samples": 100, "batch": 8, **fields})
    curves = predicted(system).curves
    runs = simulated(tuple(dataclasses.asdict(system).items()), 8)
    assert set(runs) == set(curves)
    np.testing.assert_allclose(runs["loss"].mean(0), curves["loss"], rtol=0.25)


# -- spectra of one's own ------------------------------------------------------------------------------------


def test_given_spectrum_equals_the_built_in_one_and_multiplicity_equals_copies() -> None:
    built_in = SGDResolvent(spectrum="two_level", dimension=120, samples=90, steps=50)
    values, power, counts = setting.spectrum(built_in)
    grouped = SGDResolvent.from_spectrum(values, power, counts, samples=90, steps=50)
    copies = SGDResolvent.from_spectrum(np.repeat(values, 60), np.repeat(power, 60), samples=90, steps=50)
    assert grouped.dimension == copies.dimension == 120
    exact = descent(built_in, [50]).loss[0]
    for system in (grouped, copies):
        np.testing.assert_allclose(descent(system, [50]).loss[0], exact, rtol=1e-12)
    key = jax.random.key(0)
    # the same draws on the same spectrum: the same run
    runs = [system.simulate(None, key)["loss"] for system in (built_in, grouped, copies)]
    np.testing.assert_allclose(runs[1], runs[0], rtol=1e-9)
    np.testing.assert_allclose(runs[2], runs[0], rtol=1e-9)


def test_enormous_spectra_are_predicted_but_not_simulated() -> None:
    system = SGDResolvent(dimension=10**12, capacity=1.5, source=1.9, samples=10**4, dynamics="flow", horizon=1e4)
    assert np.all(np.diff(predicted(system).curves["train_loss"]) < 0)
    with pytest.raises(Refused, match="at most 50000"):
        system.simulate(None, jax.random.key(0))


# -- the interface -------------------------------------------------------------------------------------------


def test_couplings_are_traced_once() -> None:
    count = []

    @jax.jit
    def loss(system: SGDResolvent, numerics: theory.ContourNumerics):
        count.append(1)
        return system.predict(None, numerics).curves["loss"]

    systems = [cast(SGDResolvent(rate=rate, noise=noise), "float64") for rate, noise in ((0.3, 0.3), (0.29, 0.1))]
    numerics = theory.ContourNumerics.largest([system.numerics(None) for system in systems])
    first, second = (loss(system, numerics) for system in systems)
    assert len(count) == 1
    assert not np.allclose(first, second)


def test_derivatives_in_couplings_match_differences() -> None:
    system = SGDResolvent(**{**MULTI, "steps": 60, "width": 120})
    numerics = system.numerics(None)

    @jax.jit
    def outcome(rate, noise, capacity):
        changed = dataclasses.replace(system, rate=rate, noise=noise, capacity=capacity)
        found = changed.predict(None, numerics)
        return jnp.stack([found.curves["loss"][-1], found.curves["train_loss"][-1], found.facts["kernel_mass"]])

    point = [jnp.asarray(x) for x in (0.2, 0.3, 1.2)]
    slopes = jax.jit(jax.jacfwd(outcome, argnums=(0, 1, 2)))(*point)
    for i, slope in enumerate(slopes):
        step = 1e-5
        high, low = ([x + sign * step * (i == j) for j, x in enumerate(point)] for sign in (1, -1))
        # central differences: 1e-10 relative truncation, 1e-11 round-off
        np.testing.assert_allclose(slope, (outcome(*high) - outcome(*low)) / (2 * step), rtol=1e-6, atol=1e-9)


def test_theory_and_simulation_agree_on_names_and_shapes() -> None:
    for fields in ({}, ONLINE, {"dynamics": "flow"}):
        system = SGDResolvent(**fields)
        shapes = {o.name: tuple(len(system.coordinates()[d]) for d in o.dims) for o in system.observables}
        curves = jax.eval_shape(lambda s, n: s.predict(None, n), system, system.numerics(None)).curves
        runs = jax.eval_shape(lambda s: s.simulate(None, jax.random.key(0)), system)
        assert {k: v.shape for k, v in curves.items()} == shapes
        assert {k: v.shape for k, v in runs.items()} == shapes


def test_train_loss_exists_on_finite_data_only() -> None:
    assert [o.name for o in SGDResolvent().observables] == ["loss", "train_loss"]
    assert [o.name for o in SGDResolvent(**ONLINE).observables] == ["loss"]


def test_ladder_keeps_the_ratios() -> None:
    grown = SGDResolvent(width=120).resized(400)
    assert (grown.dimension, grown.samples, grown.width) == (400, 300, 240)
    white = SGDResolvent(**{**MULTI, "spectrum": "flat", "batch": 10}).resized(800)
    assert (white.samples, white.batch) == (600, 40)
    assert SGDResolvent(**ONLINE).resized(400).batch == 4
    with pytest.raises(Refused, match="no ladder"):
        SGDResolvent(**DIGITS).resized(100)


def test_presets_are_settings_that_are_accepted() -> None:
    for preset in SGDResolvent.presets.values():
        for case in preset.cases:
            if case.fields.get("spectrum") != "digits":
                system = SGDResolvent.from_case(case)
                assert system.numerics(None).nodes >= 32
                assert [system.resized(n).dimension for n in case.sizes] == list(case.sizes)
    cases = {case.name for case in SGDResolvent.presets["quick"].cases}
    assert {claim.case for claim in SGDResolvent.paper.claims} <= cases


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"samples": 0}, "samples must be an integer of at least 1 or inf, got 0"),
        ({"samples": 1.5}, "samples must be an integer"),
        ({"width": -3}, "width must be an integer"),
        ({"batch": 0}, "batch must be an integer of at least 1, got 0"),
        ({"dimension": 0}, "dimension must be an integer"),
        ({**MULTI, "batch": 151}, "batch must not exceed samples without replacement, got batch 151 of 150"),
        ({"rate": 0.0}, "rate must be positive, got 0"),
        ({"rate": -1.0}, "rate must be positive"),
        ({"rate": math.nan}, "rate must be finite"),
        ({"rate": 1.7}, r"upper edge of the curvature is 1.19242, so rate must be below 2 / 1.19242 = 1.67727"),
        ({**MULTI, "rate": 1.7}, "rate must be below 2 / 1.19242"),
        ({**ONLINE, "rate": 2.0}, "largest eigenvalue of the curvature is 1, so rate must be below 2 / 1 = 2"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"steps": 10.5}, "steps must be an integer"),
        ({"dynamics": "flow", "horizon": -1.0}, "horizon must be positive"),
        ({"dynamics": "online"}, "online draws fresh data: samples must be inf, got 150"),
        ({**MULTI, "samples": INF}, "multi needs a training set"),
        ({"dynamics": "newton"}, "dynamics must be one of flow, gd, multi, online"),
        ({"spectrum": "pink"}, "spectrum must be one of"),
        ({"spectrum": "given"}, "at least one eigenvalue"),
        ({"spectrum": "digits"}, "the digits set has dimension 1797, got 200"),
        ({**DIGITS, "width": 100}, "width must be inf"),
        ({"signal": 0.0}, "signal must be positive"),
    ],
)
def test_bad_settings_are_refused_with_a_sentence(fields, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        SGDResolvent(**fields)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([], []), "at least one eigenvalue"),
        (([1.0, -0.5], [1.0, 1.0]), "every eigenvalue must be positive"),
        (([1.0, math.inf], [1.0, 1.0]), "eigenvalues must be finite"),
        (([1.0, 0.5], [1.0]), "must have one shape"),
        (([1.0, 0.5], [1.0, -0.5]), "no target power may be negative"),
        (([1.0, 0.5], [0.0, 0.0]), "signal must be positive"),
        (([1.0, 0.5], [1.0, 1.0], [1.0, 0.0]), "multiplicities must be positive"),
    ],
)
def test_bad_spectra_are_refused_with_a_sentence(arguments, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        SGDResolvent.from_spectrum(*arguments)


def test_digits_with_too_large_a_rate_are_refused_before_computing() -> None:
    with pytest.raises(Refused, match="rate must be below 2 /"):
        SGDResolvent(**{**DIGITS, "rate": 500.0}).numerics(None)


def test_train_loss_on_fresh_data_is_undefined() -> None:
    found, _ = stochastic(SGDResolvent(**ONLINE))
    assert np.all(np.isnan(found.train_loss))
