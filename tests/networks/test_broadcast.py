"""Rules of error broadcast on flax models: against written-out formulas, limits, locality, regularizers, refusals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theorylab.core import Refused
from theorylab.networks import broadcast
from theorylab.networks.broadcast import DFA, EBD, Backprop, State
from theorylab.networks.broadcast_models import MLP, ConvNet
from theorylab.networks.broadcast_recurrent import CorInfoMax
from theorylab.networks.broadcast_regularizers import Entropy, Power, Sparsity

KEY = jax.random.key(0)
NET: Any = MLP((5, 4), 3, dtype=jnp.float64)
X = jax.random.normal(jax.random.fold_in(KEY, 1), (6, 7))
Y = jax.random.normal(jax.random.fold_in(KEY, 2), (6, 3))
ROUNDING: Any = {"rtol": 1e-12, "atol": 1e-14}
"""Of float64 sums of a few dozen terms."""


@pytest.fixture(scope="module")
def params() -> Any:
    return NET.init(KEY, X)["params"]


def relu_pass(params: Any, x: Any = X) -> tuple[Any, Any, Any]:
    """Hidden activations and outputs of NET, written out."""
    w = [np.asarray(params[k]["kernel"]) for k in ("layer_0", "layer_1", "readout")]
    b = [np.asarray(params[k]["bias"]) for k in ("layer_0", "layer_1", "readout")]
    first = np.maximum(x @ w[0] + b[0], 0)
    second = np.maximum(first @ w[1] + b[1], 0)
    return first, second, second @ w[2] + b[2]


@pytest.mark.parametrize(("name", "g", "slope"), [("h", broadcast.identity, 1.0), ("h^2", jnp.square, None)])
def test_error_broadcast_is_the_papers_update_written_out(params, name, g, slope):
    rule = EBD(forgetting=0.9, feedback=0.3, scale=0.7, g=g)
    state = rule.init(NET, params, X, Y, KEY)
    found = rule.step(NET, params, state, X, Y)
    first, second, output = relu_pass(params)
    error = output - Y
    np.testing.assert_allclose(found.error, error, **ROUNDING)
    for key, layer, h, before in (("hidden_0", "layer_0", first, X), ("hidden_1", "layer_1", second, first)):
        r = 0.9 * state.feedback[key] + 0.1 / 6 * np.asarray(g(h)).T @ error
        np.testing.assert_allclose(found.state.feedback[key], r, **ROUNDING)
        moved = (slope if slope else 2 * h) * (h > 0) * (error @ r.T)
        np.testing.assert_allclose(found.gradient[layer]["kernel"], 0.7 / 6 * before.T @ moved, **ROUNDING)
        np.testing.assert_allclose(found.gradient[layer]["bias"], 0.7 * moved.mean(0), **ROUNDING)
    np.testing.assert_allclose(found.gradient["readout"]["kernel"], second.T @ error / 6, **ROUNDING)


def test_the_readout_too_descends_the_correlation_by_forward_broadcast(params):
    rule, plain = EBD(forgetting=0.9, forward=0.5), EBD(forgetting=0.9)
    state = plain.init(NET, params, X, Y, KEY)
    found, without = (one.step(NET, params, state, X, Y) for one in (rule, plain))
    first, second, _ = relu_pass(params)
    projected = first @ found.state.feedback["hidden_0"] + second @ found.state.feedback["hidden_1"]
    change = found.gradient["readout"]["kernel"] - without.gradient["readout"]["kernel"]
    np.testing.assert_allclose(change, 0.5 / 6 * second.T @ projected, **ROUNDING)
    np.testing.assert_array_equal(found.gradient["layer_1"]["kernel"], without.gradient["layer_1"]["kernel"])


def test_forgetting_one_is_direct_feedback_alignment_exactly():
    both = [
        broadcast.train(NET, rule, optax.sgd(0.1), X, Y, batch=2, epochs=5, key=KEY)
        for rule in (EBD(forgetting=1.0, feedback=0.2, scale=2.0), DFA(feedback=0.2, scale=2.0))
    ]
    jax.tree.map(np.testing.assert_array_equal, both[0].params, both[1].params)


def test_backprop_is_the_gradient_of_the_loss(params):
    def loss(p):
        return 0.5 * jnp.mean(jnp.sum((NET.apply({"params": p}, X) - Y) ** 2, 1))

    found = Backprop().step(NET, params, State({}, {}), X, Y).gradient
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **ROUNDING), found, jax.grad(loss)(params))


def test_cross_entropy_score_is_the_gradient_of_cross_entropy(params):
    labels = jax.nn.softmax(Y)

    def loss(p):
        return optax.softmax_cross_entropy(NET.apply({"params": p}, X), labels).mean()

    rule = Backprop(score=broadcast.softmax_difference)
    found = rule.step(NET, params, State({}, {}), X, labels).gradient
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **ROUNDING), found, jax.grad(loss)(params))


def test_nothing_reaches_a_layer_from_above_but_the_broadcast_error(params):
    """With the error held, other weights above change nothing below; with backpropagation they would."""
    rule = EBD(score=lambda output, y: y)
    state = rule.init(NET, params, X, Y, KEY)
    other = {**params, "readout": jax.tree.map(lambda w: w + 1, params["readout"])}
    found = [rule.step(NET, p, state, X, Y).gradient["layer_1"]["kernel"] for p in (params, other)]
    np.testing.assert_array_equal(*found)
    exact = Backprop(score=lambda output, y: y)
    found = [exact.step(NET, p, state, X, Y).gradient["layer_1"]["kernel"] for p in (params, other)]
    assert float(jnp.abs(found[0] - found[1]).max()) > 0.01


def test_a_convolution_is_a_locally_connected_layer_with_its_kernels_tied():
    x = jax.random.normal(KEY, (5, 4, 4, 2))
    y = jax.random.normal(KEY, (5, 3))
    shared, local = (ConvNet((3, 2), 3, shared, jnp.float64) for shared in (True, False))
    tied: Any = shared.init(KEY, x)["params"]
    untied = {
        name: {k: jnp.broadcast_to(v, (side, side, *v.shape)) if k == "kernel" and side else v for k, v in part.items()}
        for (name, part), side in zip(sorted(tied.items()), (4, 2, 0), strict=True)
    }
    rule = EBD(feedback=0.5)
    state = rule.init(shared, tied, x, y, KEY)
    assert state.feedback["hidden_0"].shape == (4 * 4 * 3, 3)
    a, b = rule.step(shared, tied, state, x, y), rule.step(local, untied, state, x, y)
    for name in ("layer_0", "layer_1"):
        np.testing.assert_allclose(a.gradient[name]["kernel"], b.gradient[name]["kernel"].sum((0, 1)), **ROUNDING)
    reference = nn.Conv(3, (3, 3), param_dtype=jnp.float64)
    as_flax = {"kernel": tied["layer_0"]["kernel"].reshape(3, 3, 2, 3), "bias": tied["layer_0"]["bias"]}
    expected: Any = reference.apply({"params": as_flax}, x)
    np.testing.assert_allclose(jax.nn.relu(expected), a.layers["hidden_0"], **ROUNDING)


# -- regularizers --------------------------------------------------------------------------------------------


def slope_of(regularizer: Any, h: Any) -> Any:
    """Gradient of a regularizer's cost by activations, and its new memory."""
    return jax.grad(lambda a: regularizer.cost(a, regularizer.init(h)), has_aux=True)(h)


