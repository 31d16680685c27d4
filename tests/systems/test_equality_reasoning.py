"""equality_reasoning: closed forms, limits, and exact training steps of the theories."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from equality_helpers import (
    INF,
    answers,
    bayes_generalizing,
    best_accuracy,
    force,
    kernel_outputs,
    kernel_train,
    outputs,
    span_of,
    symbols_of,
    tangent_kernel,
    weight_gram,
)
from scipy import stats

import theorylab as tl
from theorylab.data import symbols as data
from theorylab.systems.equality_reasoning import EqualityNumerics, EqualityReasoning
from theorylab.systems.equality_reasoning import theory_cone as cone
from theorylab.systems.equality_reasoning import theory_fresh as fresh
from theorylab.systems.equality_reasoning import theory_kernel as kernel
from theorylab.systems.equality_reasoning import theory_particles as particles

# -- closed forms of the rich limit ---------------------------------------------------------------------------


def test_the_papers_heuristic_has_the_papers_values():
    found = [float(cone.paper_accuracy(count)) for count in (2, 3, 4, 8)]
    np.testing.assert_allclose(found, [0.75, 0.9079, 0.9491, 0.9985], atol=5e-5)  # given to four digits


def test_a_symmetric_cone_is_right_half_the_time_on_different_pairs():
    np.testing.assert_allclose(cone.f_cdf(1.0, np.array([1, 2, 5, 64])), 0.5, atol=1e-14)
    same, different = cone.cone_accuracy(1.0, 2)
    assert 0.5 * float(same + different) == pytest.approx(0.75, abs=1e-14)


def test_the_f_distribution_is_scipys():
    x = np.array([0.3, 1.0, 1.7, 4.0])
    np.testing.assert_allclose(cone.f_cdf(x, 7), stats.f(7, 7).cdf(x), rtol=1e-12)


def test_the_best_cone_is_stationary_and_largest():
    def accuracy(ratio):
        same, different = cone.cone_accuracy(ratio, 32, 1.3)
        return 0.5 * (same + different)

    best = cone.best_ratio(1.3)
    assert float(jax.grad(accuracy)(best)) == pytest.approx(0, abs=1e-12)
    assert float(accuracy(best)) == pytest.approx(float(best_accuracy(1.3, 32)), abs=1e-12)
    assert np.all(np.asarray(accuracy(jnp.linspace(1, 3, 201))) <= float(accuracy(best)))


def test_best_ratio_accuracy_and_bayes_have_their_values():
    noise = np.sqrt([0.5, 1.0, 2.0, 4.0])
    np.testing.assert_allclose(cone.best_ratio(noise), [1.495, 1.316, 1.189, 1.107], atol=5e-4)  # three digits given
    np.testing.assert_allclose(best_accuracy(noise, 64), [0.9992, 0.9852, 0.9158, 0.7902], atol=6e-5)
    # given from 2e5 samples: standard errors up to 9e-4
    np.testing.assert_allclose(bayes_generalizing(noise, 64), [0.9997, 0.9876, 0.9193, 0.7912], atol=2e-3)


def test_the_generalizing_observer_is_optimal_and_the_cone_nearly_so():
    noise = np.geomspace(0.5, 3.0, 12)
    for dimension, largest in ((8, 0.02), (64, 0.004)):
        gap = np.asarray(bayes_generalizing(noise, dimension) - best_accuracy(noise, dimension))
        assert np.all(gap > 0)
        assert np.all(gap < largest)  # measured: the cone is less than 2 % and 0.4 % below


def test_the_generalizing_observer_agrees_with_sampled_likelihood_ratios():
    rng, d, s = np.random.default_rng(0), 16, 1.5
    right = []
    for same in (True, False):
        z, e = rng.normal(size=(2, 2, 100_000, d))
        x = (np.stack([z[0], z[0]]) if same else z) + math.sqrt(s) * e
        total, gap = np.sum((x[0] + x[1]) ** 2, 1), np.sum((x[0] - x[1]) ** 2, 1)
        ratio = -0.5 * total * (1 / (4 + 2 * s) - 1 / (2 + 2 * s)) - 0.5 * gap * (1 / (2 * s) - 1 / (2 + 2 * s))
        ratio = ratio - 0.5 * d * math.log((4 + 2 * s) * 2 * s / (2 + 2 * s) ** 2)
        right.append(np.mean((ratio > 0) == same))
    error = math.sqrt(0.25 / 2e5)
    assert abs(np.mean(right) - float(bayes_generalizing(math.sqrt(s), d))) < 4 * error


def test_the_memorizing_observer_weighs_the_known_symbols():
    z, sigma, d = np.asarray(symbols_of(3, 4)), 0.7, 4
    x = np.asarray(symbols_of(4, d, seed=5)).reshape(2, 2, d)
    found = np.asarray(cone.memorizing_evidence(jnp.asarray(x), jnp.asarray(z), sigma))
    for pair in range(2):
        seen = [[stats.norm.pdf(x[s, pair], z[k], sigma / math.sqrt(d)).prod() for k in range(3)] for s in range(2)]
        same = np.mean([seen[0][k] * seen[1][k] for k in range(3)])
        different = np.mean([seen[0][j] * seen[1][k] for j in range(3) for k in range(3) if j != k])
        assert found[pair] == pytest.approx(math.log(same / different), rel=1e-10)


# -- pairs ----------------------------------------------------------------------------------------------------


def test_pairs_are_balanced_and_batches_follow_their_shares():
    pairs = data.all_pairs(5)
    assert pairs.shares.sum() == pytest.approx(1)
    assert pairs.shares[pairs.labels > 0].sum() == pytest.approx(0.5)
    batch = 100_000
    shares = np.asarray(data.draw_shares(jax.random.key(0), 5, batch, jnp.float64))
    z = (shares - pairs.shares) / np.sqrt(pairs.shares * (1 - pairs.shares) / batch)
    assert np.max(np.abs(z)) < 4
    some = data.some_pairs(6, 10)
    assert len(some.labels) == 16
    assert some.shares[some.labels > 0].sum() == pytest.approx(0.5)
    assert some.shares.sum() == pytest.approx(1)


def test_fresh_pairs_have_the_stated_covariance():
    x, labels = data.draw_fresh(jax.random.key(1), 4000, 50, 0.8, jnp.float64)
    slots = np.asarray(x).reshape(-1, 2, 50)
    product = np.einsum("bsd,btd->bst", slots, slots)
    for label, across in ((1.0, 1.0), (-1.0, 0.0)):
        mean = product[np.asarray(labels) == label].mean(0)
        # a product over 50 entries has standard deviation below 0.35; some 2000 rows of each class
        np.testing.assert_allclose(mean, [[1.64, across], [across, 1.64]], atol=4 * 0.35 / math.sqrt(1900))


# -- the lazy kernel ------------------------------------------------------------------------------------------


def test_the_kernels_diagonal_is_the_squared_length():
    x = jax.random.normal(jax.random.key(0), (20, 12))
    found = jnp.diagonal(tangent_kernel(x, x))
    np.testing.assert_allclose(found, jnp.sum(x**2, axis=1), rtol=1e-7)  # arccos near 1 keeps half the digits


def test_the_kernel_is_the_wide_networks_gradient_product():
    x, width = symbols_of(4, 6, seed=3), 200_000
    keys = jax.random.split(jax.random.key(4))
    a, w = jax.random.normal(keys[0], (width,)), jax.random.normal(keys[1], (width, 6))
    u = x @ w.T
    phi, slope = jax.nn.relu(u), u > 0
    terms = phi[:, None] * phi[None] + a**2 * slope[:, None] * slope[None] * (x @ x.T)[:, :, None]
    error = np.asarray(terms.std(-1)) / math.sqrt(width)
    z = (np.asarray(terms.mean(-1)) - np.asarray(tangent_kernel(x, x))) / error
    assert np.max(np.abs(z)) < 4


def test_large_kernel_steps_are_stable_and_change_no_curve():
    z = symbols_of(12, 8)
    pairs = kernel.chosen_pairs(12, 0)
    training = kernel.inputs(z, pairs)
    gram = tangent_kernel(training, training)
    assert kernel.stable_step(gram, pairs) > 4  # the largest step of a schedule
    times = np.array([10.0, 100.0, 400.0])
    big = kernel_train(gram, pairs, *map(jnp.asarray, kernel.schedule(times)))
    small = kernel_train(gram, pairs, *kernel.constant_steps(0.25, (4 * times).astype(int)))
    slots = data.draw_novel(jax.random.key(1), 2000, 8, False, jnp.float64).inputs()
    curves = [
        answers(*(kernel_outputs(path, training, data.joined(s)) for s in slots))["accuracy"] for path in (big, small)
    ]
    np.testing.assert_allclose(curves[0], curves[1], atol=2e-3)  # 4 of 2000 pairs near zero may change sides


def test_subsampled_pairs_approach_all_pairs():
    z = symbols_of(10, 12)
    every, most = kernel.chosen_pairs(10, 0), kernel.chosen_pairs(10, 85)
    slots = data.draw_novel(jax.random.key(1), 1000, 12, False, jnp.float64).inputs()
    found = []
    for pairs in (every, most):
        x = kernel.inputs(z, pairs)
        path = kernel_train(tangent_kernel(x, x), pairs, jnp.array([1.0]), jnp.array([100]))
        found.append(float(answers(*(kernel_outputs(path, x, data.joined(s)) for s in slots))["accuracy"][0]))
    assert found[0] == pytest.approx(found[1], abs=0.08)  # a sixth of the different pairs is missing


# -- particles ------------------------------------------------------------------------------------------------


@functools.cache
def trained(count=3, dimension=12, number=64, richness=1.0, steps=60, rate=0.1):
    z = symbols_of(count, dimension)
    initial = particles.start(count, dimension, number, 0)
    gamma = richness * math.sqrt(dimension)
    states, _ = particles.train(z, gamma, rate, np.array([steps]), initial)
    return z, initial, gamma, jax.tree.map(lambda x: x[0], states)


@functools.cache
def flowed(time=5.0):
    z, initial, gamma, _ = trained()
    states, status = particles.train(z, gamma, time, np.array([1]), initial, flow=True)
    return jax.tree.map(lambda x: x[0], states), status


def explicit_weights(z, initial, state):
    """Weight vectors that have the particles' projections, in the symbols' whole space."""
    dimension = z.shape[1]
    span = span_of(z)
    inside = jnp.einsum("kd,skp->spd", span.inverse_root @ z, jnp.asarray(initial.span))
    moved = jnp.einsum("kd,skp->spd", z, state.weights)
    basis = jnp.linalg.svd(z, full_matrices=True)[2][z.shape[0] :]
    g11, g12, g22 = jnp.asarray(initial.rest)
    first = jnp.stack([jnp.sqrt(g11), 0 * g11], axis=1)
    second = jnp.stack([g12 / jnp.sqrt(g11), jnp.sqrt(g22 - g12**2 / g11)], axis=1)
    rest = jnp.stack([first, second]) @ basis[:2]
    assert rest.shape[-1] == dimension
    return inside + moved + rest


def test_the_output_is_zero_at_the_start():
    z, initial, gamma, state = trained()
    begin = particles.Particles(jnp.asarray(initial.readout), jnp.zeros_like(state.weights))
    slots = data.draw_novel(jax.random.key(2), 20, 12, False, jnp.float64).symbols
    assert np.max(np.abs(outputs(begin, initial, z, slots, gamma))) < 1e-13
    _, f = force(begin, initial, span_of(z), gamma, data.all_pairs(3))
    assert np.max(np.abs(f)) < 1e-13


def test_projections_and_lengths_are_those_of_explicit_weights():
    z, initial, _, state = trained()
    w = explicit_weights(z, initial, state)
    np.testing.assert_allclose(
        particles.projections(state, initial, span_of(z)), jnp.einsum("kd,spd->skp", z, w), atol=1e-10
    )
    gram = weight_gram(state, initial, span_of(z))
    expected = [jnp.sum(w[s] * w[t], axis=-1) for s, t in ((0, 0), (0, 1), (1, 1))]
    np.testing.assert_allclose(gram, jnp.stack(expected), atol=1e-10)


def test_a_particle_step_is_the_networks_step_on_explicit_weights():
    z, initial, gamma, state = trained()
    w = explicit_weights(z, initial, state)
    pairs = data.all_pairs(3)
    x = kernel.inputs(z, pairs)
    both = jnp.concatenate([w[0], w[1]], axis=1)

    def output(a, w):
        return jax.nn.relu(x @ w.T) @ a / (gamma * a.shape[0])

    def loss(a, w):
        return jnp.sum(pairs.shares * jax.nn.softplus(-pairs.labels * output(a, w)))

    da, dw = jax.grad(loss, argnums=(0, 1))(state.readout, both)
    factor = gamma**2 * state.readout.shape[0]
    move, f = force(state, initial, span_of(z), gamma, pairs)
    np.testing.assert_allclose(f, output(state.readout, both), atol=1e-11)
    np.testing.assert_allclose(move.readout, -factor * da, atol=1e-11)
    shifted = jnp.einsum("kd,skp->spd", z, move.weights)
    np.testing.assert_allclose(jnp.concatenate([shifted[0], shifted[1]], axis=1), -factor * dw, atol=1e-11)


def test_every_neuron_conserves_readout_power_minus_weight_power():
    z, initial, gamma, state = trained()
    span = span_of(z)
    move, _ = force(state, initial, span, gamma, data.all_pairs(3))
    projected = particles.projections(state, initial, span)
    rate = 2 * state.readout * move.readout - 2 * jnp.sum(projected * move.weights, axis=(0, 1))
    assert np.max(np.abs(rate)) < 1e-11
    final, status = flowed()
    assert int(status) == 0
    begin = particles.Particles(jnp.asarray(initial.readout), jnp.zeros_like(final.weights))
    kept = []
    for one in (begin, final):
        gram = weight_gram(one, initial, span)
        kept.append(one.readout**2 - gram[0] - gram[2])
    # readouts reach about 5: a relative 1e-4 a step of their squares, and some of the steps meet a kink
    np.testing.assert_allclose(kept[0], kept[1], atol=2e-2)


def test_descent_tends_to_flow_in_proportion_to_the_rate():
    z, initial, gamma, _ = trained()
    flow, _ = flowed()
    gaps = []
    for steps in (25, 50, 100):
        states, _ = particles.train(z, gamma, 5 / steps, np.array([steps]), initial)
        gaps.append(float(jnp.abs(states.weights - flow.weights).mean()))
    ratios = np.array(gaps[:-1]) / np.array(gaps[1:])
    np.testing.assert_allclose(ratios, 2.0, atol=0.3)  # first order, but for neurons that switch within a step


def test_exchanging_the_slots_exchanges_the_weights():
    z, initial, gamma, state = trained()
    exchanged = initial._replace(span=initial.span[::-1])
    swapped, _ = particles.train(z, gamma, 0.1, np.array([60]), exchanged)
    np.testing.assert_allclose(swapped.weights[0], state.weights[::-1], atol=1e-10)
    slots = data.draw_novel(jax.random.key(2), 20, 12, False, jnp.float64).symbols
    one = outputs(state, initial, z, slots, gamma)
    other = outputs(particles.Particles(swapped.readout[0], swapped.weights[0]), exchanged, z, slots[::-1], gamma)
    np.testing.assert_allclose(one, other, atol=1e-10)


def test_lazy_particles_start_as_the_kernel_says():
    z = symbols_of(3, 12)
    pairs = data.all_pairs(3)
    x = kernel.inputs(z, pairs)
    slots = data.draw_novel(jax.random.key(2), 50, 12, False, jnp.float64).symbols
    path = kernel_train(tangent_kernel(x, x), pairs, jnp.array([0.1]), jnp.array([10]))
    expected = kernel_outputs(path, x, data.joined(slots))[0]
    gamma = 1e-3

    def one(initial):
        states, _ = particles.train(z, gamma, 0.1, np.array([10]), initial)
        return outputs(jax.tree.map(lambda s: s[0], states), initial, z, slots, gamma)

    starts = [particles.start(3, 12, 1024, seed) for seed in range(16)]
    found = np.asarray(jax.jit(jax.vmap(one))(jax.tree.map(lambda *s: jnp.stack(s), *starts)))
    z_scores = (found.mean(0) - expected) / (found.std(0, ddof=1) / 4)
    # 50 outputs of the same particles are correlated; a z of Student's law with 15 degrees has mean square 15 / 13
    assert np.mean(np.asarray(z_scores) ** 2) < 4
    assert np.std(found) < 10 * np.std(expected)


def test_more_symbols_than_dimensions_use_the_pseudo_inverse():
    z, initial, gamma, state = trained(count=6, dimension=3)
    slots = data.draw_novel(jax.random.key(2), 50, 3, False, jnp.float64).symbols
    f = np.asarray(outputs(state, initial, z, slots, gamma))
    assert np.all(np.isfinite(f))
    # nothing of a novel input is unseen: the output is the particles' own
    w = jnp.einsum("kd,skp->spd", span_of(z).inverse_root @ z, jnp.asarray(initial.span))
    w = w + jnp.einsum("kd,skp->spd", z, state.weights)
    exact = jax.nn.relu(jnp.einsum("snd,spd->np", slots, w)) @ state.readout / (gamma * state.readout.shape[0])
    np.testing.assert_allclose(f, exact, atol=1e-8)  # the unseen part is set to 1e-12 rather than 0


def test_two_symbols_give_three_quarters_in_the_rich_limit():
    system = EqualityReasoning(
        dimension=128, symbols=2, richness=10.0, rate=0.2 / (10 * 128**0.5), steps=1500, records=1, tests=1024
    )
    found = [
        tl.predict(system, key=jax.random.key(seed), numerics=EqualityNumerics(particles=512, scrambles=2)).curves
        for seed in range(3)
    ]
    accuracy, ratio, same = (np.mean([c[k][-1] for c in found]) for k in ("accuracy", "ratio", "accuracy_same"))
    # instances scatter by about 0.005; the cone opens at 1 only for symbols of equal length
    assert accuracy == pytest.approx(0.75, abs=0.02)
    assert ratio == pytest.approx(1.0, abs=0.03)
    assert same > 0.98


# -- fresh symbols --------------------------------------------------------------------------------------------


def test_example_grams_have_the_law_of_noisy_pairs():
    unit = fresh.unit_grams(20, 12, 0)
    same, different = np.asarray(fresh.example_grams(unit, 0.8))
    np.testing.assert_allclose(same.mean(1), [1.64, 1.0, 1.64], atol=5e-3)
    np.testing.assert_allclose(different.mean(1), [1.64, 0.0, 1.64], atol=5e-3)
    # variances of the sum's and the difference's squared lengths, (4 + 2 s)^2 and (2 s)^2 times 2 / d
    total, gap = same[0] + same[2] + 2 * same[1], same[0] + same[2] - 2 * same[1]
    np.testing.assert_allclose([total.var(), gap.var()], np.array([5.28, 1.28]) ** 2 * 0.1, rtol=0.05)
    clean = np.asarray(fresh.example_grams(unit, 0.0))[0]
    np.testing.assert_allclose(clean[0], clean[1], atol=1e-12)


def test_fresh_outputs_are_those_of_randomly_turned_neurons():
    d, gamma, count = 40, 3.0, 200_000
    gram = np.array([1.3, 0.6, 0.9])
    root = np.linalg.cholesky([[1.3, 0.6], [0.6, 0.9]]) * math.sqrt(d)
    frames = np.linalg.qr(np.random.default_rng(0).normal(size=(count, d, 2)))[0]
    x = np.asarray(symbols_of(2, d, seed=7))
    u = np.einsum("st,ndt,sd->n", root, frames, x)
    example = np.array([x[0] @ x[0], x[0] @ x[1], x[1] @ x[1]])[:, None]
    state = fresh.Orbits(jnp.ones(1), jnp.asarray(gram)[:, None])
    expected = float(fresh.outputs(state, jnp.asarray(example), gamma)[0])
    drawn = np.maximum(u, 0) / gamma
    # turning in d dimensions rather than infinitely many: 1 / (4 d) relative, beyond the sampling
    assert abs(drawn.mean() - expected) < 4 * drawn.std() / math.sqrt(count) + expected / (3 * d)


def test_learned_ratio_under_noise_is_the_best_one():
    for variance in (1.0, 2.0):
        system = EqualityReasoning(
            dimension=64, symbols=INF, noisy="always", noise=math.sqrt(variance), steps=1500, records=1
        )
        found = tl.predict(system, numerics=EqualityNumerics(particles=256, scrambles=2, examples=128))
        # measured: 0.05 % at noise of variance 2 after 2,000 steps; the cosines are still at 0.99
        assert float(found.curves["ratio"][-1]) == pytest.approx(float(found.facts["ratio_best"]), rel=0.01)
