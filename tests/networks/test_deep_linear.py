"""Deep linear networks: explicit gradient descent against automatic differentiation; scalings."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.networks import deep_linear, parametrization

N, M, P, RICHNESS, RATE = 7, 5, 9, 1.3, 0.05


def loss(weights, x, y, branch):
    fields = jax.vmap(lambda row: deep_linear.forward(weights, row, branch))(x)
    output = fields[:, -1] @ weights.readout / (RICHNESS * N)
    return jnp.sum((output - y) ** 2) / (2 * P)


@pytest.mark.parametrize(("depth", "branch"), [(1, None), (3, None), (4, 0.6)])
def test_three_outer_products_are_gradient_descent(depth, branch):
    keys = jax.random.split(jax.random.key(0), 3)
    weights = deep_linear.init(keys[0], depth, N, M, jnp.float64)
    x, y = jax.random.normal(keys[1], (P, M)), jax.random.normal(keys[2], (P,))
    gradients = deep_linear.backward(weights, branch)
    predictor = deep_linear.predictor(weights, gradients, RICHNESS)
    outputs = jax.vmap(lambda row: deep_linear.forward(weights, row, branch)[-1])(x) @ weights.readout
    np.testing.assert_allclose(x @ predictor, outputs / (RICHNESS * N), rtol=1e-12)
    force = x.T @ (y - x @ predictor) / P
    features = deep_linear.forward(weights, force, branch)
    moved = deep_linear.descend(weights, force, features, gradients, RATE, RICHNESS, branch)
    slope = jax.grad(loss)(weights, x, y, branch)
    raw = parametrization.mean_field_rate(RATE, N, RICHNESS)
    for new, old, gradient in zip(moved, weights, slope, strict=True):
        np.testing.assert_allclose(new, old - raw * gradient, atol=1e-12)


def test_gradient_flow_of_one_layer_keeps_its_balance_and_closes_on_three_numbers():
    # Population flow at M = 5: beta, W0^T W0 / N and |w|^2 / N obey their own equations; W0 W0^T - w w^T is kept.
    size, step, steps, gamma = float(M), 1e-4, 2000, 1.0
    weights = deep_linear.init(jax.random.key(1), 1, N, M, jnp.float64)
    target = jnp.ones(M)
    richness, rate = gamma / size**0.5, step * size

    def descend(weights, _):
        g = deep_linear.backward(weights)
        force = (target - deep_linear.predictor(weights, g, richness)) / size
        h = deep_linear.forward(weights, force)
        return deep_linear.descend(weights, force, h, g, rate, richness), None

    def flow(state, _):
        beta, metric, norm = state
        v = target - beta
        moved = jnp.outer(beta, v) + jnp.outer(v, beta)
        return (
            beta + step * (norm * v + metric @ v),
            metric + step * gamma**2 / size * moved,
            norm + step * 2 * gamma**2 / size * (beta @ v),
        ), None

    beta = deep_linear.predictor(weights, deep_linear.backward(weights), richness)
    start = (beta, weights.first.T @ weights.first / N, weights.readout @ weights.readout / N)
    last, _ = jax.jit(lambda w: jax.lax.scan(descend, w, None, steps))(weights)
    (beta, metric, norm), _ = jax.jit(lambda s: jax.lax.scan(flow, s, None, steps))(start)
    # Both are Euler steps of 1e-4 of one flow to time 0.2: they differ by terms of order step.
    found = deep_linear.predictor(last, deep_linear.backward(last), richness)
    np.testing.assert_allclose(found, beta, atol=2e-3)
    np.testing.assert_allclose(last.first.T @ last.first / N, metric, atol=2e-3)
    assert float(last.readout @ last.readout / N) == pytest.approx(float(norm), abs=2e-3)

    def balance(w):
        return w.first @ w.first.T - jnp.outer(w.readout, w.readout)

    np.testing.assert_allclose(balance(last), balance(weights), atol=5e-3)


def test_scalings():
    assert float(parametrization.standard(16).std) == 0.25
    assert float(parametrization.ntk(16).multiplier) == 0.25
    assert float(parametrization.mean_field_readout(10, 2.0).multiplier) == 0.05
    assert float(parametrization.mean_field_rate(0.1, 10, 2.0)) == pytest.approx(4.0)
    assert float(parametrization.ntk_richness(3.0, 9.0)) == 1.0


def test_ntk_readout_is_a_mean_field_readout_at_its_richness():
    for width in (4, 64):
        richness = parametrization.ntk_richness(1.0, width)
        assert float(parametrization.mean_field_readout(width, richness).multiplier) == pytest.approx(width**-0.5)
