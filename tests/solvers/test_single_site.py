"""The causal pass: exact for linear networks, sampled otherwise, and refused where it cannot be trusted."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theorylab.core import Refused, Status
from theorylab.solvers.single_site import Layout, causal_pass

KERNEL = jnp.array([[1.0, 0.3, -0.2], [0.3, 1.0, 0.4], [-0.2, 0.4, 1.0]])
TARGETS = jnp.array([1.0, -0.5])
SMOOTH = (jnp.tanh, lambda h: 1 - jnp.tanh(h) ** 2)
LINEAR = (lambda h: h, jnp.ones_like)


@functools.cache
def passed(kind, layout, tolerance=0.01, depth=2, steps=20, richness=1.0, responses=True):
    value, slope = LINEAR if kind == "linear" else SMOOTH
    return jax.jit(
        lambda key: causal_pass(
            KERNEL, TARGETS, value, slope, depth=depth, richness=richness, ridge=0.1, rate=0.05, steps=steps, key=key,
            layout=layout, tolerance=tolerance, responses=responses,
        )
    )  # fmt: skip


EXACT = Layout(48, 24, True)
SAMPLED = Layout(400, 48)


def test_sampled_pass_of_a_linear_network_is_the_exact_one():
    exact = passed("linear", EXACT, 1e-9)(jax.random.key(0))
    sampled = passed("linear", SAMPLED, 1e-3)(jax.random.key(1))
    assert exact.status == sampled.status == Status.SUCCESSFUL
    # what is left out is second order in the tolerance, a column at most for every point and step
    bound = 1e-3**2 * len(KERNEL) * 20
    for name in ("function", "features", "gradients", "feature_overlap", "gradient_overlap"):
        np.testing.assert_allclose(getattr(sampled, name), getattr(exact, name), rtol=0, atol=bound)


def test_first_step_has_a_closed_form():
    found = passed("linear", EXACT, 1e-9)(jax.random.key(0))
    a, dt, k = 1 - 0.1 * 0.05, 0.05, KERNEL[:2, :2]
    np.testing.assert_allclose(found.function[0], 0.0, atol=1e-13)
    np.testing.assert_allclose(found.features[0], np.stack([KERNEL, KERNEL]), atol=1e-12)
    # f(dt) to first order in dt: three layers, each contributes K Delta
    first = 3 * dt * KERNEL[:, :2] @ TARGETS
    np.testing.assert_allclose(found.function[1], first * a**2, atol=3 * dt**2 * float(jnp.abs(k).sum()))


def test_pairs_start_from_zero_output_and_the_input_kernel():
    found = passed("tanh", SAMPLED)(jax.random.key(3))
    np.testing.assert_allclose(found.function[0], 0.0, atol=1e-12)
    np.testing.assert_array_equal(found.feature_overlap[0], found.features[0])
    assert np.all(np.asarray(found.ranks) <= SAMPLED.capacity)


def test_leaving_out_the_responses_moves_the_function():
    run, wrong = passed("tanh", SAMPLED), passed("tanh", SAMPLED, responses=False)
    keys = jax.random.split(jax.random.key(4), 4)
    mean, off = (np.mean([f(key).function for key in keys], axis=0) for f in (run, wrong))
    spread = np.std([run(key).function for key in keys], axis=0, ddof=1) / 2
    moved = np.linalg.norm(off - mean) / np.linalg.norm(mean)
    assert moved > 0.02
    assert moved > 8 * np.linalg.norm(spread) / np.linalg.norm(mean)


def test_a_basis_without_room_is_a_failure_with_a_remedy():
    found = passed("tanh", Layout(400, 4), 1e-3)(jax.random.key(5))
    assert found.status == Status.FEW_SAMPLES


@pytest.mark.parametrize(
    ("layout", "sentence"),
    [
        (Layout(401, 40), "must be even"),
        (Layout(100, 40), "too few for bases"),
        (Layout(8, 4, True), None),
        (Layout(4, 2, True), "capacity must be at least"),
        (Layout(50, 24, True), "2 x capacity"),
    ],
)
def test_layouts_that_cannot_be_trusted_are_refused(layout, sentence):
    def go():
        return jax.eval_shape(passed("linear", layout, steps=2), jax.random.key(0))

    if sentence is None:
        go()
    else:
        with pytest.raises(Refused, match=sentence):
            go()
