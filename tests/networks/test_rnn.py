"""The linear recurrent network: exact gradient, conservation law, losses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from theorylab.core import Refused
from theorylab.networks import rnn

N, T = 6, 12
LAGS = jnp.arange(T) * 1.0
TARGET = 0.9**LAGS * jnp.cos(0.3 * LAGS + 0.2)
WEIGHTS = 1.0 - LAGS / T


@pytest.fixture(scope="module")
def network():
    w, u, v = jax.random.split(jax.random.key(3), 3)
    return rnn.RNN(
        0.5 * jax.random.normal(w, (N, N)) / np.sqrt(N), jax.random.normal(u, (N,)), jax.random.normal(v, (N,))
    )


def test_impulse_response_is_the_output_to_an_impulse_and_filters_any_input(network):
    k = rnn.impulse_response(network, T)
    powers = [network.readout @ jnp.linalg.matrix_power(network.recurrent, t) @ network.readin for t in range(T)]
    np.testing.assert_allclose(k, powers, atol=1e-13)
    x = jax.random.normal(jax.random.key(1), (T,))
    np.testing.assert_allclose(rnn.outputs(network, x), jnp.convolve(k, x)[:T], atol=1e-12)


def test_exact_gradient_equals_automatic_differentiation(network):
    exact = rnn.grads(network, TARGET, WEIGHTS)
    automatic = jax.grad(rnn.population_loss)(network, TARGET, WEIGHTS)
    for one, other in zip(exact, automatic, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * float(jnp.abs(other).max()))


def test_balance_identity_holds_for_any_weights(network):
    (w, u, v), g = network, rnn.grads(network, TARGET, WEIGHTS)
    residual = g.recurrent @ w.T - w.T @ g.recurrent + jnp.outer(g.readin, u) - jnp.outer(v, g.readout)
    assert float(jnp.abs(residual).max()) < 1e-13 * float(jnp.abs(g.recurrent).max()) * 100


def test_a_small_step_conserves_the_imbalance_to_second_order(network):
    g = rnn.grads(network, TARGET, WEIGHTS)

    def drift(rate):
        moved = jax.tree.map(lambda x, y: x - rate * y, network, g)
        return float(jnp.abs(rnn.imbalance(moved) - rnn.imbalance(network)).max())

    assert drift(1e-3) / drift(5e-4) == pytest.approx(4.0, abs=1e-6)


@pytest.mark.parametrize("average", [False, True])
def test_sampled_loss_has_the_population_loss_as_mean(network, average):
    weights = WEIGHTS if average else jnp.ones(T)
    x = jax.random.normal(jax.random.key(7), (400, 20, T))
    losses = jax.vmap(lambda batch: rnn.sampled_loss(network, batch, TARGET, average))(x)
    error = losses.std() / np.sqrt(400)
    assert abs(losses.mean() - rnn.population_loss(network, TARGET, weights)) < 4 * error


def test_infinite_horizon_equals_a_long_sum_and_its_gradient():
    w, u, v = jax.random.normal(jax.random.key(5), (3, N, N)) / np.sqrt(N)
    network = rnn.RNN(0.4 * w, u[0], v[0])
    turn = 0.8 * jnp.array([[jnp.cos(0.4), -jnp.sin(0.4)], [jnp.sin(0.4), jnp.cos(0.4)]])
    read = jnp.array([jnp.cos(0.2), -jnp.sin(0.2)])
    lags = jnp.arange(400) * 1.0
    target = 0.8**lags * jnp.cos(0.4 * lags + 0.2)
    whole = jax.value_and_grad(rnn.infinite_loss)(network, turn, jnp.array([1.0, 0.0]), read)
    long = jax.value_and_grad(rnn.population_loss)(network, target, jnp.ones(400))
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(long), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * float(jnp.abs(other).max()))


def test_propagator_is_the_matrix_exponential_to_fourth_order(network):
    def error(spacing):
        exact = scipy.linalg.expm(spacing * (np.asarray(network.recurrent) - np.eye(N)))
        return float(jnp.abs(rnn.propagator(network.recurrent, spacing) - exact).max())

    assert error(0.02) / error(0.01) == pytest.approx(2**5, rel=0.05)


def test_lengths_that_differ_are_refused(network):
    with pytest.raises(Refused, match="one length"):
        rnn.grads(network, TARGET, WEIGHTS[:-1])
    with pytest.raises(Refused, match="one length"):
        rnn.population_loss(network, TARGET, jnp.ones((T, 1)))
    with pytest.raises(Refused, match="must have 5 lags"):
        rnn.sampled_loss(network, jnp.ones((2, 5)), TARGET, average=False)
