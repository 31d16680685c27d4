"""Error broadcast: closed ends of the flow, floors, the channel's least error, agreement, wrong theories, refusals."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import simpson

import theorylab as tl
from theorylab.compare.agreement import judge
from theorylab.core import Refused
from theorylab.core.casting import cast
from theorylab.engine import instances
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast import theory_channel as channel
from theorylab.systems.error_broadcast import theory_floors as floors
from theorylab.systems.error_broadcast import theory_flow as flow
from theorylab.systems.error_broadcast.setting import draw
from theorylab.systems.error_broadcast.theory import problem_of

KEY = jax.random.key(0)
QUICK = ErrorBroadcast.presets["quick"]
KAPPA: Any = 1 / np.arange(1.0, 9.0)


@functools.cache
def problem(width: int, seed: int = 0) -> tuple[flow.Problem, flow.Weights]:
    system = ErrorBroadcast(width=width)
    return problem_of(system, draw(jax.random.key(seed), 10, 3, width, 0.3, jnp.float64))


# -- the flow ----------------------------------------------------------------------------------------------------


def test_feedback_is_its_start_less_the_readouts_remembered_change():
    """The identity of R(t), docs/error_broadcast.md eq. (14)."""
    start_problem, start = problem(16)
    times, tau, rate = np.linspace(0.0, 10.0, 2001), 5.0, 0.7
    found = flow.flow(start_problem, start, times, memory=tau, readout_rate=rate, rtol=1e-11, atol=1e-13)
    moved = jax.vmap(lambda w: -rate * flow.correlation(start_problem, w) @ w.first.T)(found.values)
    past = np.exp(-(times[-1] - times) / tau)[:, None, None] * np.swapaxes(moved, 1, 2)
    remembered = simpson(past, x=times, axis=0)
    expected = math.exp(-times[-1] / tau) * start.feedback - remembered / (tau * rate)
    # Simpson's error (5e-3)^4 / 180 times 10 times a fourth derivative of at most a few hundred
    np.testing.assert_allclose(found.values.feedback[-1], expected, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_direct_feedback_alignment_ends_at_the_readout_of_what_the_feedback_sees(seed):
    bottleneck, start = problem(2, seed)
    found = flow.end(bottleneck, start, jnp.asarray(2e4), memory=jnp.inf, rtol=1e-10, atol=1e-12)
    assert abs(float(found.mean_square - flow.aligned_end(bottleneck, start.feedback))) < 1e-10
    assert max(float(found.readout), float(found.hidden)) < 1e-8
    assert float(found.mean_square) > float(flow.rank_optimum(bottleneck, 2)) + 0.01


def test_backpropagation_ends_at_the_best_map_of_its_rank():
    bottleneck, start = problem(2)
    found = flow.end(bottleneck, start, jnp.asarray(2e4), rule="bp", rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.mean_square, flow.rank_optimum(bottleneck, 2), rtol=1e-9)


def test_longer_memory_learns_more_and_ends_as_the_best_readout_of_what_was_learned():
    bottleneck, start = problem(2, 2)

    @jax.jit
    def last(memory: Any) -> Any:
        times = jnp.asarray([0.0, 2e4])
        weights = flow.Weights(*(w[-1] for w in flow.flow(bottleneck, start, times, memory=memory).values))
        return flow.mean_square(bottleneck, weights), flow.least_squares(bottleneck, weights.first)

    found = np.array([last(tau) for tau in (1.0, 10.0, 100.0, jnp.inf)])
    np.testing.assert_allclose(found[:, 0], found[:, 1], rtol=1e-7)
    assert np.all(np.diff(found[:, 0]) < 0)
    np.testing.assert_allclose(found[-1, 0], flow.aligned_end(bottleneck, start.feedback), rtol=1e-7)


def test_a_wide_network_ends_at_the_wiener_error_whatever_its_memory():
    for tau in (0.5, jnp.inf):
        wide, start = problem(16)
        found = flow.end(wide, start, jnp.asarray(4e3), memory=tau)
        np.testing.assert_allclose(found.mean_square, wide.wiener, rtol=1e-8)
    assert float(flow.least_squares(wide, start.first)) == float(wide.wiener)


def test_without_memory_error_broadcast_can_only_shrink_the_hidden_layer():
    wide, start = problem(16)
    at_once = start._replace(feedback=flow.layer_correlation(wide, start))
    found = flow.flow(wide, at_once, np.linspace(0, 20, 41), memory=1e-3)
    sizes = jax.vmap(jnp.linalg.norm)(found.values.first)
    assert int(found.status) == 0
    assert np.all(np.diff(sizes) < 1e-9)
    assert float(sizes[-1]) < float(sizes[0]) - 1e-3


def test_infinite_memory_is_the_flow_of_direct_feedback_alignment():
    system = ErrorBroadcast(steps=100, records=5, memory=math.inf)
    curves = [tl.predict(s, key=KEY).curves for s in (system, dataclasses.replace(system, rule="dfa"))]
    np.testing.assert_allclose(curves[0]["mean_square"], curves[1]["mean_square"], rtol=1e-12)


def test_a_predictions_derivative_is_its_difference_quotient():
    system = ErrorBroadcast(steps=100, records=5)
    drawn = draw(KEY, 10, 3, 16, 0.3, jnp.float64)

    def last(memory: Any) -> Any:
        return tl.predict(dataclasses.replace(system, memory=memory), instance=drawn).curves["feedback"][-1]

    # central differences: (0.02 / 5)^2, and the solver's 1e-8 / 0.02 against a slope of a few hundredths
    np.testing.assert_allclose(jax.grad(last)(5.0), (last(5.02) - last(4.98)) / 0.04, rtol=1e-4)


# -- floors ------------------------------------------------------------------------------------------------------


def test_frozen_weights_leave_the_open_loop_floor_exactly_with_its_transient():
    ends, zeros, start = np.array([1, 2, 30, 31]), jnp.zeros(8), jnp.full(8, 0.04)
    power, off = floors.windows(floors.Moments(zeros, zeros, start), KAPPA, 0.1, 16, 0.5, 0.0, ends)
    for index, step in ((0, 1), (1, 2), (3, 31)):
        expected = floors.open_loop(KAPPA, 0.9, 16, 0.5, steps=step, start=0.32)
        np.testing.assert_allclose(power[index], expected, rtol=1e-12)
    assert float(jnp.abs(off).max()) == 0


@pytest.mark.parametrize(
    ("forgetting", "batch", "step"), [(0.99, 16, 0.05), (0.9, 16, 0.05), (0.99, 64, 0.01), (0.999, 16, 0.02)]
)
def test_closed_loop_floor_and_excess_are_the_large_batch_ends_of_the_exact_moments(forgetting, batch, step):
    zeros, ends = jnp.zeros(8), np.array([12000, 12001])
    start = floors.Moments(zeros, zeros, zeros)
    large = 1e9
    power, off = floors.windows(start, KAPPA, 1 - forgetting, large, 1.0, step, ends)
    # 12000 steps leave e^{-2 x 12000 x 0.001} = 4e-11 of the start
    np.testing.assert_allclose(power[1], floors.closed_loop(KAPPA, forgetting, large, 1.0, step), rtol=1e-6)
    np.testing.assert_allclose(off[1], floors.excess(KAPPA, large, 1.0, step), rtol=1e-6)
    power, _ = floors.windows(start, KAPPA, 1 - forgetting, batch, 1.0, step, ends)
    formula = floors.closed_loop(KAPPA, forgetting, batch, 1.0, step)
    # what is left out is the excess error's own share, step x tr / (2 batch) and as much again
    assert 0 < float(power[1] / formula) - 1 < 2 * step * KAPPA.sum() / batch
    assert float(formula) < float(floors.open_loop(KAPPA, forgetting, batch, 1.0))


def test_correlation_by_chance_without_memory_is_that_of_a_batch():
    rms, mean = floors.correlation_coefficient(0.0, 25)
    np.testing.assert_allclose([rms, mean], [0.2, math.sqrt(2 / (25 * math.pi))], rtol=1e-15)


# -- the channel -------------------------------------------------------------------------------------------------


def test_least_error_of_a_sign_in_noise_has_its_known_values_and_limits():
    found = [float(channel.mmse(gamma)) for gamma in (0.5, 1.0, 2.0)]
    np.testing.assert_allclose(found, [0.649887, 0.449600, 0.231018], atol=5e-7)
    small = 1e-3
    np.testing.assert_allclose(channel.mmse(small), 1 - small + small**2, atol=2 * small**3)
    slope = math.log(float(channel.mmse(40.0) / channel.mmse(50.0))) / 10
    assert 0.5 < slope < 0.52  # e^{-snr / 2} with a power of snr before it


def test_information_grows_by_half_the_least_error():
    gamma = jnp.array([0.3, 1.0, 4.0])
    # both are trapezoid sums of the same nodes; rounding only
    np.testing.assert_allclose(
        jax.vmap(jax.grad(channel.mutual_information))(gamma), channel.mmse(gamma) / 2, atol=1e-14
    )


# -- agreement ---------------------------------------------------------------------------------------------------


class Measured:
    """Runs of a quick case, and predictions of any theory for them."""

    def __init__(self, name: str):
        case = QUICK.case(name)
        self.system = ErrorBroadcast.from_case(case)
        self.runs = case.runs
        self.simulated = tl.simulate(self.system, runs=self.runs, key=KEY)
        self.drawn = instances.draw(self.system, KEY, np.arange(self.runs)) if self.system.draws else None
        numerics, axes = self.system.numerics(None), 0 if self.system.draws else None
        self.predict = jax.jit(jax.vmap(lambda s, d: s.predict(d, numerics).curves, (None, axes), axis_size=self.runs))

    def words(self, **wrong: float) -> dict[str, str]:
        """Verdicts on the theory with couplings multiplied by what is given."""
        system = dataclasses.replace(self.system, **{k: getattr(self.system, k) * f for k, f in wrong.items()})
        system, drawn = cast((system, self.drawn), "float64")
        curves = {k: np.asarray(v) for k, v in self.predict(system, drawn).items()}
        judged = {o.name: o for o in self.system.observables}
        return {name: judge(o, self.simulated.curves[name], curves[name]).word for name, o in judged.items()}


@pytest.fixture(scope="module")
def bottleneck() -> Measured:
    return Measured("bottleneck")


@pytest.fixture(scope="module")
def floor() -> Measured:
    return Measured("floor-closed")


def test_a_trained_bottleneck_follows_its_flow(bottleneck):
    assert set(bottleneck.words().values()) == {"agrees"}


@pytest.mark.parametrize("wrong", [{"memory": 1.1}, {"hidden_rate": 1.1}, {"readout_rate": 1.1}, {"noise": 1.1}])
def test_a_flow_with_one_coefficient_off_by_10_percent_differs(bottleneck, wrong):
    assert "differs" in bottleneck.words(**wrong).values()


def test_a_learning_readout_keeps_the_correlation_at_its_closed_loop_floor(floor):
    assert set(floor.words().values()) == {"agrees"}


@pytest.mark.parametrize("wrong", [{"noise": 1.1}, {"memory": 0.9}, {"readout_rate": 0.0}])
def test_a_wrong_floor_differs(floor, wrong):
    """The last is the open-loop floor: the readout's own answer left out."""
    assert floor.words(**wrong)["feedback_power"] == "differs"


