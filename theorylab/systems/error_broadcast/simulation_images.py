"""Networks trained on images by every rule, many settings and seeds in one program."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key

from theorylab.core import require
from theorylab.networks import broadcast
from theorylab.networks.broadcast_models import MLP, ConvNet
from theorylab.networks.broadcast_recurrent import CorInfoMax
from theorylab.networks.broadcast_regularizers import Entropy, Power, Sparsity

DEFAULTS: dict[str, float] = {
    "rate": 0.05,
    "renewal": 1e-5,
    "feedback": 0.1,
    "scale": 1.0,
    "power": 0.0,
    "level": 0.1,
    "entropy": 0.0,
    "entropy_renewal": 0.01,
    "entropy_floor": 0.1,
    "sparsity": 0.0,
    "decay": 0.0,
    "momentum": 0.0,
    "hidden": 0.5,
    "predict": 0.0,
    "predict_back": 0.0,
    "top_down": 0.1,
    "sideways": 0.05,
}
"""Every hyperparameter, at the settings of docs/error_broadcast.md section 5."""
LEAST = 1e-4
"""Units whose activations' root mean square is below this are dead, and have no correlation."""

Setting = Mapping[str, float]


class Kind(NamedTuple):
    """What a program is compiled for.

    Arguments:
      rule: ebd, dfa, bp, or corinfomax.
      network: mlp, cnn, lc.
      widths: hidden widths (mlp, corinfomax) or features (cnn, lc).
      extras: which of power, entropy, sparsity, decay, momentum are in use.
    """

    rule: str
    network: str = "mlp"
    widths: tuple[int, ...] = (256, 128)
    extras: tuple[str, ...] = ()


def network_of(kind: Kind) -> nn.Module:
    """The network of a kind."""
    if kind.network == "mlp":
        return MLP(kind.widths, 10)
    return ConvNet(kind.widths, 10, shared=kind.network == "cnn")


def rule_of(kind: Kind, at: Mapping[str, Any]) -> broadcast.AbstractRule:
    """The rule of a kind at (traced) hyperparameters. Raises: `Refused` for a rule that there is not."""
    made = {
        "power": lambda: Power(at["power"], at["level"]),
        "sparsity": lambda: Sparsity(at["sparsity"]),
        "entropy": lambda: Entropy(at["entropy"], 1 - at["entropy_renewal"], at["entropy_floor"]),
    }
    regularizers = tuple(make() for name, make in made.items() if name in kind.extras)
    if kind.rule == "bp":
        return broadcast.Backprop()
    if kind.rule == "dfa":
        return broadcast.DFA(at["feedback"], at["scale"], regularizers)
    require(kind.rule == "ebd", f"no rule is called {kind.rule!r}; there are ebd, dfa, bp, corinfomax")
    return broadcast.EBD(renewal=at["renewal"], feedback=at["feedback"], scale=at["scale"], regularizers=regularizers)


def optimizer_of(kind: Kind, at: Mapping[str, Any]) -> optax.GradientTransformation:
    """Stochastic gradient descent with what the kind adds."""
    parts = []
    if "decay" in kind.extras:
        parts.append(optax.add_decayed_weights(at["decay"]))
    if "momentum" in kind.extras:
        parts.append(optax.trace(at["momentum"]))
    return optax.chain(*parts, optax.scale_by_learning_rate(at["rate"]))


def correlations(h: Array, error: Array) -> Array:
    """Mean |E h_i e_j| / (rms h_i rms e_j) over living units and outputs; second moments without means."""
    h = h.reshape(h.shape[0], -1)
    size, spread = jnp.sqrt(jnp.mean(h**2, 0)), jnp.sqrt(jnp.mean(error**2, 0))
    alive = size > LEAST
    entries = jnp.abs(h.T @ error) / h.shape[0] / (jnp.where(alive, size, 1.0)[:, None] * spread)
    return jnp.sum(jnp.where(alive[:, None], entries, 0.0)) / jnp.maximum(jnp.sum(alive), 1) / error.shape[1]


