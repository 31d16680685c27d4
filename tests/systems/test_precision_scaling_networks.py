"""The networks that are rounded: what their data and training are, fits of degradations, and the experiments whole."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.networks.transformer import EXACT
from theorylab.systems.precision_scaling import (
    degradation_fit,
    grid,
    grid_report,
    simulation_grid,
    simulation_tiny,
    tiny,
)

SMALL = simulation_grid.Setup(letters=4, length=6, batch=4, head=4, evaluated=8, calibration=4)
SHAPE = simulation_grid.Shape(8, 1)
BITS = ((16.0, 16.0, 16.0), (4.0, 16.0, 16.0), (3.0, 4.0, 4.0))
POST = (3.0, 4.0)


class Kept:
    """Cells that keep nothing: what they are asked is answered by `answer`, or measured."""

    data = None

    def __init__(self, answer=None):
        self.answer, self.asked = answer, []

    def __call__(self, question, measure):
        self.asked.append(question)
        return {k: np.asarray(v) for k, v in (self.answer(question) if self.answer else measure()).items()}

    def say(self, sentence):
        pass


# -- fits of degradations -------------------------------------------------------------------------------------


def synthetic(noise=0.0):
    N, D, P = (x.ravel() for x in np.meshgrid([1e3, 4e3, 1e4], [1e5, 1e6, 1e7], [3.0, 4.0, 5.0, 6.0]))
    log_delta = -5 + 0.5 * np.log(D) - 0.3 * np.log(N) - P / 0.6
    return N, D, P, np.exp(log_delta + noise * np.random.default_rng(0).normal(size=len(N)))


def test_exponents_of_degradations_are_recovered():
    found = degradation_fit.fit(*synthetic())
    np.testing.assert_allclose(found.at, [-5, 0.5, 0.3, 1 / 0.6], rtol=1e-9)  # least squares in float64
    assert found.gamma_post == pytest.approx(0.6)
    noisy = degradation_fit.fit(*synthetic(0.1))
    assert np.max(np.abs(noisy.at - found.at)[1:] / noisy.stderr[1:]) < 3
    rival = degradation_fit.fit(*synthetic(0.1), columns=degradation_fit.WITHOUT_DATA)
    assert rival.score(*synthetic())[0] < noisy.score(*synthetic())[0] - 0.05


def test_degradations_that_are_not_positive_are_dropped_and_counted():
    N, D, P, delta = synthetic()
    delta[:3] = (-1e-4, 0.0, math.nan)
    found = degradation_fit.fit(N, D, P, delta)
    assert (found.rows, found.dropped) == (33, 3)
    with pytest.raises(Refused, match="4 constants need more rows: 4 have a positive degradation, 0 do not"):
        degradation_fit.fit(*(x[-4:] for x in (N, D, P, delta)))
    with pytest.raises(Refused, match="D does not vary"):
        degradation_fit.fit(N, np.full_like(D, 1e6), P, delta)
    with pytest.raises(Refused, match="N, D and P must be positive"):
        degradation_fit.fit(N, D, -P, delta)


# -- the tiny network -----------------------------------------------------------------------------------------


def test_floor_of_the_tiny_network_is_its_labels_entropy():
    assert simulation_tiny.floor() == pytest.approx(0.5650, abs=5e-5)
    data = simulation_tiny.table(jax.random.key(0))
    entropy = -jnp.sum(data.targets * jnp.log(data.targets), -1)
    np.testing.assert_allclose(entropy, simulation_tiny.floor(), rtol=1e-5)  # float32
    assert float(data.probability.sum()) == pytest.approx(1, abs=1e-5)
    assert [simulation_tiny.size(w) for w in (16, 32, 64)] == [1024, 2560, 7168]


def test_exact_loss_is_the_mean_over_contexts():
    data, weights = simulation_tiny.table(jax.random.key(0)), simulation_tiny.start(jax.random.key(1), 8)
    each = simulation_tiny.cross_entropy(simulation_tiny.logits(weights, data.codes), data.targets)
    expected = float(jnp.sum(data.probability * each))
    assert float(simulation_tiny.exact_loss(weights, data)) == pytest.approx(expected, rel=1e-5)  # float32 sums


def test_tiny_network_refuses_bad_schedules():
    for checkpoints in ((), (0,), (20, 10)):
        with pytest.raises(Refused, match="checkpoints must be rising and positive"):
            simulation_tiny.after_training(8, checkpoints, (4.0,), 1)
    with pytest.raises(Refused, match="width must be at least 1"):
        simulation_tiny.aware(0, 10, ((4.0, 16.0),), 1)
    with pytest.raises(Refused, match="seeds must be at least 1"):
        simulation_tiny.aware(8, 10, ((4.0, 16.0),), 0)


def test_tiny_experiment_reports_the_exponents_it_is_given():
    """The report on made losses whose degradation is a known law; no network is trained."""

    def answer(question):
        width = question["width"]
        N = simulation_tiny.size(width)
        scatter = np.random.default_rng(width).normal(size=(tiny.SEEDS, len(tiny.CHECKPOINTS), len(tiny.BITS)))
        if question["part"] == "aware":
            excess = [math.exp(-b[0]) + math.exp(-b[1]) for b in tiny.AWARE]
            return {"loss": 0.6 + 20 * N**-0.5 + np.array(excess) + 1e-3 * scatter[: tiny.AWARE_SEEDS, 0, :1]}
        D = 256.0 * np.array(tiny.CHECKPOINTS)
        loss = np.broadcast_to(0.6 + 20 * N**-0.5 + 30 * D**-0.5, (tiny.SEEDS, len(D)))
        delta = 1e-3 * D[:, None] ** 0.5 * np.exp(-np.array(tiny.BITS) / 0.65) * np.exp(0.02 * scatter)
        return {"loss": loss, "rounded": loss[..., None] + delta}

    found = tiny.experiment(Kept(answer))
    # 84 rows of noise .02 / sqrt(4): .001 in the slopes
    assert found.numbers["gamma_D"] == pytest.approx(0.5, abs=0.01)
    assert found.numbers["gamma_post"] == pytest.approx(0.65, abs=0.01)
    assert abs(found.numbers["gamma_N"]) < 0.02
    assert found.numbers["r2"] > 0.99 > found.numbers["r2_without_data"]
    for draw in found.figures.values():
        draw()


@pytest.mark.slow
def test_short_training_of_the_tiny_network_degrades_with_training_and_bits():
    found = simulation_tiny.after_training(16, (100, 400, 1600), (3.0, 5.0), 2)
    delta = (found["rounded"] - found["loss"][..., None]).mean(0)
    assert np.all(np.diff(delta[1:, 0]) > 0)
    assert np.all(delta[:, 0] > delta[:, 1])


# -- transformers ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    with jax.enable_x64(False):
        found = simulation_grid.measure(SMALL, SHAPE, 24 * 25, BITS, POST, 0)
        return {name: np.asarray(value) for name, value in found.items()}


def test_rounding_after_training_to_the_bits_of_training_changes_nothing(trained):
    assert trained["rounded"].shape == (3, 2)
    assert trained["rounded"][1, 1] == trained["loss"][1]  # bits 4, and the same program
    assert trained["rounded"][2, 0] == trained["loss"][2]
    assert trained["compensated"].shape == (2,)
    assert all(np.all(np.isfinite(value)) for value in trained.values())


def test_losses_of_the_grid_have_the_chains_entropy_as_floor(trained):
    assert np.all(trained["loss"] > simulation_grid.source(SMALL.letters).entropy)


def test_perfect_logits_reach_the_entropy_exactly():
    source = simulation_grid.source(SMALL.letters)
    text = jnp.array([[0, 1, 2, 3, 0, 1, 1, 2], [3, 3, 1, 0, 2, 2, 0, 1]])
    logits = jnp.asarray(source.logits)[text[:, :-2], text[:, 1:-1]]
    logits = jnp.concatenate([jnp.zeros_like(logits[:, :1]), logits], 1) + 5.0
    assert float(simulation_grid.exact_loss(SMALL, logits, text)) == pytest.approx(source.entropy, rel=1e-6)


def test_compensated_rounding_visits_every_matrix_once():
    shape, setup = simulation_grid.Shape(8, 2), SMALL
    network = simulation_grid.decoder(setup, shape)
    tokens = jnp.zeros((1, setup.length + 1), jnp.int32)
    weights, seen = network.init(jax.random.key(0), tokens), []
    network.apply(weights, tokens, EXACT._replace(weight=lambda w: seen.append(w.shape) or w))
    assert sum(rows * columns for rows, columns in seen) == shape.size(setup) == 2 * 12 * 64 + 4 * 8


def test_grid_refuses():
    with pytest.raises(Refused, match="tokens must be at least 480, 20 steps; got 100"):
        SMALL.steps(100)
    with pytest.raises(Refused, match="the first setting must be full precision"):
        simulation_grid.measure(SMALL, SHAPE, 600, BITS[1:], POST, 0)
    with pytest.raises(Refused, match="evaluated must be a multiple of batch"):
        simulation_grid.measure(SMALL._replace(evaluated=7), SHAPE, 600, BITS, POST, 0)


def test_plans_hold_larger_runs_out():
    for plan in (grid.GRID, grid.LARGE):
        most = max(shape.size(plan.setup) for shape, _ in plan.fitted), max(tokens for _, tokens in plan.fitted)
        assert all(shape.size(plan.setup) > most[0] or tokens > most[1] for shape, tokens in plan.held_out)
        assert all(plan.setup.steps(tokens) > 100 for _, tokens in (*plan.fitted, *plan.held_out))
    runs = len(grid.LARGE.bits) * (len(grid.LARGE.fitted) * grid.LARGE.seeds + len(grid.LARGE.held_out))
    assert runs > 300
    assert math.isclose(grid.LARGE.held_out[-1][0].size(grid.LARGE.setup), 25e6, rel_tol=0.05)


@pytest.mark.slow
def test_grid_report_recovers_the_laws_it_is_given():
    """The report on made losses that follow the laws; no network is trained."""
    entropy = simulation_grid.source(16).entropy
    gamma = np.array([2.0, 1.5, 0.9])

    def answer(question):
        N, D = simulation_grid.Shape(*question["shape"]).size(simulation_grid.Setup()), question["tokens"]
        random = np.random.default_rng(int(N + D))
        bits = np.array(question["bits"])
        share = np.prod(np.where(bits < 16, -np.expm1(-bits / gamma), 1.0), 1)
        loss = entropy + 30 * (N * share) ** -0.6 + 4000 * D**-0.75
        loss = loss * np.exp(0.002 * random.normal(size=len(loss)))
        post = np.array(question["post"])
        added = 1e-2 * D**0.5 * (N * share[:, None]) ** -0.3 * np.exp(-post / 0.6)
        return {"loss": loss, "rounded": loss[:, None] + added, "compensated": loss[0] + 0.5 * added[0]}

    cells = grid.measured(Kept(answer), grid.GRID)
    found = grid_report.outcome(grid.GRID, *cells, bootstraps=0, compare=False, starts=16)
    constants = found.numbers["precision"]["constants"]
    # noise of .002 in ln L, where 3 bits of weights cost 3 %: some 10 % in gamma from 20 cells
    assert constants["gamma_w"]["value"] == pytest.approx(2.0, rel=0.2)
    assert found.numbers["precision"]["held_out"]["r2"] > 0.9
    assert found.numbers["degradation"]["nearest"]["gamma_D"] == pytest.approx(0.5, abs=1e-3)
    assert found.numbers["degradation"]["nearest"]["gamma_N"] == pytest.approx(0.3, abs=1e-3)
    for draw in found.figures.values():
        draw()
