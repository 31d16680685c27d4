"""What theory and simulation are both told: the drawn symbols, the scales, and what is measured.

Equation numbers are those of docs/equality_reasoning.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from theorylab.data.symbols import Novel

if TYPE_CHECKING:
    from theorylab.systems.equality_reasoning import EqualityReasoning


class Drawn(NamedTuple):
    """Training symbols and test symbols of one run."""

    symbols: Float[Array, "symbol dimension"]
    novel: Novel


def scale(system: EqualityReasoning) -> Float[Array, ""]:
    """gamma = richness sqrt(dimension), eq. (1)."""
    return jnp.asarray(system.richness * float(system.dimension) ** 0.5)


def recorded_steps(steps: int, records: int) -> Int[np.ndarray, "record"]:
    """Steps after which is measured, `records` of them evenly spaced, the last one at the end."""
    return np.unique(np.round(np.arange(1, records + 1) * steps / records).astype(int))


def answers(same: Float[Array, "... pairs"], different: Float[Array, "... pairs"]) -> dict[str, Float[Array, "..."]]:
    """Accuracies and mean outputs from the outputs at same and different pairs, eq. (4); a zero counts one half."""
    right_same = 0.5 + 0.5 * jnp.mean(jnp.sign(same), axis=-1)
    right_different = 0.5 - 0.5 * jnp.mean(jnp.sign(different), axis=-1)
    return {
        "accuracy": 0.5 * (right_same + right_different),
        "accuracy_same": right_same,
        "accuracy_different": right_different,
        "score_same": jnp.mean(same, axis=-1),
        "score_different": jnp.mean(different, axis=-1),
    }


def geometry(readout: Float[Array, "neuron"], gram: Float[Array, "entry=3 neuron"]) -> dict[str, Float[Array, ""]]:
    """Balance, cone ratio and mean cosines of the neurons, eq. (5).

    Arguments:
      readout: a.
      gram: |w^1|^2, w^1 . w^2, |w^2|^2 of the two halves of every neuron's weights.
    """
    up, down = readout > 0, readout < 0
    strength = jnp.abs(readout) * jnp.sqrt(gram[0] + gram[2])
    cosine = gram[1] / jnp.sqrt(gram[0] * gram[2])
    up_total, down_total = jnp.sum(strength * up), jnp.sum(strength * down)
    return {
        "balance": jnp.sum(readout**2 * down) / jnp.sum(readout**2 * up),
        "ratio": down_total / up_total,
        "cosine_positive": jnp.sum(strength * cosine * up) / up_total,
        "cosine_negative": jnp.sum(strength * cosine * down) / down_total,
    }
