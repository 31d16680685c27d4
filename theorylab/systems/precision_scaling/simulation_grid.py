"""Small transformers trained on Markov text with rounded weights, activations and key-value cache; no theory is known.

The setting of docs/precision_scaling.md section 5: a decoder of N matrix entries sees D tokens once, with a warm-up and
cosine decay of its own; its loss is taken against the chain's exact probabilities, so that the chain's entropy is its
floor.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from theorylab.core import require
from theorylab.data.markov import Chain, chain, sample
from theorylab.networks.quantization import compensated, integer
from theorylab.networks.transformer import EXACT, Decoder, Rounding, matrices

ZIPF = 1.1
WARM = 0.1
"""Share of the steps in which the rate rises; the cosine then ends at a tenth of the peak."""
LEAST_STEPS = 20


class Setup(NamedTuple):
    """What all runs of a grid share.

    Arguments:
      letters: of the text's alphabet.
      length: tokens of a text that are predicted, each with two letters before it.
      batch: texts of a step.
      head: width of an attention head.
      rate: peak rate of Adam at width 32; it falls as width^-1/2.
      evaluated: texts on which every loss is taken, the same for all runs.
      calibration: texts that compensated rounding sees.
    """

    letters: int = 16
    length: int = 32
    batch: int = 8
    head: int = 16
    rate: float = 1e-2
    evaluated: int = 256
    calibration: int = 64

    def steps(self, tokens: float) -> int:
        """Steps that show `tokens` predicted tokens. Raises: `Refused` where the schedule has too few."""
        steps, least = round(tokens / (self.batch * self.length)), LEAST_STEPS * self.batch * self.length
        require(steps >= LEAST_STEPS, f"tokens must be at least {least}, {LEAST_STEPS} steps; got {tokens:g}")
        return steps


class Shape(NamedTuple):
    """Width of the residual stream, and blocks."""

    width: int
    layers: int

    def size(self, setup: Setup) -> int:
        """N: entries of the matrices that multiply activations."""
        return matrices(setup.letters, self.width, self.layers)


@functools.cache
def source(letters: int) -> Chain:
    """The chain that writes every text of an alphabet."""
    return chain(letters, ZIPF, seed=0)


def decoder(setup: Setup, shape: Shape) -> Decoder:
    """The network of a shape."""
    return Decoder(setup.letters, shape.width, shape.layers, max(1, shape.width // setup.head), setup.length + 1)


def rounding(bits: Float[Array, "3"]) -> Rounding:
    """Weights rounded for each output unit, activations and cache as one tensor each; 16 bits are full precision."""
    return Rounding(
        lambda w: integer(w, bits[0], 0), lambda x: integer(x, bits[1], None), lambda x: integer(x, bits[2], None)
    )


def sampled_loss(logits: Float[Array, "texts time letters"], text: Int[Array, "texts longer"]) -> Float[Array, ""]:
    """Mean cross-entropy of the letters that follow two others, nats."""
    said = jax.nn.log_softmax(logits[:, 1:])
    return -jnp.mean(jnp.take_along_axis(said, text[:, 2:, None], -1))


def exact_loss(
    setup: Setup, logits: Float[Array, "texts time letters"], text: Int[Array, "texts longer"]
) -> Float[Array, ""]:
    """The chain's entropy plus the mean divergence from its exact probabilities on `text`, nats."""
    written = source(setup.letters)
    true = jax.nn.log_softmax(jnp.asarray(written.logits, jnp.float32))[text[:, :-2], text[:, 1:-1]]
    divergence = jnp.sum(jnp.exp(true) * (true - jax.nn.log_softmax(logits[:, 1:])), -1)
    return written.entropy + jnp.mean(divergence)