def test_power_entropy_and_sparsity_descend_what_they_say():
    h = jax.random.normal(KEY, (6, 4))
    slope, _ = slope_of(Power(0.3, 0.2), h)
    np.testing.assert_allclose(slope, 0.3 / 6 * (jnp.mean(h**2, 0) - 0.2) * h, **ROUNDING)
    slope, _ = slope_of(Sparsity(0.3), h)
    np.testing.assert_allclose(slope, 0.3 / 6 * jnp.sign(h), **ROUNDING)
    entropy = Entropy(0.3, forgetting=0.8, floor=0.1)
    slope, memory = slope_of(entropy, h)

    def log_determinant(a: Any) -> Any:
        new = 0.8 * entropy.init(h) + 0.2 / 6 * a.T @ a
        return jnp.linalg.slogdet(new + 0.1 * jnp.eye(4))[1] / 2

    # the factor 1 - lambda_E is left out of the direction
    np.testing.assert_allclose(slope, -0.3 / 0.2 * jax.grad(log_determinant)(h), rtol=1e-10)
    np.testing.assert_allclose(memory, 0.8 * 0.1 * jnp.eye(4) + 0.2 / 6 * h.T @ h, **ROUNDING)


def test_regularizers_add_to_a_rule(params):
    regularizers = (Power(0.3, 0.2), Entropy(0.1), Sparsity(0.01))
    for plain, rule in ((EBD(), EBD(regularizers=regularizers)), (DFA(), DFA(regularizers=regularizers))):
        state = rule.init(NET, params, X, Y, KEY)
        bare = plain.init(NET, params, X, Y, KEY)
        found, without = rule.step(NET, params, state, X, Y), plain.step(NET, params, bare, X, Y)
        first, _, _ = relu_pass(params)
        total = sum(slope_of(one, jnp.asarray(first))[0] for one in regularizers) * (first > 0)
        change = found.gradient["layer_0"]["kernel"] - without.gradient["layer_0"]["kernel"]
        np.testing.assert_allclose(change, X.T @ total, rtol=1e-10, atol=1e-14)
        np.testing.assert_array_equal(found.gradient["readout"]["kernel"], without.gradient["readout"]["kernel"])


