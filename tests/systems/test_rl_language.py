"""The language models' text, measurements, pipeline and overlays."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.data.arithmetic import Arithmetic
from theorylab.engine.cells import StoredCells
from theorylab.networks.policy_gradient import ExpertIteration, PolicyGradient
from theorylab.systems.rl_posttraining import language, theory_flow
from theorylab.systems.rl_posttraining.language_measures import curves, fraction
from theorylab.systems.rl_posttraining.language_setting import Measured, Model, Pipeline, Run
from theorylab.systems.rl_posttraining.language_training import decoder, start
from theorylab.systems.rl_posttraining.overlay import Seen, carried_forward, overlay, overlay_expert
from theorylab.systems.rl_posttraining.theory_groups import factor_of

PAGE = Path(__file__).parents[2] / "docs" / "rl_posttraining_language.md"
TASK = Arithmetic()


# -- text and verifier -----------------------------------------------------------------------------------------------


def test_text_is_mixed_and_corrupted_as_asked():
    count = 30_000
    text = TASK.documents(jax.random.key(0), count)
    formats, reward = np.asarray(TASK.format_of(text)), np.asarray(TASK.reward(text))
    for k in range(3):
        share, right = np.mean(formats == k), reward[formats == k].mean()
        ceiling = 1 - 0.9 * TASK.corruption[k]  # a uniform digit is right once in ten
        assert abs(share - TASK.shares[k]) < 4 * np.sqrt(TASK.shares[k] * (1 - TASK.shares[k]) / count)
        assert abs(right - ceiling) < 4 * np.sqrt(ceiling * (1 - ceiling) / (count * TASK.shares[k]))
    assert np.mean(np.asarray(text)[:, 3] == TASK.pad) == 0.5


def test_text_without_corruption_is_always_right():
    text = Arithmetic(corruption=(0.0, 0.0, 0.0)).documents(jax.random.key(0), 1000)
    assert np.asarray(TASK.reward(text)).all()


@pytest.mark.parametrize(
    ("written", "reward"),
    [
        ([10, 3, 4, 0, 13], 1),  # code: 1 + 2 + 3 + 4 = 10
        ([10, 9, 9, 0, 13], 1),  # what is in between is not looked at
        ([11, 3, 6, 0, 13], 1),
        ([12, 0, 13, 14, 14], 1),
        ([12, 0, 13, 5, 13], 1),  # the first end counts
        ([12, 1, 13, 14, 14], 0),
        ([10, 3, 4, 0, 0], 0),  # no end
        ([12, 13, 0, 13, 14], 0),  # an end, but no answer before it
    ],
)
def test_verifier(written, reward):
    assert float(TASK.reward(jnp.array([1, 2, 3, 4, *written]))) == reward


class Unbounded(Arithmetic):
    def reward(self, tokens):
        return jnp.log(super().reward(tokens))


class Unmarked(Arithmetic):
    def write(self, key, prompts, formats):
        return super().write(key, prompts, formats).at[:, self.slots].set(0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Arithmetic(shares=(0.5, 0.5, 0.0)), "shares must be positive and sum to 1"),
        (lambda: Arithmetic(shares=(0.5, 0.5, 0.5)), "shares must be positive and sum to 1"),
        (lambda: Arithmetic(shares=(0.5, 0.5)), "there are three formats"),
        (lambda: Arithmetic(corruption=(0.0, 0.0, 1.5)), "corruption must be three probabilities"),
        (lambda: Unbounded().check(), "rewards must be finite for every sequence"),
        (lambda: Unmarked().check(), "the first token after a prompt must be a format's tag"),
        (lambda: TASK.prompts(jax.random.key(0), 1, "odd"), "kinds of prompt are"),
        (lambda: Model(width=30), "width must be a multiple of heads"),
        (lambda: Pipeline("odd", seeds=3, tile=2), "seeds must be a multiple of tile"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(tl.Refused, match=sentence):
        make()


def test_tiny_has_the_parameters_that_are_stated():
    shapes = jax.eval_shape(lambda: start(language.TINY.model, TASK, jax.random.key(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 25_952
    assert decoder(language.SMALL.model, TASK).width == 64


# -- measurements ----------------------------------------------------------------------------------------------------


def test_curves_from_counts_with_undefined_accuracy_where_a_format_was_never_sampled():
    answered = np.array([[4, 0], [2, 2]])[None, None, None]  # (seed, record, kind, prompt, format)
    right = np.array([[1, 0], [0, 0]])[None, None, None]
    rest = {"reward": np.array([[[[0.25, 0]]]]), "majority": np.ones((1, 1, 1, 2)), "divergence": np.zeros((1, 1, 1))}
    found = curves({"answered": answered, "right": right, **rest})
    np.testing.assert_allclose(found.shares[0, 0, 0], [0.75, 0.25])
    np.testing.assert_allclose(found.accuracy[0, 0, 0], [1 / 6, 0])
    assert found.attempts == (1,)
    np.testing.assert_allclose(found.passes[0, 0, 0], [1 / 8])
    answered[..., 1], answered[..., 0] = 0, 4
    assert np.isnan(curves({"answered": answered, "right": right, **rest}).accuracy[0, 0, 0, 1])


def test_fractions_carry_their_exact_interval():
    found = fraction(np.array([True] * 6 + [False] * 2))
    assert (found.hits, found.total) == (6, 8)
    np.testing.assert_allclose((found.low, found.high), (0.349, 0.968), atol=1e-3)  # Clopper-Pearson tables


# -- overlays: on runs that the theory itself made -------------------------------------------------------------------

STEPS = np.arange(0.0, 85.0, 5.0)
SHARES, ACCURACY = np.array([0.3, 0.5, 0.2]), np.array([[0.5, 0.45, 0.15]])


@pytest.fixture(scope="module")
def learned():
    path = theory_flow.coupled(0.3 * STEPS, SHARES, ACCURACY, ratio=1.5, factor=factor_of("grpo", 8))
    return Seen(STEPS, np.array(path.shares), np.array(path.accuracy[:, 0]), np.repeat(ACCURACY, 16, 0))


def test_coupled_overlay_recovers_its_two_numbers(learned):
    found = overlay("coupled", "euclid", learned)
    np.testing.assert_allclose((found.rate, found.ratio), (0.3, 1.5), rtol=0.01)  # the last grid's spacing
    assert found.error < 1e-3
    assert found.good
    assert found.winner


def test_measured_skills_recover_the_rate_where_frozen_skills_name_the_wrong_winner(learned):
    found = overlay("measured", "euclid", learned)
    np.testing.assert_allclose(found.rate, 0.3, rtol=0.03)  # skills are interpolated between measurements
    assert found.good
    frozen = overlay("frozen", "euclid", learned)
    assert not frozen.good
    assert not frozen.winner


def test_only_the_first_third_is_fitted(learned):
    late = learned.shares.copy()
    late[6:] = late[6:, ::-1]
    other = overlay("measured", "euclid", learned._replace(shares=late))
    assert other.rate == overlay("measured", "euclid", learned).rate
    assert not other.good


def test_expert_overlay_recovers_the_strength_of_refitting():
    rounds = np.arange(4.0)
    strength = 0.6
    power = strength * (1 - strength**rounds) / (1 - strength)
    shares = SHARES * ACCURACY ** power[:, None]
    shares /= shares.sum(1, keepdims=True)
    found = overlay_expert(Seen(rounds, shares, np.repeat(ACCURACY, 4, 0), ACCURACY))
    np.testing.assert_allclose(found.rate, strength, rtol=1e-3)
    assert found.error < 1e-3


def test_undefined_accuracies_are_carried_forward():
    nan = np.nan
    found = carried_forward(np.array([[nan, 0.1, nan], [0.5, nan, nan], [nan, 0.3, nan]]))
    np.testing.assert_array_equal(found, [[0.5, 0.1, 0.5], [0.5, 0.1, 0.5], [0.5, 0.3, 0.5]])


# -- the pipeline ----------------------------------------------------------------------------------------------------

MINUTE = Pipeline(
    "minute",
    Model(width=8, layers=1, heads=2, steps=4, batch=16),
    runs={
        "grpo": Run(PolicyGradient(prompts=2, group=4, kl=0.1), every=1, records=2),
        "expert iteration": Run(ExpertIteration(prompts=2, samples=4, updates=2, batch=4), every=1, records=1),
    },
    measured=Measured(4, 8),
    seeds=2,
    tile=2,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def explored(store):
    cells = StoredCells("rl_posttraining", store)
    found = language.explore(MINUTE, cells)
    assert (cells.measured, cells.reused) == (3, 0)
    return found


def test_pipeline_is_kept_and_reused(explored, store):
    cells = StoredCells("rl_posttraining", store)
    again = language.explore(MINUTE, cells)
    assert (cells.measured, cells.reused) == (0, 3)
    np.testing.assert_array_equal(again.runs["grpo"].shares, explored.runs["grpo"].shares)


def test_runs_start_from_their_pretrained_model(explored):
    seen = explored.runs["grpo"]
    assert seen.shares.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(seen.shares.sum(-1), 1)
    np.testing.assert_allclose(seen.divergence[:, 0], 0, atol=1e-5)  # the same policy, in float32
    assert seen.attempts == (1, 8)


def test_outcome_has_tables_findings_and_figures(explored):
    found = language.outcome(explored, beside=explored)
    assert len(found.tables) >= 6
    assert any("one format holds more than 0.9" in sentence for sentence in found.findings)
    assert set(found.figures) >= {"shares", "passes", "transfer", "expert_iteration", "scale"}
    from matplotlib import pyplot as plt

    for draw in found.figures.values():
        plt.close(draw())


def test_the_example_of_a_users_own_task_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    namespace: dict = {"__name__": "example"}
    exec(compile(example, str(PAGE), "exec", dont_inherit=True), namespace)
    assert namespace["explored"].runs["grpo"].shares.shape[-1] == 2
