"""A small ReLU network that learns a long-tailed table, rounded after training or during it; no theory is known for it.

The setting of docs/precision_scaling.md section 4: contexts with Zipf probabilities, each a fixed random code and a
random class, learned from fresh samples by Adam at a constant rate; the loss is exact over all contexts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int, Key

from theorylab.core import require
from theorylab.networks.quantization import FULL, integer

CONTEXTS = 4096
ZIPF = 1.1
CODE = 32
CLASSES = 16
LABEL_NOISE = 0.1
RATE = 2e-3
BATCH = 256

Weights = tuple[Float[Array, "code width"], Float[Array, "width width"], Float[Array, "width classes"]]


class Table(NamedTuple):
    """What is learned: codes (contexts, code), soft classes (contexts, classes), probabilities (contexts,)."""

    codes: Float[Array, "contexts code"]
    targets: Float[Array, "contexts classes"]
    probability: Float[Array, "contexts"]


def size(width: int) -> int:
    """N: entries of the three weight matrices."""
    return CODE * width + width**2 + width * CLASSES


def floor() -> float:
    """E: entropy of the noisy label in nats, the least loss that any network can reach (.5650)."""
    other = LABEL_NOISE / CLASSES
    right = 1 - LABEL_NOISE + other
    return float(-right * np.log(right) - (CLASSES - 1) * other * np.log(other))


def table(key: Key[Array, ""]) -> Table:
    """A random table: Gaussian codes, uniform classes, label noise as a soft target, Zipf probabilities."""
    code_key, class_key = jax.random.split(key)
    probability = np.arange(1, CONTEXTS + 1.0) ** -ZIPF
    labels = jax.random.randint(class_key, (CONTEXTS,), 0, CLASSES)
    targets = (1 - LABEL_NOISE) * jax.nn.one_hot(labels, CLASSES) + LABEL_NOISE / CLASSES
    codes = jax.random.normal(code_key, (CONTEXTS, CODE), jnp.float32)
    return Table(codes, targets.astype(jnp.float32), jnp.asarray(probability / probability.sum(), jnp.float32))


def start(key: Key[Array, ""], width: int) -> Weights:
    """Gaussian weights of variance 2 / inputs (He)."""
    shapes = ((CODE, width), (width, width), (width, CLASSES))
    keys = jax.random.split(key, 3)
    return tuple(jax.random.normal(k, s, jnp.float32) * (2 / s[0]) ** 0.5 for k, s in zip(keys, shapes, strict=True))


def logits(
    weights: Weights, x: Float[Array, "rows code"], weight_bits: ArrayLike = FULL, activation_bits: ArrayLike = FULL
) -> Float[Array, "rows classes"]:
    """The network's output; weights rounded for each output unit, inputs of each layer as one tensor."""
    for index, weight in enumerate(weights):
        x = integer(x if index == 0 else jax.nn.relu(x), activation_bits) @ integer(weight, weight_bits, 0)
    return x


def cross_entropy(outputs: Float[Array, "rows classes"], targets: Float[Array, "rows classes"]) -> Float[Array, "rows"]:
    """Of soft targets, nats."""
    return -jnp.sum(targets * jax.nn.log_softmax(outputs), -1)


def exact_loss(
    weights: Weights, data: Table, weight_bits: ArrayLike = FULL, activation_bits: ArrayLike = FULL
) -> Array:
    """Mean over all contexts by their probabilities, nats."""
    # activations are scaled batch by batch, as in training; every batch has frequent and rare contexts
    batches = data.codes.reshape(BATCH, -1, CODE).swapaxes(0, 1)
    outputs = jax.vmap(lambda x: logits(weights, x, weight_bits, activation_bits))(batches)
    outputs = outputs.swapaxes(0, 1).reshape(CONTEXTS, CLASSES)
    return jnp.sum(data.probability * cross_entropy(outputs, data.targets))


