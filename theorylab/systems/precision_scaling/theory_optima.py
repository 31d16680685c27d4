"""Compute-optimal precision, size and data; the data beyond which training hurts a network that is then quantized.

Training costs C = (6/16) N D P floating-point operations of 16 bits; c = 16 C / 6 = N D P. All parts named by `parts`
are trained at the same P, the others in high precision. Values are those of the enclosing precision: wrap calls in
`jax.enable_x64(True)`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from theorylab.core import require
from theorylab.solvers import fixed_point
from theorylab.systems.precision_scaling.theory_laws import (
    HIGH,
    PARTS,
    Constants,
    base_loss,
    check_positive,
    degradation,
    effective_parameters,
    log_robustness,
    loss,
)

GRID = 400
"""Points that bracket a root of one optimal precision."""
WIDEST = 200.0
"""Bits up to which a precision is searched."""
SECTIONS = 60
"""Golden sections of the bracket of a size: each shrinks it by 0.618."""


class Allocation(NamedTuple):
    """How a budget is spent: parameters N, tokens D, bits P of training, loss without and with the degradation of
    quantization after training (nats a token)."""

    N: Float[Array, "*budgets"]
    D: Float[Array, "*budgets"]
    P: Float[Array, "*budgets"]
    loss: Float[Array, "*budgets"]
    quantized: Float[Array, "*budgets"]


def mask(parts: Sequence[str] = PARTS) -> Bool[np.ndarray, "3"]:
    """Which parts are trained in low precision. Raises: `Refused` for an unknown part or none."""
    for part in parts:
        require(part in PARTS, f"no part {part!r}; parts are: {', '.join(PARTS)}")
    require(len(parts) > 0, f"name at least one part that is trained in low precision: {', '.join(PARTS)}")
    return np.array([part in parts for part in PARTS])


def equal_bits(P: Float[ArrayLike, "*runs"], parts: Sequence[str] = PARTS) -> Float[Array, "*runs 3"]:
    """The same P for every named part, inf for the others."""
    return jnp.where(mask(parts), jnp.asarray(P, float)[..., None], HIGH)


def share(P: Float[ArrayLike, "*runs"], constants: Constants, parts: Sequence[str] = PARTS) -> Float[Array, "*runs"]:
    """u(P) = N_eff / N at equal precisions; docs/precision_scaling_laws.md eq. (3)."""
    return effective_parameters(1.0, equal_bits(P, parts), constants)


def equal_precision(gamma: float, factors: int) -> float:
    """P* = gamma (-1/n - W_{-1}(-exp(-1/n)/n)), the jointly optimal bits of n factors with one gamma and no offset;
    docs/precision_scaling_laws.md eq. (9).

    Raises: `Refused` for one factor: P/u(P) then falls down to P = 0, and there is no interior optimum.
    """
    from scipy.special import lambertw

    check_positive(gamma=gamma)
    require(factors >= 1, f"factors must be at least 1, got {factors}")
    require(factors > 1, _ONE_FACTOR)
    inverse = 1 / factors
    return float(gamma * (-inverse - lambertw(-inverse * math.exp(-inverse), -1).real))


_ONE_FACTOR = (
    "with one part in low precision there is no interior joint optimum: fewer bits are better down to where the law "
    "fails; name two or more parts, or fix the size or the precision"
)


def _exponents(P: Array, constants: Constants, parts: Sequence[str]) -> tuple[Array, Array]:
    """P/gamma - n and gamma of the chosen parts, a trailing axis."""
    chosen = np.flatnonzero(mask(parts))
    gamma = jnp.asarray(constants.gamma, float)[chosen]
    return P[..., None] / gamma - jnp.asarray(constants.offset, float)[chosen], gamma


def _floor(constants: Constants, parts: Sequence[str]) -> Array:
    """Bits at which the first factor vanishes."""
    return jnp.max(jnp.where(mask(parts), jnp.asarray(constants.offset) * jnp.asarray(constants.gamma), 0.0))


def joint_precision(constants: Constants, parts: Sequence[str] = PARTS) -> Float[Array, ""]:
    """P* = argmin P/u(P), bits: the best precision when N, D and P are free, whatever the budget;
    docs/precision_scaling_laws.md eq. (8).

    Raises: `Refused` where there is no interior optimum (one part without an offset); NaN instead under tracing.
    """
    root = _joint_root(constants, tuple(parts))
    require(jnp.isfinite(root), _ONE_FACTOR)
    return root


@partial(jax.jit, static_argnums=1)
def _joint_root(constants: Constants, parts: tuple[str, ...]) -> Array:
    def excess(P: Array) -> Array:
        y, gamma = _exponents(P, constants, parts)
        return jnp.sum(P[..., None] / gamma * jnp.exp(-y) / -jnp.expm1(-y), axis=-1) - 1

    largest = jnp.max(jnp.asarray(constants.gamma, float))
    floor = _floor(constants, parts)
    # the left end, where a factor vanishes, is open
    left = jnp.where(floor > 0, floor * (1 + 1e-9), 1e-4 * jnp.min(jnp.asarray(constants.gamma, float)))
    return fixed_point.all_roots(excess, jnp.geomspace(left, 60 * largest, GRID), 1).values[0]


def precision_at_size(
    N: Float[ArrayLike, ""], C: Float[ArrayLike, ""], constants: Constants, parts: Sequence[str] = PARTS
) -> Float[Array, ""]:
    """P that minimises the loss of N given parameters trained with budget C; grows like ln C, slope beta max gamma
    at large C; docs/precision_scaling_laws.md eq. (10).

    Raises: `Refused` for N or C not positive, and where no optimum lies below 200 bits; NaN under tracing.
    """
    check_positive(N=N, C=C)
    root = _size_root(jnp.asarray(N, float), jnp.asarray(C, float), constants, tuple(parts))
    require(
        jnp.isfinite(root),
        f"no optimal precision up to {WIDEST:g} bits at this size and budget: the budget is too large for the size, or "
        "too small for a single bit",
    )
    return root


@partial(jax.jit, static_argnums=3)
def _size_root(N: Array, C: Array, k: Constants, parts: tuple[str, ...]) -> Array:
    products = 16 * C / 6

    def balance(P: Array) -> Array:
        """ln of what a bit takes from the data term over what it takes from the size term."""
        y, gamma = _exponents(P, k, parts)
        log_share = jnp.sum(jnp.log(-jnp.expm1(-y)), axis=-1)
        gain = jnp.log(jnp.sum(jnp.exp(-y) / -jnp.expm1(-y) / gamma, axis=-1))
        size = jnp.log(k.alpha * k.A) - k.alpha * (jnp.log(N) + log_share) + gain
        data = jnp.log(k.beta * k.B) - jnp.log(P) + k.beta * (jnp.log(N) + jnp.log(P) - jnp.log(products))
        return data - size

    left = jnp.maximum(0.05, _floor(k, parts) + 1e-6)
    return fixed_point.all_roots(balance, jnp.geomspace(left, WIDEST, GRID), 1).values[0]


def allocation(
    C: Float[ArrayLike, "*budgets"],
    P: Float[ArrayLike, "*budgets"],
    constants: Constants,
    parts: Sequence[str] = PARTS,
    post: Float[ArrayLike, ""] = HIGH,
) -> Allocation:
    """N* = (alpha A u^-alpha / (beta B))^(1/(alpha+beta)) (c/P)^(beta/(alpha+beta)), D* = c/(P N*): the best size and
    data at given bits, not minding quantization afterwards; docs/precision_scaling_laws.md eq. (6).

    Arguments:
      post: bits after training, for the loss `quantized` only.

    Raises: `Refused` for C or P not positive.
    """
    check_positive(C=C, P=P)
    k, P = constants, jnp.asarray(P, float)
    products = 16 * jnp.asarray(C, float) / 6 / P
    both = k.alpha + k.beta
    u = share(P, k, parts)
    N = (k.alpha * k.A * u**-k.alpha / (k.beta * k.B)) ** (1 / both) * products ** (k.beta / both)
    return spent(N, products / N, P, k, parts, post)


def spent(N: Array, D: Array, P: Array, k: Constants, parts: Sequence[str], post: ArrayLike) -> Allocation:
    """Given size, data and precision with their losses; docs/precision_scaling_laws.md eq. (5)."""
    bits = equal_bits(P, parts)
    plain = base_loss(effective_parameters(N, bits, k), D, k)
    return Allocation(N, D, P, plain, plain + degradation(N, D, post, k, bits))


def quantized_allocation(
    C: Float[ArrayLike, ""],
    P: Float[ArrayLike, ""],
    post: Float[ArrayLike, ""],
    constants: Constants,
    parts: Sequence[str] = PARTS,
) -> Allocation:
    """Size and data that minimise the loss after quantization to `post` bits: larger and shorter trained than
    `allocation`, by golden sections in ln N; docs/precision_scaling_laws.md eq. (12).

    Raises: `Refused` for C, P or post not positive.
    """
    check_positive(C=C, P=P, post=post)
    share(P, constants, parts)  # refuses precisions at which a factor vanishes
    return _quantized(*(jnp.asarray(x, float) for x in (C, P, post)), constants, tuple(parts))


@partial(jax.jit, static_argnums=4)
def _quantized(C: Array, P: Array, post: Array, constants: Constants, parts: tuple[str, ...]) -> Allocation:
    products = 16 * C / 6 / P
    bits = equal_bits(P, parts)

    def at(log_n: Array) -> Array:
        N = jnp.exp(log_n)
        return loss(N, products / N, constants, bits, post)

    centre = jnp.log(allocation(C, P, constants, parts).N)
    golden = (math.sqrt(5) - 1) / 2

    def narrow(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        left, right = high - golden * (high - low), low + golden * (high - low)
        lower = at(left) < at(right)
        return jnp.where(lower, low, left), jnp.where(lower, right, high)

    # degradation falls with N and rises with D, so the optimum lies above the plain one
    low, high = lax.fori_loop(0, SECTIONS, narrow, (centre - 0.1, centre + 30.0))
    N = jnp.exp(0.5 * (low + high))
    return spent(N, products / N, P, constants, parts, post)


def critical_tokens(
    N: Float[ArrayLike, "*runs"],
    post: Float[ArrayLike, "*runs"],
    constants: Constants,
    bits: Float[ArrayLike, "*runs 3"] = (HIGH, HIGH, HIGH),  # pyright: ignore[reportArgumentType]
) -> Float[Array, "*runs"]:
    """D_crit = (beta B N_eff^gamma_N exp(P_post/gamma_post) / (gamma_D C_T R))^(1/(gamma_D+beta)): beyond it more
    tokens raise the loss after quantization; R the product of robustness factors, inf where it vanishes;
    docs/precision_scaling_laws.md eq. (11).

    Raises: `Refused` for N or post not positive, and for a degradation that does not grow with data.
    """
    check_positive(N=N, post=post)
    k = constants
    grows = jnp.asarray(k.gamma_D * k.C_T)
    require(grows > 0, "the degradation does not grow with data (gamma_D C_T <= 0): no amount of data is critical")
    logs = jnp.log(k.beta * k.B) + k.gamma_N * jnp.log(effective_parameters(N, bits, k))
    logs = logs + jnp.asarray(post, float) / k.gamma_post - jnp.log(grows)
    logs = logs - jnp.sum(log_robustness(bits, post, k.robustness), axis=-1)
    return jnp.exp(logs / (k.gamma_D + k.beta))


def equal_loss_size(
    P: Float[ArrayLike, "*runs"], reference: Float[ArrayLike, ""], constants: Constants, parts: Sequence[str] = PARTS
) -> Float[Array, "*runs"]:
    """N(P) = N_16 u(16)/u(P): parameters that make up for fewer bits than 16 at equal data;
    docs/precision_scaling_laws.md eq. (7)."""
    check_positive(P=P, reference=reference)
    return jnp.asarray(reference) * share(16.0, constants, parts) / share(P, constants, parts)
