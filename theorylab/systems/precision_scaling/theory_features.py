"""Why bits act as a smaller number of parameters: features that fail independently, and its alternative, a hard budget.

Equation numbers are those of docs/precision_scaling.md.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require


def surviving_share(bits: Float[ArrayLike, "*parts"], gamma: Float[ArrayLike, "*parts"]) -> Float[Array, ""]:
    """Probability that a feature works: the product over parts of 1 - e^{-P / gamma}; eq. (15).

    Raises: `Refused` for bits or gamma that are not positive.
    """
    bits, gamma = jnp.asarray(bits, float), jnp.asarray(gamma, float)
    require(bits > 0, f"bits must be positive, got {bits}")
    require(gamma > 0, f"gamma must be positive, got {gamma}")
    return jnp.prod(-jnp.expm1(-bits / gamma))


def expected_loss_ratio(features: int, share: float, alpha: float) -> float:
    """E n^-alpha over (features x share)^-alpha for n binomial, none surviving left out; exact, eq. (16). Host only.

    Raises: `Refused` for a share out of (0, 1], or no feature.
    """
    from scipy.stats import binom

    require(features >= 1, f"features must be at least 1, got {features}")
    require(0 < share <= 1, f"share must be in (0, 1], got {share}")
    survivors = np.arange(1, features + 1)
    weights = binom.pmf(survivors, features, share)
    return float(np.sum(weights * (survivors / (features * share)) ** -alpha) / np.sum(weights))


def corrected_ratio(features: int, share: float, alpha: float) -> float:
    """The same to first order in 1 / features; eq. (16)."""
    return 1 + alpha * (alpha + 1) * (1 - share) / (2 * features * share)


def hard_budget(features: int, bits: Float[ArrayLike, "*bits"], decay: float) -> Float[Array, "*bits"]:
    """Weights k^-decay of an eigenbasis that one step for all does not round to zero; eq. (17).

    Raises: `Refused` for less than 2 bits, or a decay that is not positive.
    """
    bits = jnp.asarray(bits, float)
    require(bits >= 2, f"an integer grid needs at least 2 bits, got {bits}")
    require(decay > 0, f"decay must be positive, got {decay}: weights fall with the mode")
    return jnp.minimum(float(features), jnp.floor((2 * (jnp.exp2(bits - 1) - 1)) ** (1 / decay)))
