"""The samplers, on Gaussian densities whose moments are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from theorylab.networks import langevin

VARIANCES = jnp.array([1.0, 0.25, 0.04])
CHAINS = 16


def potential(x):
    return 0.5 * jnp.sum(x**2 / VARIANCES)


def squares(x):
    return x**2


def test_hmc_has_the_moments_of_a_gaussian_and_adapts_its_step():
    def chain(key):
        return langevin.hmc(potential, jnp.ones(3) * 3, key, squares, warmup=100, moves=800)

    found = jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(0), CHAINS))
    mean = np.asarray(found.mean)
    z = (mean.mean(0) - VARIANCES) / (mean.std(0, ddof=1) / CHAINS**0.5)
    assert np.abs(z).max() < 4  # three z scores of sixteen chains
    # and the test has power: a variance wrong by a fifth would be seen
    assert (mean.std(0, ddof=1) / CHAINS**0.5 < 0.05 * VARIANCES).all()
    np.testing.assert_allclose(found.acceptance, langevin.TARGET, atol=0.1)


def test_a_diverging_trajectory_is_refused_rather_than_followed():
    state = langevin.start(potential, jnp.ones(3))
    moved, probability = langevin.hmc_move(potential, state, jax.random.key(1), 1e3, 5)
    assert probability == 0
    np.testing.assert_array_equal(moved.position, state.position)


def test_unadjusted_langevin_has_exactly_its_known_bias():
    step = 0.02

    def chain(key):
        return langevin.langevin(potential, jnp.ones(3), key, squares, warmup=300, moves=1500, step=step, between=2)

    mean = np.asarray(jax.jit(jax.vmap(chain))(jax.random.split(jax.random.key(2), CHAINS)).mean)
    # x <- (1 - s / v) x + sqrt(2 s) xi has variance v / (1 - s / 2v)
    biased = VARIANCES / (1 - step / (2 * VARIANCES))
    z = (mean.mean(0) - biased) / (mean.std(0, ddof=1) / CHAINS**0.5)
    assert np.abs(z).max() < 4
    # the bias itself, 33 % in the stiffest direction, is seen
    assert mean.mean(0)[2] > 1.2 * VARIANCES[2]
