"""Losses against plain implementations, algorithms against what they must do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import theorylab as tl
from theorylab.data.arithmetic import Arithmetic
from theorylab.networks import policy_gradient as rl
from theorylab.networks.sampling import chosen_places, decoder_policy, logprobs_of
from theorylab.networks.transformer import Decoder

TASK = Arithmetic()
DECODER = Decoder(TASK.vocabulary, 8, 1, 2, TASK.length, jnp.float64)
POLICY = decoder_policy(DECODER)
CLIP = 0.2
whole = jax.jit(DECODER.apply)


def parameters(seed):
    return DECODER.init(jax.random.key(seed), jnp.zeros((1, TASK.length), jnp.int32))


@pytest.fixture(scope="module")
def batch():
    """Text of all formats, one without an end; advantages; an older policy and a reference."""
    tokens = np.array(TASK.documents(jax.random.key(1), 4))
    tokens[0] = [1, 2, 3, 4, 10, 5, 6, 7, 8]
    advantage = jax.random.normal(jax.random.key(2), (4,))
    here = parameters(0)
    return jnp.asarray(tokens), advantage, here, parameters(3), jax.tree.map(lambda x: 0.8 * x, here)


def plain_logprobs(weights, tokens):
    """Token by token, rollout by rollout: a list of lists."""
    found = []
    for row in tokens:
        found.append([])
        every = whole(weights, row)
        for place in range(TASK.slots, TASK.length):
            logits = every[place - 1]
            if place == TASK.slots:
                mine = jnp.exp(logits[row[place]]) / sum(jnp.exp(logits[tag]) for tag in TASK.tags)
            else:
                mine = jnp.exp(logits[row[place]]) / sum(
                    jnp.exp(logits[t]) for t in range(TASK.vocabulary) if t != TASK.pad
                )
            found[-1].append(jnp.log(mine))
            if row[place] == TASK.end:
                break
    return found


def plain(name, weights, tokens, advantage, old, reference):
    now = plain_logprobs(weights, tokens)
    if name == "imitation":
        return -sum(sum(row) for row in now) / sum(len(row) for row in now)
    if name == "policy gradient":
        return -sum(a * sum(row) for a, row in zip(advantage, now, strict=True)) / len(now)
    total = 0.0
    for i, (row, then) in enumerate(zip(now, plain_logprobs(old if name == "ppo" else reference, tokens), strict=True)):
        for mine, other in zip(row, then, strict=True):
            if name == "ppo":
                ratio = jnp.exp(mine - other)
                total -= jnp.minimum(ratio * advantage[i], jnp.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage[i])
            else:
                total += jnp.exp(other - mine) - (other - mine) - 1
    return total / len(now)


def ours(name, weights, tokens, advantage, old, reference):
    now = logprobs_of(POLICY, weights, TASK, tokens)
    if name == "imitation":
        return rl.imitation_loss(now, chosen_places(TASK, tokens))
    if name == "policy gradient":
        return rl.policy_loss(now, advantage)
    if name == "ppo":
        return rl.clipped_loss(now, logprobs_of(POLICY, old, TASK, tokens), advantage, CLIP)
    return rl.divergence(now, logprobs_of(POLICY, reference, TASK, tokens))


@pytest.mark.parametrize("name", ["imitation", "policy gradient", "ppo", "kl"])
def test_losses_and_gradients_are_those_of_a_plain_implementation(batch, name):
    tokens, advantage, here, reference, old = batch
    arguments = (tokens, advantage, old, reference)
    mine, found = jax.value_and_grad(lambda w: ours(name, w, *arguments))(here)
    value, expected = jax.value_and_grad(lambda w: plain(name, w, *arguments))(here)
    np.testing.assert_allclose(mine, value, rtol=1e-10)  # float64, two orders of summation
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-10), found, expected)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found)) > 1e-3


def test_unclipped_ppo_is_the_policy_gradient(batch):
    tokens, advantage, here, _, _ = batch
    old = logprobs_of(POLICY, here, TASK, tokens)
    one = jax.grad(lambda w: rl.clipped_loss(logprobs_of(POLICY, w, TASK, tokens), old, advantage, CLIP))(here)
    other = jax.grad(lambda w: rl.policy_loss(logprobs_of(POLICY, w, TASK, tokens), advantage))(here)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-12), one, other)


def test_clip_stops_what_is_already_far_and_lets_it_come_back():
    old = jnp.log(jnp.full((1, 1), 0.5))
    slope = jax.grad(lambda x, a: rl.clipped_loss(x, old, jnp.array([a]), 0.2).sum())
    assert slope(old + 0.3, 1.0) == 0  # already above 1 + clip, and wanted more often
    assert slope(old - 0.3, -1.0) == 0
    assert slope(old + 0.3, -1.0) > 0  # wanted less often: pulled back
    assert slope(old - 0.3, 1.0) < 0


def test_kl_estimator_averages_to_the_divergence():
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.4, 0.2])
    each = [float(rl.divergence(jnp.log(a)[None, None], jnp.log(b)[None, None])) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(p @ np.array(each), np.sum(p * np.log(p / q)), rtol=1e-12)


def test_advantages_compare_with_the_group_and_a_constant_group_has_none():
    rewards = jnp.array([[1.0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]])
    found = rl.advantages(rewards, "grpo", 0.0 + 1e-12)
    np.testing.assert_allclose(found[0], [1, 1, -1, -1], rtol=1e-9)
    np.testing.assert_array_equal(found[1], 0)
    np.testing.assert_allclose(found[2, 3], 3**0.5, rtol=1e-9)  # (1 - 1/4) / sqrt(1/4 3/4)
    np.testing.assert_allclose(rl.advantages(rewards, "group_mean")[2], [-0.25, -0.25, -0.25, 0.75])
    np.testing.assert_allclose(rl.advantages(rewards, "batch_mean"), rewards - 7 / 12)


def test_right_answers_are_kept_once():
    tokens = jnp.array([[[1, 2], [1, 2], [3, 4], [1, 2], [5, 6]]])
    right = jnp.array([[True, True, False, True, True]])
    np.testing.assert_array_equal(rl.kept_once(tokens, right)[0], [True, False, False, False, True])


class NothingRight(Arithmetic):
    def reward(self, tokens):
        return jnp.zeros(tokens.shape[:-1])


def test_expert_iteration_without_a_right_answer_changes_nothing(batch):
    here = batch[2]
    algorithm = rl.ExpertIteration(prompts=2, samples=2, updates=2, batch=4)
    state = algorithm.step(POLICY, NothingRight(), "easy", here, algorithm.begin(here), jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, state.parameters, here)


@pytest.mark.parametrize("algorithm", [rl.PolicyGradient(16, 4, 0.03, 0.01), rl.PPO(16, 4, 0.03, 0.01)])
def test_reward_grows(batch, algorithm):
    """A reward for one tag is learned by every algorithm in a few steps."""

    class Tagged(Arithmetic):
        def reward(self, tokens):
            return (self.format_of(tokens) == 2).astype(jnp.float64)

    def observe(weights, key):
        logits = DECODER.apply(weights, TASK.prompts(jax.random.key(9), 64, "easy"))[:, -1]  # pyright: ignore[reportIndexIssue]
        return {"share": jax.nn.softmax(logits[:, jnp.array(TASK.tags)]).mean(0)[2]}

    run = jax.jit(lambda w, k: rl.train(algorithm, POLICY, Tagged(), "easy", w, k, 2, 10, observe)[1])
    share = run(batch[2], jax.random.key(4))["share"]
    assert share.shape == (3,)
    assert share[-1] > max(0.8, share[0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: rl.PolicyGradient(group=1), "group must be at least 2, got 1"),
        (lambda: rl.PolicyGradient(prompts=0), "prompts must be at least 1, got 0"),
        (lambda: rl.PolicyGradient(kl=-0.1), "kl must not be negative, got -0.1"),
        (lambda: rl.PolicyGradient(rate=0.0), "rate must be positive, got 0.0"),
        (lambda: rl.PPO(clip=1.0), r"clip must be in \(0, 1\), got 1.0"),
        (lambda: rl.PPO(epochs=0), "epochs must be at least 1, got 0"),
        (lambda: rl.ExpertIteration(updates=0), "updates and batch must be at least 1"),
    ],
)
def test_refusals(make, sentence):
    with pytest.raises(tl.Refused, match=sentence):
        make()