def train(key: Key[Array, ""], setup: Setup, shape: Shape, steps: Int[Array, ""], bits: Float[Array, "3"]) -> Any:
    """Weights at the end of one run; `steps` may be traced, so that one program serves all lengths."""
    network, rounded = decoder(setup, shape), rounding(bits)
    first, texts = jax.random.split(key)
    peak = setup.rate * (32 / shape.width) ** 0.5
    rule = optax.scale_by_adam(b2=0.98)

    def loss(weights: Any, text: Array) -> Array:
        return sampled_loss(network.apply(weights, text[:, :-1], rounded), text)  # pyright: ignore[reportArgumentType]

    def step(index: Array, state: Any) -> Any:
        weights, memory = state
        text = sample(jax.random.fold_in(texts, index), source(setup.letters), setup.batch, setup.length + 2)
        updates, memory = rule.update(jax.grad(loss)(weights, text), memory)
        share = (index + 1) / steps
        cosine = 0.55 + 0.45 * jnp.cos(jnp.pi * (share - WARM) / (1 - WARM))
        rate = peak * jnp.where(share < WARM, share / WARM, cosine)
        return optax.apply_updates(weights, jax.tree.map(lambda u: -rate * u, updates)), memory

    weights = network.init(first, jnp.zeros((1, setup.length + 1), jnp.int32))
    return jax.lax.fori_loop(0, steps, step, (weights, rule.init(weights)))[0]


def loss_of(setup: Setup, shape: Shape, weights: Any, text: Int[Array, "texts longer"], rounded: Rounding) -> Array:
    """Exact loss of trained weights, rounded on the way; activations are scaled batch by batch, as in training."""
    batches = text.reshape(-1, setup.batch, text.shape[-1])

    def one(batch: Array) -> Array:
        said = decoder(setup, shape).apply(weights, batch[:, :-1], rounded)
        return exact_loss(setup, said, batch)  # pyright: ignore[reportArgumentType]

    return jnp.mean(jax.vmap(one)(batches))


def compensated_loss(
    setup: Setup, shape: Shape, weights: Any, text: Array, shown: Int[Array, "few longer"], bits: Array
) -> Array:
    """Exact loss after rounding matrix by matrix with compensation (GPTQ), each calibrated on what the ones before it,
    already rounded, hand on."""
    inputs: list[Array] = []
    kept: list[Array] = []

    def watched(x: Array) -> Array:
        inputs.append(x.reshape(-1, x.shape[-1]))
        return x

    def rounded(weight: Array) -> Array:
        kept.append(compensated(weight, inputs[-1], bits))
        return kept[-1]

    decoder(setup, shape).apply(weights, shown[:, :-1], Rounding(rounded, watched))
    waiting = iter(kept)
    return loss_of(setup, shape, weights, text, EXACT._replace(weight=lambda _: next(waiting)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _run(setup: Setup, shape: Shape, key: Array, steps: Array, bits: Array, post: Array) -> dict[str, Array]:
    texts, shown = jax.random.split(jax.random.key(2**31 - 1))
    text = sample(texts, source(setup.letters), setup.evaluated, setup.length + 2)
    calibration = sample(shown, source(setup.letters), setup.calibration, setup.length + 2)

    def setting(b: Array) -> tuple[Any, Array, Array]:
        weights = train(key, setup, shape, steps, b)
        after = jax.lax.map(lambda p: loss_of(setup, shape, weights, text, rounding(b.at[0].set(p))), post)
        return weights, loss_of(setup, shape, weights, text, rounding(b)), after

    weights, trained, after = jax.vmap(setting)(bits)
    full = jax.tree.map(lambda w: w[0], weights)
    gptq = jax.lax.map(lambda p: compensated_loss(setup, shape, full, text, calibration, p), post)
    return {"loss": trained, "rounded": after, "compensated": gptq}


def measure(
    setup: Setup,
    shape: Shape,
    tokens: float,
    bits: tuple[tuple[float, ...], ...],
    post: tuple[float, ...],
    seed: int,
) -> dict[str, Array]:
    """One seed's runs at one size and length of training; settings share their start and their texts.

    Arguments:
      tokens: D.
      bits: (weights, activations, cache) of each setting; the first is (16, 16, 16).
      post: bits to which weights are rounded after training.

    Returns: losses in nats: "loss" (settings,), tested as trained; "rounded" (settings, post), with the weights rounded
    to the nearest; "compensated" (post,), those of the first setting rounded with compensation.

    Raises: `Refused` for too few steps, or a first setting that is not full precision.
    """
    require(setup.evaluated % setup.batch == 0, f"evaluated must be a multiple of batch, got {setup}")
    require(tuple(bits[0]) == (16.0, 16.0, 16.0), f"the first setting must be full precision, got {bits[0]}")
    key = jax.random.fold_in(jax.random.key(1), seed)
    grids = jnp.asarray(np.array(bits), jnp.float32)
    return _run(setup, shape, key, jnp.int32(setup.steps(tokens)), grids, jnp.asarray(post, jnp.float32))
