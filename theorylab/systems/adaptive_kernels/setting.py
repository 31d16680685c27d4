"""Data that theory and simulation share: their definition, and nothing that either computes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels

RING_TRAIN = 0.3 + 0.8 * np.arange(6)
"""Angles of the six training points on the ring."""
RING_TEST = np.array([0.7, 2.9, 4.4])
RING_TARGETS = np.array([1.0, 1.0, 1.0, 1.0, -1.0, -1.0])
BINS = np.linspace(-6.0, 6.0, 61)
"""Edges of the histogram of preactivations."""


class Data(NamedTuple):
    """Inputs and targets.

    Arguments:
      inputs: X, (P, D), rows of norm about sqrt(D).
      targets: y, (P,).
      test_inputs: (Pt, D), Pt may be 0.
      test_targets: (Pt,), or (0,) where test targets are not defined.
    """

    inputs: Float[Array, "samples dimension"]
    targets: Float[Array, "samples"]
    test_inputs: Float[Array, "tests dimension"]
    test_targets: Float[Array, "known"]

    @property
    def points(self) -> Float[Array, "points dimension"]:
        """Training inputs, then test inputs."""
        return jnp.concatenate([self.inputs, self.test_inputs])


def waves(samples: int, dimension: int, tests: int) -> tuple[np.ndarray, ...]:
    """Deterministic inputs sin(1 + 1.7 m + 0.9 i + 0.3 m i), rows of norm sqrt(D); y = X_0 - X_1 / 2 + 0.3 cos(2.1 m).

    Test inputs are the next rows of the same formula, docs/adaptive_kernels.md eq. (37).
    """
    m = np.arange(samples + tests)[:, None]
    i = np.arange(dimension)[None, :]
    x = np.sin(1.0 + 1.7 * m + 0.9 * i + 0.3 * m * i)
    x *= np.sqrt(dimension) / np.linalg.norm(x, axis=1, keepdims=True)
    second = x[:, 1] if dimension > 1 else np.zeros(len(x))
    y = x[:, 0] - 0.5 * second + 0.3 * np.cos(2.1 * m[:, 0])
    return x[:samples], y[:samples], x[samples:], y[samples:]


def ring(samples: int, tests: int) -> tuple[np.ndarray, ...]:
    """Points sqrt(2) (cos t, sin t) of fixed angles, at most six for training and three for test."""

    def on(angles: np.ndarray) -> np.ndarray:
        return np.sqrt(2.0) * np.stack([np.cos(angles), np.sin(angles)], 1)

    return on(RING_TRAIN[:samples]), RING_TARGETS[:samples], on(RING_TEST[:tests]), np.zeros(0)


def orthogonal(samples: int) -> tuple[np.ndarray, ...]:
    """X = sqrt(P) I and targets of alternating sign with |y| = 1."""
    return (
        np.sqrt(samples) * np.eye(samples),
        (-1.0) ** np.arange(samples) / np.sqrt(samples),
        np.zeros((0, samples)),
        np.zeros(0),
    )


@functools.cache
def digits(samples: int, tests: int) -> tuple[np.ndarray, ...]:
    """Handwritten threes (+1) and eights (-1), in one fixed permutation; the training mean subtracted, rows divided by
    the root mean square training pixel."""
    from sklearn.datasets import load_digits

    pixels, digit = load_digits(return_X_y=True)
    kept = (digit == 3) | (digit == 8)
    pixels, y = pixels[kept], np.where(digit[kept] == 3, 1.0, -1.0)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:samples], order[samples : samples + tests]
    x = pixels - np.mean(pixels[train], axis=0)
    x /= np.sqrt(np.mean(x[train] ** 2))
    return x[train], y[train], x[test], y[test]


def data_of(system: AdaptiveKernels) -> Data:
    """The setting's data in the precision of its couplings. Raises: `Refused` for data that do not fit."""
    if system.data == "given":
        x = np.asarray(system.inputs) if not _jax(system.inputs) else system.inputs
        tests = system.test_inputs if np.ndim(system.test_inputs) == 2 else np.zeros((0, system.dimension))
        parts = (x, system.targets, tests, system.test_targets)
    elif system.data == "waves":
        parts = waves(system.samples, system.dimension, system.tests)
    elif system.data == "ring":
        parts = ring(system.samples, system.tests)
    elif system.data == "digits":
        parts = digits(system.samples, system.tests)
    else:
        parts = orthogonal(system.samples)
    if system.data != "given" and np.size(system.targets):
        # the test targets belong to the built-in training targets
        parts = (parts[0], system.targets, parts[2], np.zeros(0))
    return Data(*(jnp.asarray(part, system.dtype) for part in parts))


def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "time"]:
    """Recorded steps from 0 to `steps`, in `records` intervals as equal as integers allow."""
    return np.unique(np.rint(np.linspace(0, steps, min(records, steps) + 1)).astype(int))


def _jax(value: object) -> bool:
    return not isinstance(value, (tuple, np.ndarray))