# -- a user's own model, the recurrent network -------------------------------------------------------------------


def test_the_documented_example_trains_a_users_own_model():
    page = (Path(__file__).parents[2] / "docs" / "error_broadcast.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    namespace: dict[str, Any] = {}
    exec(compile(example, "docs/error_broadcast.md", "exec"), namespace)
    # chance is 0.1, its binomial error 0.015
    assert namespace["accuracy"] > 0.8


def test_the_recurrent_network_settles_and_learns_as_written():
    rule = CorInfoMax(readout=0.1, hidden=0.2, predict=0.01, predict_back=0.02, hidden_lateral=0.03, renewal=0.1)
    net = rule.init((7, 5, 3), KEY, jnp.float64)
    y = jax.nn.softmax(Y)
    _, h, top = rule.settle(net, X)
    once = CorInfoMax(iterations=31).settle(net, X)
    # a contraction by about 1 - relaxation an iteration: 0.8^30 = 1e-3 of a last step of 0.2
    assert max(float(jnp.abs(a - b).max()) for a, b in zip((h, top), once[1:], strict=True)) < 1e-3
    new = rule.step(net, X, y)
    error = top - y
    r = 0.9 * net.feedback[0] + 0.1 / 6 * h.T @ error
    np.testing.assert_allclose(new.feedback[0], r, **ROUNDING)
    moved = jnp.where((h > 0) & (h < 1), error @ r.T, 0.0)
    surprise = h - X @ net.ahead[0].T - net.bias[0]
    change = 0.01 * surprise - 0.2 * moved
    np.testing.assert_allclose(new.ahead[0] - net.ahead[0], change.T @ X / 6, rtol=1e-10, atol=1e-14)
    surprise = h - top @ net.back[0].T
    np.testing.assert_allclose(new.back[0] - net.back[0], 0.02 / 6 * surprise.T @ top, rtol=1e-10, atol=1e-14)
    z = h @ net.lateral[0]
    side = (net.lateral[0] - 1e-3 / 6 * z.T @ z) / 0.999 - 0.03 / 6 * moved.T @ z
    np.testing.assert_allclose(new.lateral[0], (side + side.T) / 2, rtol=1e-10, atol=1e-14)
    inward = ((top > 0) | (error < 0)) & ((top < 1) | (error > 0))
    change = -0.1 / 6 * jnp.where(inward, error, 0.0).T @ h
    np.testing.assert_allclose(new.ahead[1] - net.ahead[1], change, rtol=1e-10, atol=1e-14)


# -- refusals ----------------------------------------------------------------------------------------------------


class Unmarked(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(x)


def fit(rule: Any = None, model: Any = NET, y: Any = Y, **options: Any) -> None:
    options = {"batch": 2, "epochs": 1, "key": KEY} | options
    broadcast.train(model, EBD() if rule is None else rule, optax.sgd(0.1), X, y, **options)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: EBD(forgetting=1.1), r"forgetting \(lambda\) must be in \[0, 1\]"),
        (lambda: EBD(forgetting=-0.1), r"forgetting \(lambda\) must be in \[0, 1\]"),
        (lambda: EBD(feedback=-1.0), "feedback is a standard deviation"),
        (lambda: EBD(forgetting=1.0, feedback=0.0), "never moves the hidden layers"),
        (lambda: DFA(feedback=-1.0), "feedback is a standard deviation"),
        (lambda: Entropy(floor=0.0), "floor must be positive"),
        (lambda: Entropy(forgetting=1.0), r"forgetting must be in \[0, 1\)"),
        (lambda: Power(level=-1.0), "must not be negative"),
        (lambda: fit(y=Y[:, :2]), "output has shape"),
        (lambda: fit(Backprop(), y=Y[:, :2]), "output has shape"),
        (lambda: fit(model=Unmarked()), "marks no hidden layer"),
        (lambda: fit(batch=0), r"batch must be in \[1, 6\]"),
        (lambda: fit(batch=7), r"batch must be in \[1, 6\]"),
        (lambda: fit(epochs=0), "epochs must be at least 1"),
        (lambda: CorInfoMax(renewal=1.0), r"must be in \[0, 1\)"),
        (lambda: CorInfoMax(relaxation=0.0), r"must be in \(0, 1\]"),
        (lambda: CorInfoMax().init((3, 2), KEY), "a hidden layer"),
        (lambda: CorInfoMax().step(CorInfoMax().init((7, 5, 2), KEY), X, Y), "must be \\(batch, outputs\\)"),
    ],
)
def test_what_cannot_be_is_refused(make, sentence):
    with pytest.raises(Refused, match=sentence):
        make()
