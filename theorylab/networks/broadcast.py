"""Error Broadcast and Decorrelation, direct feedback alignment and backpropagation for any flax model.

A model marks the activations of its hidden layers by `units`; what lies between two marks is one layer. The rules
return what plays the part of a gradient, a tree like the parameters, for any optax optimiser:

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = units(self, "hidden", nn.relu(nn.Dense(64)(x)))
            return nn.Dense(10)(x)

    trained = train(Net(), EBD(forgetting=0.99999), optax.sgd(0.05), x, y, batch=20, epochs=15, key=key)

Errors are e = output - y (or the derivative of another loss, `score`). No rule but `Backprop` sends anything from one
layer to the one before: a layer's input is a constant to it, and its weights move by the vector-Jacobian product of
that single layer. Erdogan, Pehlevan, Erdogan (2025), arXiv 2504.11558; docs/error_broadcast.md section 1.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float, Key, PyTree

from theorylab.core.errors import require
from theorylab.networks.broadcast_regularizers import AbstractRegularizer

COLLECTION = "broadcast"
"""The flax collection that marked activations are sown into."""

Params = PyTree[Array]
Function = Callable[[Array], Array]
"""g: activations (batch, ...) to what is decorrelated from the error, (batch, ...)."""
Score = Callable[[Array, Array], Array]
"""Derivative of a loss by the output, an example a row: output, y -> (batch, outputs)."""


def units(module: nn.Module, name: str, h: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
    """Mark `h` as the activations of a hidden layer of `module`: to be called in its `__call__`, on what goes on.

    Returns: `h`; under a broadcast rule its gradient ends here.
    """
    if module.is_initializing() or not module.is_mutable_collection(COLLECTION):
        return h
    module.sow(COLLECTION, name, h, init_fn=lambda: None, reduce_fn=lambda _, new: new)  # pyright: ignore[reportArgumentType]
    return jax.lax.stop_gradient(h)


def identity(h: Array) -> Array:
    """g(h) = h."""
    return h


def difference(output: Array, y: Array) -> Array:
    """Score of the loss |output - y|^2 / 2: the error itself."""
    return output - y


def softmax_difference(output: Array, y: Array) -> Array:
    """Score of the cross-entropy of softmax(output) with the probabilities y."""
    return jax.nn.softmax(output) - y


class State(NamedTuple):
    """What a rule remembers.

    Arguments:
      feedback: R (or a fixed matrix) by layer, shape (units, outputs).
      regularizers: one memory a regularizer and layer.
    """

    feedback: dict[str, Float[Array, "units outputs"]]
    regularizers: dict[str, tuple[Any, ...]]


class Step(NamedTuple):
    """What a rule makes of a batch.

    Arguments:
      gradient: like the parameters; descend it.
      state: the rule's new memory.
      error: e, shape (batch, outputs).
      layers: marked activations by layer.
    """

    gradient: Params
    state: State
    error: Float[Array, "batch outputs"]
    layers: dict[str, Array]


class Forward(NamedTuple):
    """A forward pass: output, shape (batch, outputs), and marked activations by layer."""

    output: Float[Array, "batch outputs"]
    layers: dict[str, Array]


def forward(model: nn.Module, params: Params, x: Array) -> Forward:
    """Output and marked activations, every layer's input a constant to it. Raises: `Refused` without any mark."""
    output, sown = model.apply({"params": params}, x, mutable=[COLLECTION])
    marked: Any = sown
    layers: Any = flatten_dict(dict(marked.get(COLLECTION, {})), sep="/")
    require(bool(layers), "the model marks no hidden layer; call broadcast.units(self, name, h) in its __call__")
    return Forward(output, layers)


def check_targets(output: Array, y: Array) -> None:
    """Refuse targets that are not of the output's shape (batch, outputs). Raises: `Refused`."""
    require(
        output.ndim == 2 and output.shape == y.shape,
        f"the model's output has shape {output.shape} but y has {y.shape}; both must be (batch, outputs), "
        "classes as one-hot rows",
    )


def inner(left: Array, right: Array) -> Array:
    """Mean over a batch of the inner product of rows."""
    return jnp.sum(left.reshape(left.shape[0], -1) * right.reshape(left.shape[0], -1)) / left.shape[0]


def flat(h: Array) -> Array:
    """Rows (batch, units)."""
    return h.reshape(h.shape[0], -1)


class AbstractRule(eqx.Module):
    """How a network learns from a batch."""

    @abc.abstractmethod
    def init(self, model: nn.Module, params: Params, x: Array, y: Array, key: Key[Array, ""]) -> State:
        """The memory to begin with. Raises: `Refused` for targets of another shape than the output."""

    @abc.abstractmethod
    def step(self, model: nn.Module, params: Params, state: State, x: Array, y: Array) -> Step:
        """What to descend on this batch, and the new memory."""


