"""Sampling and the training pass are one policy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.data.arithmetic import Arithmetic
from theorylab.networks.sampling import Policy, decoder_policy, logprobs_of, masked_logprobs, sample
from theorylab.networks.transformer import Decoder

TASK = Arithmetic()
DECODER = Decoder(TASK.vocabulary, 16, 2, 2, TASK.length)
POLICIES = {"cached": decoder_policy(DECODER), "any decoder": Policy(decoder_policy(DECODER).apply)}


@pytest.fixture(scope="module")
def parameters():
    with jax.enable_x64(False):
        return DECODER.init(jax.random.key(0), jnp.zeros((1, TASK.length), jnp.int32))


@pytest.fixture(scope="module")
def rollouts(parameters):
    with jax.enable_x64(False):
        prompts = TASK.prompts(jax.random.key(1), 512, "easy")
        draw = jax.jit(sample, static_argnums=(0, 2))
        return {name: draw(policy, parameters, TASK, prompts, jax.random.key(2)) for name, policy in POLICIES.items()}


@pytest.mark.parametrize("name", POLICIES)
def test_logprobs_of_sampling_are_those_of_the_training_pass(parameters, rollouts, name):
    with jax.enable_x64(False):
        again = logprobs_of(POLICIES[name], parameters, TASK, rollouts[name].tokens)
    # float32: sums of a dozen products of order one
    np.testing.assert_allclose(again, rollouts[name].logprobs, rtol=0, atol=1e-5)


def test_a_cache_changes_nothing(rollouts):
    one, other = rollouts.values()
    np.testing.assert_array_equal(one.tokens, other.tokens)


def test_rules_hold_a_tag_first_padding_only_after_the_end(rollouts):
    tokens, _, chosen = (np.asarray(x) for x in rollouts["cached"])
    written = tokens[:, TASK.slots :]
    assert np.isin(written[:, 0], TASK.tags).all()
    assert (written[chosen] != TASK.pad).all()
    assert (written[~chosen] == TASK.pad).all()
    ended = np.cumsum(written == TASK.end, 1) - (written == TASK.end) > 0
    np.testing.assert_array_equal(chosen, ~ended)
    assert 0 < ended.mean() < 1


def test_tags_are_drawn_with_the_policys_probabilities(parameters):
    with jax.enable_x64(False):
        prompts = jnp.tile(jnp.array([[3, 1, 4, TASK.pad]]), (20_000, 1))
        logits = DECODER.apply(parameters, prompts[:1])[:, -1]  # pyright: ignore[reportIndexIssue]
        expected = np.exp(masked_logprobs(logits, TASK.allowed()[0]))[0, list(TASK.tags)]
        drawn = sample(POLICIES["cached"], parameters, TASK, prompts, jax.random.key(3)).tokens
    found = np.mean(np.asarray(drawn)[:, TASK.slots, None] == np.array(TASK.tags), 0)
    error = np.sqrt(expected * (1 - expected) / 20_000)
    assert (np.abs(found - expected) < 4 * error).all()


def test_a_forced_tag_is_drawn(parameters):
    allowed = TASK.allowed()
    allowed[0] = np.arange(TASK.vocabulary) == TASK.tags[2]
    with jax.enable_x64(False):
        prompts = TASK.prompts(jax.random.key(1), 64, "hard")
        tokens = sample(POLICIES["cached"], parameters, TASK, prompts, jax.random.key(3), allowed).tokens
    assert (np.asarray(TASK.format_of(tokens)) == 2).all()
