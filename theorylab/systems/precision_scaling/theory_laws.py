"""What bits cost: loss against parameters, tokens and the precision of weights, activations and key-value cache.

Units: N non-embedding parameters, D tokens, P bits, L nats a token. Precisions of the three parts are an array
(..., 3) in the order of `PARTS`; a part left in high precision has P = inf.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.core.casting import is_traced

PARTS = ("weights", "activations", "cache")
"""Parts of a network that are quantized in training, in the order of every array over parts."""
HIGH = float("inf")
"""Precision of a part that is not quantized."""


Number = Float[Array, ""] | float


class Constants(eqx.Module):
    """Constants of the laws, docs/precision_scaling_laws.md eqs. (1)-(5).

    `gamma`, `offset`, `robustness` are arrays over `PARTS`. An offset n makes a part's factor 1 - exp(-P/gamma + n).
    A robustness of inf says that training in low precision gives a part no robustness to quantization after it.
    """

    A: Number
    alpha: Number
    B: Number
    beta: Number
    E: Number
    gamma: Float[ArrayLike, "3"]
    C_T: Number = 0.0
    gamma_D: Number = 0.0
    gamma_N: Number = 0.0
    gamma_post: Number = 1.0
    offset: Float[ArrayLike, "3"] = eqx.field(default_factory=lambda: np.zeros(3))
    robustness: Float[ArrayLike, "3"] = eqx.field(default_factory=lambda: np.full(3, np.inf))

    def __check_init__(self) -> None:
        for name in ("A", "B", "gamma", "gamma_post"):
            value = getattr(self, name)
            require(_positive(value), f"{name} must be positive, got {value}")
        require(np.shape(self.gamma) == (3,), f"gamma has one entry for each of {', '.join(PARTS)}, got {self.gamma}")


def published(offsets: bool = False) -> Constants:
    """Table 2 of Kumar et al. (2024), alpha = beta tied.

    The table's exponents come with offsets whose sign and whose use in the degradation are not stated: with
    `offsets` we take 1 - exp(-P/gamma + n), the sign that puts the jointly optimal precision at 7 bits, inside the
    authors' 7 to 8. The units of N and D are not stated either: take absolute degradations as uncertain. The weights'
    robustness is 1/gamma_post (added noise is the noise of quantization less that of training); the other two are
    not tabulated, and are inf here.
    """
    return Constants(
        A=4299.0,
        alpha=0.4965,
        B=18060.0,
        beta=0.4965,
        E=2.7648,
        gamma=np.array([2.6745, 2.2102, 0.9578]),
        C_T=0.0598,
        gamma_D=0.5068,
        gamma_N=0.3439,
        gamma_post=0.5907,
        offset=np.array([0.3037, 1.4072, 2.4185]) if offsets else np.zeros(3),
        robustness=np.array([1 / 0.5907, np.inf, np.inf]),
    )


def _positive(value: Any) -> Any:
    """Whether all entries are positive; True of what is traced, whose values are not known."""
    return is_traced(value) or bool(np.all(np.asarray(value) > 0))


def check_positive(**values: Any) -> None:
    """Refuse every named value that is not positive; silent on tracers. Raises: `Refused`."""
    for name, value in values.items():
        require(_positive(value), f"{name} must be positive, got {value}")


def log_factors(
    bits: Float[ArrayLike, "*runs 3"], gamma: Float[ArrayLike, "3"], offset: Float[ArrayLike, "3"] | float = 0.0
) -> Float[Array, "*runs 3"]:
    """ln(1 - exp(-P/gamma + n)) of each part, 0 for one in high precision; docs/precision_scaling_laws.md eq. (3).

    Raises: `Refused` for P or gamma not positive, and where a factor would not be.
    """
    check_positive(bits=bits, gamma=gamma)
    bits = jnp.asarray(bits, float)
    low = jnp.isfinite(bits)
    # a derivative at P = inf would be inf * 0: such parts never enter
    exponent = jnp.where(low, jnp.where(low, bits, 1.0) / jnp.asarray(gamma) - jnp.asarray(offset), 1.0)
    if not is_traced((exponent, offset)):
        least = np.round(np.asarray(offset) * np.asarray(gamma), 4)
        require(
            exponent > 0,
            "a factor 1 - exp(-P/gamma + n) must be positive: P must exceed n gamma = "
            f"{np.broadcast_to(least, 3).tolist()} bits ({', '.join(PARTS)}), got {np.asarray(bits).tolist()}",
        )
    return jnp.where(low, jnp.log(-jnp.expm1(-exponent)), 0.0)


def effective_parameters(
    N: Float[ArrayLike, "*runs"], bits: Float[ArrayLike, "*runs 3"], constants: Constants
) -> Float[Array, "*runs"]:
    """N_eff = N prod_x (1 - exp(-P_x/gamma_x + n_x)); docs/precision_scaling_laws.md eq. (3).

    Raises: `Refused` for N, P or gamma not positive, and where a factor would not be.
    """
    check_positive(N=N)
    return jnp.asarray(N, float) * jnp.exp(jnp.sum(log_factors(bits, constants.gamma, constants.offset), axis=-1))


def base_loss(
    N: Float[ArrayLike, "*runs"], D: Float[ArrayLike, "*runs"], constants: Constants
) -> Float[Array, "*runs"]:
    """L = A N^-alpha + B D^-beta + E, nats a token; docs/precision_scaling_laws.md eq. (1).

    Raises: `Refused` for N or D not positive.
    """
    check_positive(N=N, D=D)
    c = constants
    return c.A * jnp.asarray(N, float) ** -c.alpha + c.B * jnp.asarray(D, float) ** -c.beta + c.E


def log_robustness(
    bits: Float[ArrayLike, "*runs 3"], post: Float[ArrayLike, "*runs"], robustness: Float[ArrayLike, "3"]
) -> Float[Array, "*runs 3"]:
    """ln [1 - exp(-C_x (P_x - P_post))]_+ of each part: -inf from P_x = P_post down, 0 in high precision;
    docs/precision_scaling_laws.md eq. (4)."""
    robustness = jnp.asarray(robustness, float)
    bits, post = jnp.asarray(bits, float), jnp.asarray(post, float)[..., None]
    known = jnp.isfinite(bits) & jnp.isfinite(robustness)
    excess = jnp.where(jnp.isfinite(bits), bits, 1.0) - jnp.where(jnp.isfinite(post), post, 0.0)
    above = known & (excess > 0)
    exponent = jnp.where(above, jnp.where(above, robustness, 1.0) * excess, 1.0)
    inside = jnp.where(known, jnp.log(-jnp.expm1(-exponent)), 0.0)
    return jnp.where(jnp.isfinite(bits) & (excess <= 0), -jnp.inf, inside)


def degradation(
    N: Float[ArrayLike, "*runs"],
    D: Float[ArrayLike, "*runs"],
    post: Float[ArrayLike, "*runs"],
    constants: Constants,
    bits: Float[ArrayLike, "*runs 3"] = (HIGH, HIGH, HIGH),  # pyright: ignore[reportArgumentType]
    *,
    strict: bool = False,
) -> Float[Array, "*runs"]:
    """Loss added by quantizing weights to `post` bits after training; docs/precision_scaling_laws.md eqs. (2), (4).

    delta = C_T D^gamma_D N_eff^-gamma_N exp(-P_post/gamma_post) prod_x [1 - exp(-C_x (P_x - P_post))]_+ ; zero where a
    part was trained at or below `post` bits (refused there if `strict`), and at P_post = inf.

    Raises: `Refused` for N, D, P not positive.
    """
    check_positive(N=N, D=D, post=post)
    bits = jnp.asarray(bits, float)
    if strict:
        below = np.asarray(bits) < np.asarray(post)[..., None]
        require(
            ~below,
            f"training precision must not be below the precision after training, {post} bits; got "
            f"{np.asarray(bits).tolist()}: the law adds nothing there",
        )
    c = constants
    size = effective_parameters(N, bits, c)
    robust = jnp.exp(jnp.sum(log_robustness(bits, post, c.robustness), axis=-1))
    grown = c.C_T * jnp.asarray(D, float) ** c.gamma_D * size**-c.gamma_N
    return grown * jnp.exp(-jnp.asarray(post, float) / c.gamma_post) * robust


def loss(
    N: Float[ArrayLike, "*runs"],
    D: Float[ArrayLike, "*runs"],
    constants: Constants,
    bits: Float[ArrayLike, "*runs 3"] = (HIGH, HIGH, HIGH),  # pyright: ignore[reportArgumentType]
    post: Float[ArrayLike, "*runs"] = HIGH,
) -> Float[Array, "*runs"]:
    """The unified law: base loss at N_eff, and the degradation of quantizing to `post` bits;
    docs/precision_scaling_laws.md eq. (5). Raises: `Refused` for N, D, P not positive."""
    size = effective_parameters(N, bits, constants)
    return base_loss(size, D, constants) + degradation(N, D, post, constants, bits)