def train(
    key: Key[Array, ""],
    data: Table,
    width: int,
    checkpoints: tuple[int, ...],
    weight_bits: ArrayLike = FULL,
    activation_bits: ArrayLike = FULL,
) -> list[Weights]:
    """Weights after each of `checkpoints` steps of one constant-rate run."""
    first, draws = jax.random.split(key)
    rule = optax.adam(RATE)
    cumulative = jnp.cumsum(data.probability)
    cumulative = cumulative / cumulative[-1]

    def loss(weights: Weights, rows: Int[Array, "batch"]) -> Array:
        outputs = logits(weights, data.codes[rows], weight_bits, activation_bits)
        return jnp.mean(cross_entropy(outputs, data.targets[rows]))

    def step(state: Any, index: Array) -> tuple[Any, None]:
        weights, memory = state
        uniform = jax.random.uniform(jax.random.fold_in(draws, index), (BATCH,))
        rows = jnp.minimum(jnp.searchsorted(cumulative, uniform), CONTEXTS - 1)
        updates, memory = rule.update(jax.grad(loss)(weights, rows), memory)
        return (optax.apply_updates(weights, updates), memory), None

    weights = start(first, width)
    state = (weights, rule.init(weights))
    found, before = [], 0
    for checkpoint in checkpoints:
        state, _ = jax.lax.scan(step, state, jnp.arange(before, checkpoint))
        before = checkpoint
        found.append(state[0])
    return found


def keys_of(seeds: int) -> tuple[Array, Array]:
    """Keys of each seed's table and of its runs."""
    both = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(jax.random.key(0), i)))(jnp.arange(seeds))
    return both[:, 0], both[:, 1]


def after_training(width: int, checkpoints: tuple[int, ...], bits: tuple[float, ...], seeds: int) -> dict[str, Array]:
    """Loss in full precision, and with weights rounded after training, along constant-rate runs.

    Returns: "loss" (seeds, checkpoints) and "rounded" (seeds, checkpoints, bits), nats.
    """
    _check(width, checkpoints, seeds)

    @jax.jit
    def one(table_key: Array, run_key: Array) -> tuple[Array, Array]:
        data = table(table_key)
        found = train(run_key, data, width, checkpoints)
        plain = jnp.stack([exact_loss(w, data) for w in found])
        grids = jnp.asarray(bits, jnp.float32)
        return plain, jnp.stack([jax.vmap(lambda b, w=w: exact_loss(w, data, b))(grids) for w in found])

    plain, rounded = jax.vmap(one)(*keys_of(seeds))
    return {"loss": plain, "rounded": rounded}


def aware(width: int, steps: int, bits: tuple[tuple[float, float], ...], seeds: int) -> dict[str, Array]:
    """Loss after training with rounded (weights, activations), tested as it was trained.

    Arguments:
      bits: pairs of weight and activation bits; 16 is full precision.

    Returns: "loss" (seeds, settings), nats.
    """
    _check(width, (steps,), seeds)
    grids = jnp.asarray(bits, jnp.float32)

    @jax.jit
    def one(table_key: Array, run_key: Array) -> Array:
        data = table(table_key)

        def setting(pair: Array) -> Array:
            return exact_loss(train(run_key, data, width, (steps,), pair[0], pair[1])[0], data, pair[0], pair[1])

        return jax.vmap(setting)(grids)

    return {"loss": jnp.stack([one(a, b) for a, b in zip(*keys_of(seeds), strict=True)])}


def _check(width: int, checkpoints: tuple[int, ...], seeds: int) -> None:
    require(width >= 1, f"width must be at least 1, got {width}")
    require(seeds >= 1, f"seeds must be at least 1, got {seeds}")
    ordered = all(a < b for a, b in zip((0, *checkpoints), checkpoints, strict=False))
    require(ordered and len(checkpoints) > 0, f"checkpoints must be rising and positive, got {checkpoints}")
