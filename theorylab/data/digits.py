"""The handwritten digits that scikit-learn ships: 1797 images of 8 x 8 pixels, even against odd.

scikit-learn is imported inside the functions, and what they compute is kept for the life of the process.
"""

from __future__ import annotations

import functools
import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

COUNT = 1797
"""Images in the set."""
SMALLEST = 1e-15
"""Eigenvalues of a kernel are not taken below this."""


@functools.cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Images, shape (1797, 64), less their mean and then of unit norm each; +1 for even digits, -1 for odd."""
    from sklearn.datasets import load_digits

    pixels, digit = (np.asarray(x) for x in load_digits(return_X_y=True))
    rows = pixels - pixels.mean(0)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.where(digit % 2 == 0, 1.0, -1.0)


def arc_cosine(left: Float[Array, "a dim"], right: Float[Array, "b dim"]) -> Float[Array, "a b"]:
    """First-order arc-cosine kernel of unit-norm rows: the limit of ReLU features, 1 on the diagonal.

    (sin t + (pi - t) cos t) / pi with t the angle between the rows; Cho and Saul (2009).
    """
    cosine = jnp.clip(left @ right.T, -1.0, 1.0)
    sine = jnp.sqrt(1 - cosine * cosine)
    return (sine + (math.pi - jnp.arccos(cosine)) * cosine) / math.pi


@functools.cache
def kernel_spectrum() -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of the arc-cosine kernel over the whole set, divided by its size, and target power in each mode.

    Returns: eigenvalues, descending, shape (1797,), and (u_k . y)^2 / 1797, of total 1.
    """
    rows, target = images()
    cosine = np.clip(rows @ rows.T, -1.0, 1.0)
    kernel = (np.sqrt(1 - cosine**2) + (np.pi - np.arccos(cosine)) * cosine) / np.pi
    values, vectors = np.linalg.eigh(kernel / COUNT)
    power = (vectors.T @ target) ** 2 / COUNT
    return np.maximum(values[::-1], SMALLEST), power[::-1].copy()