@pytest.mark.parametrize(("batch", "bound", "runs"), [(256, 0.001, 16), (16, 0.006, 128)])
@pytest.mark.slow
def test_the_mean_error_of_the_first_setting_is_within_its_bound_at_all_times(batch, bound, runs):
    system = ErrorBroadcast(batch=batch, steps=2000, records=20)
    found = tl.compare.run(system, runs=runs, key=KEY).rungs[-1]
    ratio = found.simulated["mean_square"] / found.predicted["mean_square"] - 1
    assert float(np.abs(ratio).max()) < bound


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["bp", "ebd"])
def test_a_trained_network_finds_the_channels_least_error(rule):
    system = ErrorBroadcast(model="channel", width=64, batch=64, rate=0.02, steps=12000, memory=200.0, rule=rule)
    assert tl.compare.run(system, runs=8, key=KEY).words == {"mean_square": "agrees"}


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"rate": 0.0}, "rate must be positive"),
        ({"memory": 0.0}, "memory must be positive"),
        ({"memory": 0.01}, r"lambda = 1 - rate / memory = -1.0 must be in \[0, 1\]"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"snr": -0.1}, "snr must not be negative"),
        ({"feedback": -0.1}, "feedback must not be negative"),
        ({"feedback": math.nan}, "feedback must be finite"),
        ({"batch": 0}, "batch must be an integer of at least 1"),
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"outputs": 0}, "outputs must be an integer of at least 1"),
        ({"memory": math.inf, "feedback": 0.0}, "never moves the hidden layers"),
        ({"rule": "dfa", "feedback": 0.0}, "never moves the hidden layers"),
        ({"model": "floor", "rate": 2.0, "memory": 4.0}, "the readout diverges"),
        ({"model": "floor", "rule": "bp"}, "rule must be 'ebd'"),
        ({"model": "cubic"}, "model must be one of linear, floor, channel"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields, sentence):
    with pytest.raises(Refused, match=sentence):
        ErrorBroadcast(**fields)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: floors.closed_loop(KAPPA, 0.9, 16, 1.0, 2.0), "the readout diverges"),
        (lambda: floors.open_loop(KAPPA, 1.0, 16, 1.0), r"forgetting \(lambda\) must be in \[0, 1\)"),
        (lambda: floors.open_loop(KAPPA, 0.9, 0, 1.0), "batch must be at least 1"),
        (lambda: channel.mmse(-1.0), "snr must not be negative"),
        (lambda: flow.aligned_end(*[f(problem(16)) for f in (lambda p: p[0], lambda p: p[1].feedback)]), "width <="),
        (lambda: flow.flow(*problem(2), np.array([0.0, 1.0]), memory=0.0), "memory must be positive"),
        (lambda: ErrorBroadcast(model="floor", memory=1.0).resized(100), "no size that a ladder could climb"),
    ],
)
def test_theory_functions_refuse_what_they_do_not_hold_for(make, sentence):
    with pytest.raises(Refused, match=sentence):
        make()


def test_a_memory_too_short_for_features_is_told():
    short = ErrorBroadcast(model="channel", rate=0.03, memory=3.0)
    assert any("stall" in sentence for sentence in short.warnings(None))
