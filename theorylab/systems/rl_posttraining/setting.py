"""What the names of a setting mean, where theory and simulation must not differ."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Number = float | Array
"""A single number, traced or not."""


def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "record"]:
    """Evenly spaced steps from 0 to the last one."""
    return np.unique(np.round(np.linspace(0, steps, records + 1)).astype(np.int64))


def question_weights(
    weights: Array | tuple[float, ...], accuracy: Float[Array, "question format"]
) -> Float[Array, "question"]:
    """Weights of the questions; even where none are given."""
    count = accuracy.shape[0]
    return jnp.full(count, 1.0 / count, accuracy.dtype) if len(weights) == 0 else jnp.asarray(weights)
