"""rl_posttraining: the tabular simulation against the theory, wrong theories, updates against jax.grad, refusals."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.compare.agreement import judge
from theorylab.core.casting import cast
from theorylab.systems.rl_posttraining import RLPosttraining, simulation
from theorylab.systems.rl_posttraining import theory_closed as closed
from theorylab.systems.rl_posttraining.presets import CLASSES, EXPERT_RESTART, GRPO, LEARNED, NOISE, PPO, WINNER
from theorylab.systems.rl_posttraining.simulation_policy import advantages, sample

KEY = jax.random.key(0)
SENSITIVE = {"shares": (0.05, 0.35, 0.6), "accuracy": ((0.9, 0.5, 0.3),), "kl": 0.2, "advantage": "baseline"}
"""A penalty that holds the formats in balance, so that its strength shows."""


ENSEMBLES = {}


def ensemble(system, runs=16):
    """Runs of a system, once for all tests that ask for the same."""
    asked = (runs, *(str(getattr(system, f.name)) for f in dataclasses.fields(RLPosttraining)))
    if asked not in ENSEMBLES:
        ENSEMBLES[asked] = tl.simulate(system, runs=runs, key=KEY)
    return ENSEMBLES[asked]


def setting(**fields):
    return RLPosttraining(**{**GRPO, "records": 4, **fields})


def words(system, runs=16, predicted=None):
    """The verdict on every observable, of the system's own prediction or of another's."""
    curves = tl.predict(system if predicted is None else predicted).raise_if_failed().curves
    found = ensemble(system, runs).curves
    return {o.name: judge(o, found[o.name], np.asarray(curves[o.name])).word for o in system.observables}


# -- agreement --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("advantage", "geometry"),
    [
        *((advantage, "euclid") for advantage in ("baseline", "group_mean", "grpo", "batch_mean")),
        *((advantage, "natural") for advantage in ("baseline", "grpo")),
        *(pytest.param(advantage, "natural", marks=pytest.mark.slow) for advantage in ("group_mean", "batch_mean")),
    ],
)
def test_sampled_training_agrees_for_each_advantage_in_both_geometries(advantage, geometry):
    steps, rate = (400, 0.1) if geometry == "euclid" else (300, 0.02)
    system = setting(advantage=advantage, geometry=geometry, rate=rate, steps=steps)
    assert set(words(system).values()) == {"agrees"}


def test_shares_are_within_a_hundredth_at_512_rollouts_a_step():
    system = setting(advantage="grpo", geometry="euclid", rate=0.1, steps=400)
    assert system.batch * system.group == 512
    found = ensemble(system)
    gap = np.abs(found.mean["share"] - np.asarray(tl.predict(system).curves["share"]))
    assert np.max(gap - 3 * found.stderr["share"]) < 0.01
    assert np.max(gap) < 0.01


def test_ppo_and_expert_iteration_agree():
    for fields in (PPO, EXPERT_RESTART):
        assert set(words(RLPosttraining(**fields)).values()) == {"agrees"}


def test_skills_that_are_learned_agree():
    assert set(words(RLPosttraining(**LEARNED)).values()) == {"agrees"}


@pytest.mark.parametrize("geometry", ["euclid", "natural"])
def test_fixed_points_with_kl_are_met_within_a_percent(geometry):
    # the slowest mode decays at kl p in the plain geometry, at kl in the natural one
    system = RLPosttraining(**SENSITIVE, geometry=geometry, rate=0.1, steps=2000, records=2)
    found = ensemble(system)
    expected = np.asarray(closed.fixed_shares(SENSITIVE["shares"], SENSITIVE["accuracy"][0], 0.2))
    gap = np.linalg.norm(found.mean["share"][-1] - expected) / np.linalg.norm(expected)
    error = np.linalg.norm(found.stderr["share"][-1]) / np.linalg.norm(expected)
    assert gap < 0.01 + 3 * error
    assert error < 0.005


@pytest.mark.parametrize(
    ("accuracy", "rate", "logit", "barrier"),
    [((0.5, 0.4), 4.0, 0.0, 2.0), ((0.5, 0.45), 4.0, -0.5, 2.0), ((0.52, 0.5), 2.0, 0.0, 2.5)],
)
def test_the_better_format_wins_as_often_as_predicted(accuracy, rate, logit, barrier):
    share = 1 / (1 + math.exp(-logit))
    fields = {**WINNER, "accuracy": (accuracy,), "shares": (share, 1 - share)}
    system = RLPosttraining(**fields, rate=rate, barrier=barrier)
    runs = 2048
    wins = ensemble(system, runs).mean["wins"]
    expected = float(tl.predict(system).curves["wins"])
    assert abs(float(wins) - expected) < 3 * math.sqrt(expected * (1 - expected) / runs)


def test_the_logit_scatters_as_predicted():
    system = RLPosttraining(**{**NOISE, "group": 8, "advantage": "grpo", "batch": 8, "steps": 100, "records": 2})
    runs = 4096
    found, curves = ensemble(system, runs), tl.predict(system).curves
    ratio = found.mean["variance"][1:] / np.asarray(curves["variance"])[1:]
    # half a squared difference of Gaussians scatters by sqrt(2) of its mean
    assert np.max(np.abs(ratio - 1)) < 4 * math.sqrt(2 / runs)
    assert words(system, runs)["logit"] == "agrees"


def test_success_measured_from_answers_agrees_and_a_vanished_format_has_no_accuracy():
    fields = {"attempts": (1, 8), "votes": 4, "evaluations": 32, "held_out": ((0.5, 0.1, 0.1),)}
    system = setting(advantage="grpo", geometry="euclid", rate=0.1, steps=400, **fields)
    found = words(system, 128)
    assert {found[name] for name in ("passes", "majority", "held_out")} == {"agrees"}
    measured = np.asarray(ensemble(system, 128).curves["measured"])
    assert np.isnan(measured[:, -1, 2]).any()  # a share of 1 %: often not among 64 answers
    assert np.isfinite(measured[:, 0]).all()
    assert not (measured[:, 0] == 0).all(axis=0).any()
    assert found["measured"] in ("agrees", "undecided")


# -- wrong theories ---------------------------------------------------------------------------------------------


def test_theory_without_the_group_factor_differs():
    system = setting(advantage="grpo", geometry="euclid", rate=0.1, steps=400)
    wrong = dataclasses.replace(system, advantage="baseline")
    assert words(system, predicted=wrong)["share"] == "differs"


def test_euclid_taken_for_natural_differs():
    system = setting(advantage="grpo", geometry="euclid", rate=0.1, steps=400)
    assert words(system, predicted=dataclasses.replace(system, geometry="natural"))["share"] == "differs"


def test_kl_off_by_10_percent_or_of_the_wrong_sign_differs():
    system = RLPosttraining(**SENSITIVE, rate=0.1, steps=2000, records=2)
    assert words(system)["share"] == "agrees"
    for kl in (0.18, 0.22):
        assert words(system, predicted=dataclasses.replace(system, kl=kl))["share"] == "differs"

    class _Reversed(RLPosttraining):
        """A theory whose penalty drives away from the reference."""

        def predict(self, instance, numerics):
            return RLPosttraining.predict(dataclasses.replace(_plain(self), kl=-self.kl), None, numerics)

    assert words(system, predicted=_Reversed(**SENSITIVE, rate=0.1, steps=2000, records=2))["share"] == "differs"


def _plain(system):
    return RLPosttraining(**{f.name: getattr(system, f.name) for f in dataclasses.fields(RLPosttraining)})


def test_frozen_skills_differ_where_skills_are_learned():
    system = RLPosttraining(**LEARNED)
    curves = tl.predict(dataclasses.replace(system, skills="frozen")).curves
    share = system.observables[0]
    assert judge(share, ensemble(system).curves["share"], np.asarray(curves["share"])).word == "differs"


# -- the updates are the gradients that they claim to be ---------------------------------------------------------


def rollouts_of(system, key):
    policy = simulation.initial(system)
    rollouts = simulation.draw(system, policy, key)
    return policy, rollouts, advantages(system, rollouts, policy.accuracy @ policy.shares)


@pytest.mark.parametrize("advantage", ["baseline", "grpo"])
def test_a_step_is_the_gradient_of_the_policy_gradient_loss(advantage):
    fields = {"advantage": advantage, "accuracy": CLASSES, "skills": "learned", "kl": 0.1, "rate": 0.7, "batch": 8}
    system = cast(RLPosttraining(**fields, skill_rate=0.5), "float64")
    start = simulation.initial(system)
    moved = start._replace(logits=start.logits + jnp.array([0.3, -0.2, 0.1]), skills=start.skills + 0.2)
    moved = moved._replace(accuracy=jax.nn.sigmoid(moved.skills))
    rollouts = simulation.draw(system, moved, KEY)
    scored = advantages(system, rollouts, moved.accuracy @ moved.shares)

    def law(logits, skills):
        a = jax.nn.sigmoid(skills)
        return jax.nn.softmax(logits) * jnp.stack([a, 1 - a])

    def objective(logits, skills):
        p, q = law(logits, skills), law(start.logits, start.skills)
        chosen = p[1 - rollouts.right.astype(int), rollouts.question[:, None], rollouts.format]
        divergence = jnp.mean(jnp.sum(p * jnp.log(p / q), axis=(0, 2)))
        return jnp.mean(scored * jnp.log(chosen)) - 0.1 * divergence

    slopes = jax.grad(objective, argnums=(0, 1))(moved.logits, moved.skills)
    after = simulation.gradient_step(system)(moved, KEY)
    np.testing.assert_allclose(after.logits, moved.logits + 0.7 * slopes[0], atol=1e-12)
    np.testing.assert_allclose(after.skills, moved.skills + 0.35 * slopes[1], atol=1e-12)


def test_ppo_ascends_the_clipped_surrogate():
    system = cast(RLPosttraining(algorithm="ppo", advantage="grpo", inner=6, rate=2.0, batch=8, kl=0.05), "float64")
    policy, rollouts, scored = rollouts_of(system, KEY)

    def surrogate(logits):
        p = jax.nn.softmax(logits)
        ratio = (p / policy.shares)[rollouts.format]
        clipped = jnp.clip(ratio, 0.8, 1.2)
        return jnp.mean(jnp.minimum(ratio * scored, clipped * scored)) - 0.05 * p @ jnp.log(p / policy.shares)

    logits = policy.logits
    for _ in range(6):
        logits = logits + 2.0 * jax.grad(surrogate)(logits)
    clip_acts = jax.nn.softmax(logits) / policy.shares
    assert np.max(np.abs(clip_acts - 1)) > 0.2
    after = simulation.ppo_iteration(system)(policy, KEY)
    np.testing.assert_allclose(after.logits, logits, atol=1e-12)


def test_sampled_answers_follow_the_policy():
    p, a, w = jnp.array([0.3, 0.5, 0.2]), jnp.array(CLASSES), jnp.array([0.25, 0.75])
    found = sample(KEY, p, a, w, 20_000, 4)
    for q in range(2):
        of_class = found.question == q
        assert abs(float(jnp.mean(of_class)) - float(w[q])) < 4 * math.sqrt(0.1875 / 20_000)
        for k in range(3):
            chosen = (found.format == k) & of_class[:, None]
            share = jnp.sum(chosen) / jnp.sum(of_class) / 4
            assert abs(float(share - p[k])) < 4 * math.sqrt(0.25 / 20_000)  # answers of a question are independent
            right = jnp.sum(found.right & chosen) / jnp.sum(chosen)
            assert abs(float(right - a[q, k])) < 4 * math.sqrt(0.25 / float(jnp.sum(chosen)))


def test_groups_all_right_or_all_wrong_have_no_advantage():
    for accuracy in (0.0, 1.0):
        system = cast(RLPosttraining(accuracy=((accuracy,) * 3,), batch=4), "float64")
        _, _, scored = rollouts_of(system, KEY)
        np.testing.assert_array_equal(scored, 0.0)


def test_a_round_that_keeps_nothing_keeps_the_policy():
    system = cast(RLPosttraining(algorithm="expert", advantage="baseline", accuracy=((1e-9,) * 3,), batch=2), "float64")
    policy = simulation.initial(system)
    after = simulation.expert_round(system)(policy, KEY)
    np.testing.assert_allclose(after.shares, policy.shares, atol=1e-15)


# -- the interface ----------------------------------------------------------------------------------------------


def test_predictions_have_derivatives_and_sweeps():
    slope = tl.sensitivity(RLPosttraining(steps=50, records=2), over=["kl"])
    assert np.isfinite(np.asarray(jax.tree.leaves(slope)[0])).all()
    swept = tl.sweep(RLPosttraining(steps=50, records=2), kl=[0.0, 0.1, 1.0])
    last = [float(one.curves["share"][-1, 0]) for one in swept.predictions]
    assert last[0] > last[1] > last[2]


def test_natural_steps_of_a_vanished_format_are_doubted():
    system = RLPosttraining(geometry="natural", advantage="baseline", steps=300, records=2)
    sentence = system.doubts(tl.predict(system))[0]
    assert "raise the batch" in sentence
    assert not RLPosttraining(steps=50, records=2).doubts(tl.predict(RLPosttraining(steps=50, records=2)))


def test_steps_that_overshoot_the_penalty_are_warned_of():
    assert "lower the rate" in RLPosttraining(kl=50.0, rate=0.1).warnings(None)[0]
    assert not RLPosttraining(kl=0.1, rate=0.1).warnings(None)


REFUSED = [
    ({"shares": (0.5, 0.6)}, "shares must be positive and add up to 1"),
    ({"shares": (0.5, 0.5, 0.0)}, "a format with share 0 can never come back"),
    ({"shares": (1.0,)}, "at least two formats"),
    ({"shares": (0.5, math.nan, 0.5)}, "shares must be finite"),
    ({"accuracy": ((0.6, 1.2, 0.1),)}, r"each must be in \[0, 1\]"),
    ({"accuracy": ((0.6, 0.2),)}, "a column for each of the 3 formats"),
    ({"accuracy": ((0.6, 0.2, 0.1), (0.1, 0.2))}, "rows of equal length"),
    ({"held_out": ((0.6, -0.2, 0.1),)}, r"held_out .* each must be in \[0, 1\]"),
    ({"weights": (0.5, 0.5)}, "one for each of the 1 classes"),
    ({"accuracy": CLASSES, "weights": (0.5, 0.6)}, "weights must be positive and add up to 1"),
    ({"group": 1}, "grpo compares answers with each other: group must be at least 2, got 1"),
    ({"group": 1, "advantage": "group_mean"}, "group_mean compares answers with each other"),
    ({"group": math.inf, "advantage": "baseline"}, "group = inf needs advantage"),
    ({"kl": -0.1}, "kl must not be negative, got -0.1"),
    ({"rate": 0.0}, "rate must be positive, got 0.0"),
    ({"rate": 1.0, "kl": 2.0, "geometry": "natural"}, "rate x kl must be below 2 in the natural geometry"),
    ({"batch": 0}, "batch must be an integer of at least 1, got 0"),
    ({"refit": 0.0}, r"refit must be in \(0, 1\], got 0.0"),
    ({"refit": 1.5}, r"refit must be in \(0, 1\], got 1.5"),
    ({"clip": 1.0}, r"clip must be in \(0, 1\), got 1.0"),
    ({"evaluations": 8, "attempts": (16,)}, "pass@16 cannot be estimated from 8 answers"),
    ({"evaluations": 8, "votes": 16}, "majority@16 needs evaluations of at least 16"),
    ({"attempts": (0,)}, "attempts are numbers of answers of at least 1"),
    ({"algorithm": "expert", "advantage": "baseline", "accuracy": ((0.0,) * 3,)}, "no format is ever right"),
    ({"algorithm": "dpo"}, "algorithm must be one of gradient, ppo, expert"),
    ({"skills": "learned", "algorithm": "ppo"}, "learned skills need algorithm='gradient'"),
    ({"skills": "learned", "accuracy": ((1.0, 0.5, 0.2),)}, "strictly between 0 and 1"),
    ({"study": "winner"}, "study='winner' is about two formats, got 3"),
    ({"study": "winner", "shares": (0.99, 0.01), "accuracy": ((0.5, 0.4),)}, "between the barriers"),
    ({"study": "noise", "group": math.inf}, "needs a finite group"),
    ({"skill_rate": 0.0}, "skill_rate must be positive"),
]


@pytest.mark.parametrize(("fields", "sentence"), REFUSED)
def test_settings_that_cannot_be_are_refused(fields, sentence):
    with pytest.raises(tl.Refused, match=sentence):
        RLPosttraining(**fields)


def test_no_runs_are_refused():
    with pytest.raises(tl.Refused, match="run"):
        tl.simulate(RLPosttraining(), runs=0)


@pytest.mark.slow
def test_the_deviation_vanishes_as_the_batch_grows():
    system = setting(dynamics="steps", rate=0.5, steps=40, group=4, advantage="grpo")
    found = tl.converge(system, (4, 8, 16, 32), runs=512, key=KEY)
    assert set(found.words.values()) <= {"agrees", "converges"}
