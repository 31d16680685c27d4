"""The decoder: causality, size, rounding at the places it names."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.networks.transformer import Decoder, Rounding, matrices

DECODER = Decoder(vocabulary=17, width=32, layers=2, heads=4, length=9)
TOKENS = jax.random.randint(jax.random.key(1), (5, 9), 0, 17)


@pytest.fixture(scope="module")
def parameters():
    return DECODER.init(jax.random.key(0), TOKENS)


def test_a_token_sees_only_what_is_before_it(parameters):
    changed = TOKENS.at[:, 6:].set(0)
    full, other = (DECODER.apply(parameters, tokens) for tokens in (TOKENS, changed))
    np.testing.assert_array_equal(full[:, :6], other[:, :6])
    assert float(jnp.abs(full[:, 6:] - other[:, 6:]).max()) > 1e-3


def test_the_parameters_are_those_of_the_matrices_and_the_embeddings(parameters):
    count = sum(x.size for x in jax.tree.leaves(parameters))
    assert count == matrices(17, 32, 2) + 17 * 32 + 9 * 32 == 25952


def test_the_loss_at_the_start_is_near_that_of_guessing(parameters):
    logits = DECODER.apply(parameters, jax.random.randint(jax.random.key(2), (400, 9), 0, 17))
    # logits of unit variance cost half a nat more than uniform ones
    loss = jnp.mean(jax.nn.logsumexp(logits, -1) - logits.mean(-1))
    assert float(loss) == pytest.approx(np.log(17) + 0.5, abs=0.1)


@pytest.mark.parametrize("part", ["weight", "activation", "cache"])
def test_each_part_is_rounded_where_it_is_used(parameters, part):
    exact = DECODER.apply(parameters, TOKENS)
    shapes = []

    def rounded(x):
        shapes.append(x.shape)
        return jnp.zeros_like(x)

    zero = DECODER.apply(parameters, TOKENS, Rounding(**{part: rounded}))
    assert float(jnp.abs(zero - exact).max()) > 1e-3
    # query, key, value, attended, up, down of two layers and the output; keys and values of two layers
    assert len(shapes) == (4 if part == "cache" else 13)


def test_a_sequence_alone_is_a_row_of_a_batch(parameters):
    np.testing.assert_allclose(DECODER.apply(parameters, TOKENS[0]), DECODER.apply(parameters, TOKENS)[0], atol=1e-5)
