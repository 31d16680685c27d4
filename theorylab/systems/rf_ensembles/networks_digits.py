"""Two-hidden-layer networks on the ten digits, in mean-field scaling: losses of an average of K networks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

from theorylab.systems.rf_ensembles import networks_sizes

CLASSES = 10
PIXELS = 64
VALIDATION = 500
"""Images on which weight decay and richness are chosen; what is left of 1797 is tested on."""
FLIPPED = 0.1
"""Share of the training labels that is replaced by a random class."""
RATE = 0.05
MOMENTUM = 0.9
Parameters = tuple[Float[Array, "pixels hidden"], Float[Array, "hidden hidden"], Float[Array, "hidden classes"]]


def count(width: int) -> int:
    """Parameters of one network of that many units in each hidden layer."""
    return width**2 + (PIXELS + CLASSES) * width


def member_width(width: int, members: int) -> int:
    """Hidden units of each of `members` networks; docs/rf_ensembles.md eq. (18). Raises: `Refused`."""
    return networks_sizes.member_width(count, width, members)


def parameters(width: int, members: int) -> int:
    """Entries of all members together."""
    return members * count(member_width(width, members))


def output(
    weights: Parameters, images: Float[Array, "images pixels"], richness: ArrayLike
) -> Float[Array, "images classes"]:
    """A two-hidden-layer ReLU network in mean-field scaling; docs/rf_ensembles.md section 8."""
    first, second, last = weights
    width = first.shape[1]
    hidden = math.sqrt(2) * jax.nn.relu(images @ first / math.sqrt(first.shape[0]))
    hidden = math.sqrt(2) * jax.nn.relu(hidden @ second / math.sqrt(width))
    return hidden @ last / (richness * width)


def train(
    key: Key[Array, ""],
    images: Float[Array, "train pixels"],
    labels: Float[Array, "train classes"],
    every: Float[Array, "images pixels"],
    width: int,
    richness: Float[Array, ""],
    decay: Float[Array, ""],
    steps: int,
) -> Float[Array, "images classes"]:
    """Centred predictions on `every` image after full-batch gradient descent with momentum and decoupled decay."""
    shapes = ((images.shape[1], width), (width, width), (width, CLASSES))
    start: Any = tuple(
        jax.random.normal(k, s, images.dtype) for k, s in zip(jax.random.split(key, 3), shapes, strict=True)
    )
    initial = output(start, images, richness)
    rate = RATE * width * richness**2

    def loss(weights: Parameters) -> Float[Array, ""]:
        return 0.5 * jnp.mean(jnp.sum((output(weights, images, richness) - initial - labels) ** 2, -1))

    def step(state: Any, _: None) -> tuple[Any, None]:
        weights, velocity = state
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, jax.grad(loss)(weights))
        return (jax.tree.map(lambda p, v: (1 - RATE * decay) * p - rate * v, weights, velocity), velocity), None

    (end, _), _ = jax.lax.scan(step, (start, jax.tree.map(jnp.zeros_like, start)), None, steps)
    return output(end, every, richness) - output(start, every, richness)


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images, less their mean and of unit root mean square over all pixels, and classes."""
    from sklearn.datasets import load_digits

    pixels, classes = (np.asarray(x) for x in load_digits(return_X_y=True))
    rows = (pixels - pixels.mean(0)) / 16
    return (rows / np.sqrt(np.mean(rows**2))).astype(np.float32), classes


@functools.cache
def _program(samples: int, width: int, members: int, steps: int) -> Callable[..., Float[Array, "runs 3"]]:
    """Losses of every run; richness and decay are traced, so that a grid shares one program."""
    rows, classes = digits()
    narrow = member_width(width, members)

    def run(key: Key[Array, ""], richness: Array, decay: Array) -> Float[Array, "3"]:
        split, flips, wrong, start = jax.random.split(key, 4)
        order = jax.random.permutation(split, len(rows))
        images, truth = jnp.asarray(rows)[order], jnp.asarray(classes)[order]
        flipped = jax.random.uniform(flips, truth.shape) < FLIPPED
        given = jnp.where(flipped, jax.random.randint(wrong, truth.shape, 0, CLASSES), truth)
        labels = jax.nn.one_hot(given, CLASSES) - 1 / CLASSES
        data = images[:samples], labels[:samples], images[samples:]

        def one(k: Key[Array, ""]) -> Float[Array, "images classes"]:
            return train(k, *data, narrow, richness, decay, steps)

        found = jnp.mean(jax.lax.map(one, jax.random.split(start, members)), 0)
        error = jnp.sum((found - (jax.nn.one_hot(truth[samples:], CLASSES) - 1 / CLASSES)) ** 2, -1)
        missed = jnp.argmax(found, -1) != truth[samples:]
        return jnp.stack([error[:VALIDATION].mean(), error[VALIDATION:].mean(), missed[VALIDATION:].mean()])

    return jax.jit(lambda keys, richness, decay: jax.lax.map(lambda key: run(key, richness, decay), keys))


def measure(
    samples: int, width: int, steps: int, runs: int, members: int, richness: float, decay: float
) -> dict[str, np.ndarray]:
    """Squared error on clean validation and test labels and share of wrong classes, each of shape (runs,).

    Run i has one split and one set of flipped labels, whatever members, richness and decay.

    Arguments:
      width: hidden units of the single network that `members` networks share the parameters of.
    """
    keys = jax.random.split(jax.random.key(0), runs)
    table = np.asarray(_program(samples, width, members, steps)(keys, jnp.float32(richness), jnp.float32(decay)), float)
    return dict(zip(("validation", "test", "wrong"), table.T, strict=True))