def measured(
    kind: Kind, data: Any, settings: Sequence[Setting], seeds: Sequence[int], *, batch: int, epochs: int
) -> dict[str, np.ndarray]:
    """Train at every setting with every seed, all in one program.

    Arguments:
      data: images.Split.

    Returns: `accuracy` on the judged images after every epoch, shape (settings, seeds, epochs); but for the recurrent
      rule also `correlation` (..., epochs, layers) on training images, `feedback` |R|^2 and its open-loop `floor`.
    """
    full = {name: np.array([{**DEFAULTS, **s}[name] for s in settings], np.float32) for name in DEFAULTS}
    at = {name: jnp.asarray(np.repeat(values, len(seeds))) for name, values in full.items()}
    keys = jax.vmap(jax.random.key)(jnp.asarray(np.tile(np.asarray(seeds), len(settings))))
    arrays = jax.tree.map(jnp.asarray, data)
    found = _program(kind, batch, epochs)(at, keys, arrays)
    return {name: np.asarray(v).reshape(len(settings), len(seeds), *v.shape[1:]) for name, v in found.items()}


@functools.lru_cache(maxsize=64)
def _program(kind: Kind, batch: int, epochs: int) -> Any:
    one = functools.partial(_recurrent if kind.rule == "corinfomax" else _layered, kind, batch, epochs)
    return jax.jit(jax.vmap(one, in_axes=(0, 0, None)))


def _layered(kind: Kind, batch: int, epochs: int, at: Any, key: Key[Array, ""], data: Any) -> dict[str, Array]:
    flat = (lambda x: x.reshape(x.shape[0], -1)) if kind.network == "mlp" else (lambda x: x)
    x, judged_x = flat(data.x), flat(data.judged_x)
    model = network_of(kind)

    def watch(params: Any, state: Any) -> dict[str, Array]:
        output: Any = model.apply({"params": params}, judged_x)
        seen = broadcast.forward(model, params, x[:1347])  # all of the digits, a sample of larger sets
        error = seen.output - data.y[:1347]
        layers = sorted(seen.layers.items())
        shown = {
            "accuracy": jnp.mean(jnp.argmax(output, 1) == data.judged),
            "correlation": jnp.stack([correlations(h, error) for _, h in layers]),
        }
        if kind.rule != "ebd":
            return shown
        power = [jnp.sum(h**2, tuple(range(1, h.ndim))) for _, h in layers]
        chance = at["renewal"] / (2 - at["renewal"]) / batch
        return shown | {
            "feedback": jnp.stack([jnp.sum(state.feedback[name] ** 2) for name, _ in layers]),
            "floor": jnp.stack([jnp.mean(p * jnp.sum(error**2, 1)) * chance for p in power]),
        }

    found = broadcast.train(
        model, rule_of(kind, at), optimizer_of(kind, at), x, data.y, batch=batch, epochs=epochs, key=key, watch=watch
    )
    return found.history


def _recurrent(kind: Kind, batch: int, epochs: int, at: Any, key: Key[Array, ""], data: Any) -> dict[str, Array]:
    x, judged_x = (part.reshape(part.shape[0], -1) for part in (data.x, data.judged_x))
    names = ("hidden", "predict", "predict_back", "renewal", "feedback", "top_down", "sideways")
    rule = CorInfoMax(readout=at["rate"], **{name: at[name] for name in names})
    init_key, order_key = jax.random.split(key)
    net = rule.init((x.shape[1], *kind.widths, 10), init_key)
    steps = x.shape[0] // batch

    def epoch(net: Any, key: Any) -> tuple[Any, Array]:
        order = jax.random.permutation(key, x.shape[0])[: steps * batch].reshape(steps, batch)
        net, _ = jax.lax.scan(lambda n, i: (rule.step(n, x[i], data.y[i]), None), net, order)
        output = rule.settle(net, judged_x)[-1]
        return net, jnp.mean(jnp.argmax(output, 1) == data.judged)

    _, accuracy = jax.lax.scan(epoch, net, jax.random.split(order_key, epochs))
    return {"accuracy": accuracy}