class Backprop(AbstractRule):
    """Backpropagation: the exact gradient of the batch's mean loss."""

    score: Score = eqx.field(static=True, default=difference)
    """Derivative of the loss by the output."""

    def init(self, model: nn.Module, params: Params, x: Array, y: Array, key: Key[Array, ""]) -> State:
        check_targets(forward(model, params, x).output, y)
        return State({}, {})

    def step(self, model: nn.Module, params: Params, state: State, x: Array, y: Array) -> Step:
        def loss(params: Params) -> tuple[Array, Array]:
            output: Any = model.apply({"params": params}, x)
            error = jax.lax.stop_gradient(self.score(output, y))
            return inner(output, error), error

        gradient, error = jax.grad(loss, has_aux=True)(params)
        return Step(gradient, state, error, forward(model, params, x).layers)


class DFA(AbstractRule):
    """Direct feedback alignment: fixed random matrices B_k in place of backward weights; docs/error_broadcast.md
    eq. (6).

    Raises: `Refused` for a negative feedback.
    """

    feedback: Any = 0.1
    """Standard deviation of the entries of B_k."""
    scale: Any = 1.0
    """Learning rate of hidden layers relative to the readout's; 0 leaves them as they are."""
    regularizers: tuple[AbstractRegularizer, ...] = ()
    score: Score = eqx.field(static=True, default=difference)
    """Derivative of the loss by the output."""

    def __check_init__(self) -> None:
        require(self.feedback >= 0, f"feedback is a standard deviation and must not be negative, got {self.feedback}")

    def init(self, model: nn.Module, params: Params, x: Array, y: Array, key: Key[Array, ""]) -> State:
        return begin(model, params, x, y, key, self.feedback, identity, self.regularizers)

    def step(self, model: nn.Module, params: Params, state: State, x: Array, y: Array) -> Step:
        def costs(params: Params) -> tuple[Array, Step]:
            output, layers = forward(model, params, x)
            error = jax.lax.stop_gradient(self.score(output, y))
            total, remembered = regularized(self.regularizers, layers, state)
            total = total + inner(output, error)
            for name, h in layers.items():
                total = total + self.scale * inner(h, error @ state.feedback[name].T)
            return total, Step(None, State(state.feedback, remembered), error, layers)

        gradient, found = jax.grad(costs, has_aux=True)(params)
        return found._replace(gradient=gradient)


class EBD(AbstractRule):
    """Error Broadcast and Decorrelation: the broadcast matrix R_k is a running correlation of g(activations) with the
    error, which the layer descends; docs/error_broadcast.md eqs. (1)-(5).

    A batch is first added to R, then broadcast through it. With forgetting 1, R stays as it began: `DFA`.

    Raises: `Refused` for forgetting outside [0, 1], negative feedback, and forgetting 1 with feedback 0.
    """

    renewal: Any
    """1 - lambda: the share of R that a batch replaces."""
    feedback: Any
    """Standard deviation of the entries of R at the start."""
    scale: Any
    """Learning rate of hidden layers relative to the readout's."""
    forward: Any
    """Rate at which the output too descends the correlation, through projected activations; None: not at all."""
    regularizers: tuple[AbstractRegularizer, ...]
    g: Function = eqx.field(static=True)
    """Any function of a layer's activations, an example a row: what is decorrelated from the error."""
    score: Score = eqx.field(static=True)
    """Derivative of the loss by the output."""

    def __init__(
        self,
        forgetting: Any = 0.99999,
        feedback: Any = 0.1,
        scale: Any = 1.0,
        *,
        renewal: Any = None,
        forward: Any = None,
        regularizers: tuple[AbstractRegularizer, ...] = (),
        g: Function = identity,
        score: Score = difference,
    ):
        """Arguments:
        forgetting: lambda, in [0, 1].
        renewal: 1 - lambda in place of `forgetting`, where lambda is too near 1 for single precision.
        """
        self.renewal = 1 - forgetting if renewal is None else renewal
        self.feedback, self.scale, self.forward = feedback, scale, forward
        self.regularizers, self.g, self.score = regularizers, g, score

    def __check_init__(self) -> None:
        require(
            (self.renewal >= 0) & (self.renewal <= 1),
            f"forgetting (lambda) must be in [0, 1], got {1 - self.renewal}; 1 is direct feedback alignment",
        )
        require(self.feedback >= 0, f"feedback is a standard deviation and must not be negative, got {self.feedback}")
        require(
            (self.renewal > 0) | (self.feedback > 0),
            "forgetting = 1 with feedback = 0 never moves the hidden layers: give feedback > 0 or forgetting < 1",
        )

    def init(self, model: nn.Module, params: Params, x: Array, y: Array, key: Key[Array, ""]) -> State:
        return begin(model, params, x, y, key, self.feedback, self.g, self.regularizers)

    def step(self, model: nn.Module, params: Params, state: State, x: Array, y: Array) -> Step:
        def costs(params: Params) -> tuple[Array, Step]:
            output, layers = forward(model, params, x)
            error = jax.lax.stop_gradient(self.score(output, y))
            total, remembered = regularized(self.regularizers, layers, state)
            total = total + inner(output, error)
            feedback = {}
            for name, h in layers.items():
                moved = flat(self.g(h))
                still = jax.lax.stop_gradient(moved)
                old = state.feedback[name]
                new = old + self.renewal * (still.T @ error / x.shape[0] - old)
                feedback[name] = new
                total = total + self.scale * inner(moved, error @ new.T)
                if self.forward is not None:
                    total = total + self.forward * inner(output, still @ new)
            return total, Step(None, State(feedback, remembered), error, layers)

        gradient, found = jax.grad(costs, has_aux=True)(params)
        return found._replace(gradient=gradient)


