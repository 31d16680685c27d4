"""Convolutional networks on images of several classes, in mean-field scaling: losses of an average of K of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Float, Int, Key

from theorylab.core import require
from theorylab.data.folders import Images
from theorylab.systems.rf_ensembles import networks_sizes

RATE = 0.05
MOMENTUM = 0.9
DEPTH = 3
SIDE = 3
"""Of a filter."""
CHANNELS, CLASSES = 3, 10
ASKED = 500
"""Images in one forward pass of a test."""


class ConvNet(nn.Module):
    """Three times 3 x 3 convolution - ReLU - mean over 2 x 2, mean over places, readout / (richness width); entries
    start as standard normal."""

    width: int
    depth: int = DEPTH
    classes: int = CLASSES

    @nn.compact
    def __call__(
        self, images: Float[Array, "images side side channels"], richness: ArrayLike = 1.0
    ) -> Float[Array, "images classes"]:
        """Outputs, one a class."""
        normal = nn.initializers.normal(1.0)
        h = images
        for layer in range(self.depth):
            shape = (SIDE, SIDE, h.shape[-1], self.width)
            filters = self.param(f"filters_{layer}", normal, shape)
            h = jax.lax.conv_general_dilated(h, filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            h = math.sqrt(2) * jax.nn.relu(h / math.sqrt(SIDE**2 * shape[2]))
            h = nn.avg_pool(h, (2, 2), (2, 2))
        readout = self.param("readout", normal, (self.width, self.classes))
        return jnp.mean(h, (1, 2)) @ readout / (richness * self.width)


def count(width: int) -> int:
    """Parameters of one network."""
    return SIDE**2 * (CHANNELS * width + (DEPTH - 1) * width**2) + CLASSES * width


def member_width(width: int, members: int) -> int:
    """Channels of each of `members` networks; docs/rf_ensembles.md section 8. Raises: `Refused`."""
    return networks_sizes.member_width(count, width, members)


def parameters(width: int, members: int) -> int:
    """Entries of all members together."""
    return members * count(member_width(width, members))


@functools.cache
def _trained(width: int, steps: int, batch: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Programs that train one network, and that give its centred outputs."""
    model = ConvNet(width)

    @jax.jit
    def outputs(ends: Any, images: Array, richness: Array) -> Any:
        start, end = ends
        return model.apply(end, images, richness) - model.apply(start, images, richness)  # pyright: ignore

    @jax.jit
    def train(key: Key[Array, ""], images: Array, labels: Array, richness: Array, decay: Array) -> Any:
        start_key, batch_key = jax.random.split(key)
        start = model.init(start_key, images[:1])

        def loss(weights: Any, x: Array, y: Array) -> Array:
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(outputs((start, weights), x, richness), y))

        def step(state: Any, i: Array) -> tuple[Any, None]:
            weights, velocity = state
            chosen = jax.random.randint(jax.random.fold_in(batch_key, i), (batch,), 0, images.shape[0])
            slope = jax.grad(loss)(weights, images[chosen], labels[chosen])
            velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, slope)
            rate = RATE * jnp.minimum(1.0, 2 * (1 - i / steps))
            size = rate * width * richness**2
            return (jax.tree.map(lambda w, v: (1 - rate * decay) * w - size * v, weights, velocity), velocity), None

        begin = (start, jax.tree.map(jnp.zeros_like, start))
        return start, jax.lax.scan(step, begin, jnp.arange(steps))[0][0]

    return train, outputs


def measure(
    images: Images,
    *,
    data: str,
    samples: int,
    held_out: int,
    width: int,
    steps: int,
    batch: int,
    runs: int,
    members: int,
    richness: float,
    decay: float,
) -> dict[str, np.ndarray]:
    """Cross-entropy on validation and test images and share of wrong classes on the latter, each of shape (runs,).

    Run i has one choice of training and validation images, whatever members, richness and decay.

    Arguments:
      data: mark of the images, part of the question only.
      samples, held_out: training and validation images, drawn from the training set.
      width: channels of the single network that `members` networks share the parameters of.

    Raises: `Refused` where the training set is too small.
    """
    del data
    there = len(images.train)
    require(samples + held_out <= there, f"{samples} + {held_out} images are asked for, the training set has {there}")
    train, outputs = _trained(member_width(width, members), steps, batch)
    mean = images.train.mean((0, 1, 2))
    scale = images.train.std() + 1e-12
    found = []
    for run in range(runs):
        key = jax.random.fold_in(jax.random.key(0), run)
        order = np.random.default_rng(run).permutation(there)[: samples + held_out]
        mine, others = order[:samples], order[samples:]
        x = jnp.asarray((images.train[mine] - mean) / scale)
        y = jnp.asarray(images.train_labels[mine])
        asked = [(images.train[others], images.train_labels[others]), (images.test, images.test_labels)]
        total = [np.zeros((len(labels), CLASSES)) for _, labels in asked]
        for k in range(members):
            ends = train(jax.random.fold_in(key, k), x, y, jnp.float32(richness), jnp.float32(decay))
            for sums, (pixels, _) in zip(total, asked, strict=True):
                for i in range(0, len(pixels), ASKED):
                    part = jnp.asarray((pixels[i : i + ASKED] - mean) / scale)
                    sums[i : i + ASKED] += np.asarray(outputs(ends, part, jnp.float32(richness))) / members
        losses = [_cross_entropy(sums, labels) for sums, (_, labels) in zip(total, asked, strict=True)]
        found.append([*losses, float(np.mean(total[1].argmax(-1) != asked[1][1]))])
    return dict(zip(("validation", "test", "wrong"), np.array(found).T, strict=True))


def _cross_entropy(outputs: Float[np.ndarray, "images classes"], labels: Int[np.ndarray, "images"]) -> float:
    shifted = outputs - outputs.max(-1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return float(-logs[np.arange(len(labels)), labels].mean())
