"""Markov text: its stationary law and its entropy."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.data import markov


def test_pairs_of_a_text_follow_the_stationary_law_and_the_truth_reaches_the_entropy():
    source = markov.chain(letters=6)
    texts = np.asarray(markov.sample(jax.random.key(0), source, 4000, 12))
    seen = np.zeros((6, 6))
    np.add.at(seen, (texts[:, 10], texts[:, 11]), 1 / len(texts))
    error = np.sqrt(source.stationary * (1 - source.stationary) / len(texts))
    assert np.abs((seen - source.stationary) / error).max() < 4.5  # 36 numbers
    log = source.logits - np.log(np.exp(source.logits).sum(-1, keepdims=True))
    losses = -log[texts[:, -3], texts[:, -2], texts[:, -1]]
    assert abs(losses.mean() - source.entropy) < 4 * losses.std() / np.sqrt(len(losses))


def test_the_stationary_law_is_stationary_and_contexts_have_a_heavy_tail():
    source = markov.chain()
    table = np.exp(source.logits)
    np.testing.assert_allclose(np.einsum("ab,abc->bc", source.stationary, table), source.stationary, atol=1e-14)
    ranked = np.sort(source.stationary.ravel())
    assert ranked[-1] > 20 * np.median(ranked)


def test_the_same_seed_is_the_same_language():
    np.testing.assert_array_equal(markov.chain(4, seed=3).logits, markov.chain(4, seed=3).logits)
    assert np.abs(markov.chain(4, seed=3).logits - markov.chain(4, seed=4).logits).max() > 0.1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({"letters": 1}, "letters must"), ({"exponent": -1.0}, "exponent must"), ({"choices": 0.0}, "choices must")],
)
def test_refusals(values, sentence):
    with pytest.raises(Refused, match=sentence):
        markov.chain(**values)