def begin(
    model: nn.Module,
    params: Params,
    x: Array,
    y: Array,
    key: Key[Array, ""],
    feedback: Any,
    g: Function,
    regularizers: tuple[AbstractRegularizer, ...],
) -> State:
    """Matrices feedback N(0, 1) a layer, regularizers' memories. Raises: `Refused` where y does not fit the output."""
    output, layers = forward(model, params, x)
    check_targets(output, y)
    matrices = {}
    for index, (name, h) in enumerate(sorted(layers.items())):
        size = flat(g(h)).shape[1]
        draw = jax.random.normal(jax.random.fold_in(key, index), (size, y.shape[1]), h.dtype)
        matrices[name] = jnp.asarray(feedback, h.dtype) * draw
    memories = {name: tuple(one.init(flat(h)) for one in regularizers) for name, h in layers.items()}
    return State(matrices, memories)


def regularized(
    regularizers: tuple[AbstractRegularizer, ...], layers: dict[str, Array], state: State
) -> tuple[Array, dict[str, tuple[Any, ...]]]:
    """Total cost of all regularizers on all layers, and their new memories."""
    total: Any = 0.0
    memories = {}
    for name, h in layers.items():
        new = []
        for one, old in zip(regularizers, state.regularizers[name], strict=True):
            cost, memory = one.cost(flat(h), old)
            total = total + cost
            new.append(memory)
        memories[name] = tuple(new)
    return total, memories


class Trained(NamedTuple):
    """Arguments:
    params: the trained parameters.
    state: the rule's memory.
    history: what `watch` returned after every epoch, epochs the leading axis; None without one.
    """

    params: Params
    state: State
    history: Any


def train(
    model: nn.Module,
    rule: AbstractRule,
    optimizer: optax.GradientTransformation,
    x: Float[Array, "examples ..."],
    y: Float[Array, "examples outputs"],
    *,
    batch: int,
    epochs: int,
    key: Key[Array, ""],
    params: Params | None = None,
    watch: Callable[[Params, State], Any] | None = None,
) -> Trained:
    """Train a flax model whose hidden layers are marked by `units`; pure: jit it, vmap it over keys and rules.

    Arguments:
      optimizer: any of optax; momentum, weight decay and learning rates are its business.
      y: targets, classes as one-hot rows.
      batch: examples of a step; a rest of an epoch is dropped, and every epoch is shuffled anew.
      params: where to begin; the model's own initialisation where None.
      watch: measured after every epoch.

    Raises: `Refused` for a batch that is no number of examples, or targets that do not fit the output.
    """
    require(1 <= batch <= x.shape[0], f"batch must be in [1, {x.shape[0]}], the number of examples; got {batch}")
    require(epochs >= 1, f"epochs must be at least 1, got {epochs}")
    init_key, rule_key, order_key = jax.random.split(key, 3)
    begun: Any = model.init(init_key, x[:1])["params"] if params is None else params
    state = rule.init(model, begun, x[:1], y[:1], rule_key)
    steps = x.shape[0] // batch

    def one(carry: Any, index: Array) -> tuple[Any, None]:
        params, state, memory = carry
        found = rule.step(model, params, state, x[index], y[index])
        updates, memory = optimizer.update(found.gradient, memory, params)
        return (optax.apply_updates(params, updates), found.state, memory), None

    def epoch(carry: Any, key: Any) -> tuple[Any, Any]:
        order = jax.random.permutation(key, x.shape[0])[: steps * batch].reshape(steps, batch)
        carry, _ = jax.lax.scan(one, carry, order)
        return carry, None if watch is None else watch(carry[0], carry[1])

    carry = (begun, state, optimizer.init(begun))
    carry, history = jax.lax.scan(epoch, carry, jax.random.split(order_key, epochs))
    return Trained(carry[0], carry[1], history)
