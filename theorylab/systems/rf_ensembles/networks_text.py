"""Small transformers on text of a Markov chain of order two: excess cross-entropy of an average of K of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int, Key

from theorylab.data import markov
from theorylab.networks.transformer import Decoder
from theorylab.systems.rf_ensembles import networks_sizes

LETTERS = 8
LENGTH = 16
"""Letters that a network sees at most; it predicts the next one after each."""
LAYERS = 2
RATE = 0.1
TESTED = 1024
"""Texts for validation, and as many for the test."""
SIGHTED = 1
"""From this position on both letters that matter are in view."""


def count(width: int, letters: int = LETTERS, length: int = LENGTH, layers: int = LAYERS) -> int:
    """Parameters of one decoder."""
    return (2 * letters + length) * width + 12 * layers * width**2


def member_width(width: int, members: int) -> int:
    """Width of each of `members` decoders; docs/rf_ensembles.md eq. (19). Raises: `Refused`."""
    return networks_sizes.member_width(count, width, members)


def parameters(width: int, members: int) -> int:
    """Entries of all members together."""
    return members * count(member_width(width, members))


def step_sizes(weights: dict[str, Array], width: int, layers: int) -> dict[str, float]:
    """Adam's step of every matrix's entries, in units of rate x richness: their initial deviation, and width^-1/2 of
    it inside the blocks, so that functions of different widths move alike."""
    found = {}
    for name, value in weights.items():
        deviation = 1.0 if name in ("tokens", "positions") else value.shape[0] ** -0.5
        if name.startswith(("attended", "down")):
            deviation /= math.sqrt(2 * layers)
        inside = name not in ("tokens", "positions", "output")
        found[name] = deviation * (width**-0.5 if inside else 1.0)
    return found


def train(
    key: Key[Array, ""],
    model: Decoder,
    texts: Int[Array, "texts letters"],
    asked: Int[Array, "asked length"],
    richness: ArrayLike,
    decay: ArrayLike,
    steps: int,
    batch: int,
) -> Float[Array, "asked length vocabulary"]:
    """Centred logits on `asked` after Adam with decoupled decay; the rate falls linearly to 0 in the last half."""
    start_key, batch_key = jax.random.split(key)
    start: Any = model.init(start_key, texts[:1, :-1])["params"]
    sizes = step_sizes(start, model.width, model.layers)
    multiplier = 1 / (richness * math.sqrt(model.width))
    adam: Any = optax.scale_by_adam(0.9, 0.99)

    def logits(weights: Any, tokens: Array) -> Any:
        return model.apply({"params": weights}, tokens, output=multiplier)

    def loss(weights: Any, shown: Array) -> Array:
        found = logits(weights, shown[:, :-1]) - logits(start, shown[:, :-1])
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(found, shown[:, 1:]))

    def step(state: Any, i: Array) -> tuple[Any, None]:
        weights, moments = state
        shown = texts[jax.random.randint(jax.random.fold_in(batch_key, i), (batch,), 0, texts.shape[0])]
        direction, moments = adam.update(jax.grad(loss)(weights, shown), moments)
        rate = RATE * jnp.minimum(1.0, 2 * (1 - i / steps))
        moved = {
            name: (1 - rate * decay) * w - rate * richness * sizes[name] * direction[name]
            for name, w in weights.items()
        }
        return (moved, moments), None

    (end, _), _ = jax.lax.scan(step, (start, adam.init(start)), jnp.arange(steps))
    return logits(end, asked) - logits(start, asked)


@functools.cache
def _program(samples: int, width: int, members: int, steps: int, batch: int) -> Callable[..., Float[Array, "runs 3"]]:
    """Losses of every run; richness and decay are traced, so that a grid shares one program."""
    source = markov.chain(LETTERS)
    model = Decoder(LETTERS, member_width(width, members), LAYERS, 1, LENGTH)
    table = jax.nn.log_softmax(jnp.asarray(source.logits, jnp.float32))

    def run(key: Key[Array, ""], richness: Array, decay: Array) -> Float[Array, "3"]:
        data, start = jax.random.split(key)
        texts = markov.sample(data, source, samples + 2 * TESTED, LENGTH + 1)
        asked = texts[samples:, :-1]

        def one(k: Key[Array, ""]) -> Array:
            return train(k, model, texts[:samples], asked, richness, decay, steps, batch)

        each = jax.lax.map(one, jax.random.split(start, members))
        found = jax.nn.log_softmax(jnp.mean(each, 0))[:, SIGHTED:]
        mixed = jax.nn.logsumexp(jax.nn.log_softmax(each), 0)[:, SIGHTED:] - math.log(members)
        truth = table[asked[:, SIGHTED - 1 : -1], asked[:, SIGHTED:]]

        def excess(guess: Array) -> Array:
            """Kullback-Leibler divergence of the chain's own law: the sampled next letter adds no noise."""
            return jnp.mean(jnp.sum(jnp.exp(truth) * (truth - guess), -1), -1)

        return jnp.stack([excess(found)[:TESTED].mean(), excess(found)[TESTED:].mean(), excess(mixed)[TESTED:].mean()])

    return jax.jit(lambda keys, richness, decay: jax.lax.map(lambda key: run(key, richness, decay), keys))


def measure(
    samples: int, width: int, steps: int, batch: int, runs: int, members: int, richness: float, decay: float
) -> dict[str, np.ndarray]:
    """Excess cross-entropy of the averaged logits on validation and test texts, nats a letter, and of averaged
    probabilities on test texts, each of shape (runs,).

    Run i has one set of texts, whatever members, richness and decay.

    Arguments:
      width: residual stream of the single decoder that `members` decoders share the parameters of.
    """
    keys = jax.random.split(jax.random.key(0), runs)
    program = _program(samples, width, members, steps, batch)
    table = np.asarray(program(keys, jnp.float32(richness), jnp.float32(decay)), float)
    return dict(zip(("validation", "test", "averaged_probabilities"), table.T, strict=True))
