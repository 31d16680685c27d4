"""Transformers on the bytes of a text: cross-entropy of the averaged logits of K of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, Key

from theorylab.core import require
from theorylab.data.folders import Text
from theorylab.networks.transformer import Decoder
from theorylab.systems.rf_ensembles import networks_sizes, networks_text

BYTES = 256
HEAD = 64
"""Width of a head: decoders of a multiple of it have so many heads, narrower ones have one."""
ASKED = 64
"""Windows in one forward pass of a test."""


def count(width: int, length: int, layers: int) -> int:
    """Parameters of one decoder."""
    return networks_text.count(width, BYTES, length, layers)


def member_width(width: int, members: int, length: int, layers: int) -> int:
    """Width of each of `members` decoders; docs/rf_ensembles.md eq. (19). Raises: `Refused`."""
    unit = HEAD if width % HEAD == 0 else 1
    return networks_sizes.member_width(lambda n: count(n, length, layers), width, members, unit)


def parameters(width: int, members: int, length: int, layers: int) -> int:
    """Entries of all members together."""
    return members * count(member_width(width, members, length, layers), length, layers)


def windows(values: Int[np.ndarray, "bytes"], length: int) -> Int[np.ndarray, "windows length+1"]:
    """Consecutive windows of length + 1 bytes, each begun with the last byte of the one before."""
    number = (len(values) - 1) // length
    return np.stack([values[i * length : i * length + length + 1] for i in range(number)])


@functools.cache
def _program(width: int, layers: int, length: int, steps: int, batch: int) -> Callable[..., Array]:
    heads = width // HEAD if width % HEAD == 0 else 1
    model = Decoder(BYTES, width, layers, max(heads, 1), length)

    def one(key: Key[Array, ""], texts: Array, asked: Array, richness: Array, decay: Array) -> Any:
        return networks_text.train(key, model, texts, asked, richness, decay, steps, batch)

    return jax.jit(one)


def measure(
    text: Text,
    *,
    data: str,
    samples: int,
    tested: int,
    width: int,
    layers: int,
    length: int,
    steps: int,
    batch: int,
    runs: int,
    members: int,
    richness: float,
    decay: float,
) -> dict[str, np.ndarray]:
    """Cross-entropy of the averaged logits on validation and test windows, nats a byte, each of shape (runs,).

    Run i has one choice of windows to train on and to be asked of, whatever members, richness and decay.

    Arguments:
      data: mark of the text, part of the question only.
      samples: windows trained on.
      tested: windows for validation, from the first half of the held-out text, and for the test, from its second.
      width: of the single decoder that `members` decoders share the parameters of.

    Raises: `Refused` where the text is too short.
    """
    del data
    require(
        min(len(text.train), len(text.test)) > 2 * length,
        f"the text is too short for windows of {length} bytes: {len(text.train)} and {len(text.test)} held out",
    )
    every, held_out = windows(text.train, length), windows(text.test, length)
    half = len(held_out) // 2
    require(
        len(every) >= samples and half >= tested,
        f"{samples} windows to train on and 2 x {tested} held out are asked for, the text has {len(every)} and "
        f"{len(held_out)} of {length} bytes; name a longer text",
    )
    program = _program(member_width(width, members, length, layers), layers, length, steps, batch)
    found = []
    for run in range(runs):
        random = np.random.default_rng(run)
        texts = jnp.asarray(every[random.choice(len(every), samples, replace=False)])
        places = [random.choice(half, tested, replace=False), half + random.choice(half, tested, replace=False)]
        asked = held_out[np.concatenate(places)]
        key = jax.random.fold_in(jax.random.key(0), run)
        total: Any = 0.0
        for k in range(members):
            couplings = jnp.float32(richness), jnp.float32(decay)
            total = total + program(jax.random.fold_in(key, k), texts, jnp.asarray(asked[:, :-1]), *couplings)
        each = optax.softmax_cross_entropy_with_integer_labels(total / members, jnp.asarray(asked[:, 1:])).mean(-1)
        found.append([float(each[:tested].mean()), float(each[tested:].mean())])
    return dict(zip(("validation", "test"), np.array(found).T, strict=True))
