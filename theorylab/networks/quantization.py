"""Numbers of few bits, emulated: integer and floating-point grids, straight-through gradients, compensated rounding.

Everything keeps its array in ordinary floating point and moves it to the nearest point of a grid; equation numbers
are those of docs/precision_scaling.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.core.elimination import solved

FULL = 16.0
"""Bits from which an array is left as it is."""
Axes = int | Sequence[int] | None


def straight_through(x: Float[Array, "..."], rounded: Float[Array, "..."]) -> Float[Array, "..."]:
    """Exactly `rounded` in value, with the gradient of `x`; docs/precision_scaling.md eq. (13)."""
    # x - stop_gradient(x) is an exact zero; x + stop_gradient(rounded - x) would leave the grid by an ulp
    return jax.lax.stop_gradient(rounded) + (x - jax.lax.stop_gradient(x))


def levels(bits: ArrayLike) -> Array:
    """Largest code of a symmetric integer grid, 2^(bits - 1) - 1, a whole number also between whole bits."""
    return jnp.round(jnp.exp2(jnp.asarray(bits, jnp.result_type(float)) - 1)) - 1


def _check_bits(bits: ArrayLike) -> None:
    if not isinstance(bits, jax.core.Tracer):
        require(np.asarray(bits) >= 2, f"an integer grid needs at least 2 bits, got {bits}")


def step_size(x: Float[Array, "..."], bits: ArrayLike, over: Axes = None) -> Float[Array, "..."]:
    """Spacing of the integer grid whose last point is the largest |x| of each group; never zero; eq. (11).

    Arguments:
      bits: at least 2, may be traced.
      over: axes that form a group, kept with length 1; None: all of them (one step for the array).
    """
    _check_bits(bits)
    largest = jnp.max(jnp.abs(x), axis=over, keepdims=True)
    # a group of zeros (a token whose units are all off) would give 0 / 0
    return jnp.maximum(largest / levels(bits).astype(x.dtype), jnp.finfo(x.dtype).tiny)


def codes(x: Float[Array, "..."], step: Float[Array, "..."], bits: ArrayLike) -> Float[Array, "..."]:
    """Whole numbers in [-2^(bits - 1), 2^(bits - 1) - 1] nearest to x / step; eq. (11)."""
    top = levels(bits).astype(x.dtype)
    return jnp.clip(jnp.round(x / step), -top - 1, top)


def integer(x: Float[Array, "..."], bits: ArrayLike | None, over: Axes = None) -> Float[Array, "..."]:
    """`x` on a symmetric integer grid scaled to each group's largest magnitude; straight-through; eqs. (11), (13).

    One compiled program serves all traced `bits`. The spacing counts as a constant in gradients.

    Arguments:
      bits: at least 2; None or 16 and more: `x` as it is.
      over: axes that form a group; 0 for a weight matrix (in, out) is one spacing for each output channel, -1 for
        activations one for each token; None: one for the array.

    Raises: `Refused` for less than 2 bits.
    """
    if bits is None:
        return x
    fixed = jax.lax.stop_gradient(x)
    step = step_size(fixed, bits, over)
    rounded = codes(fixed, step, bits) * step
    return straight_through(x, jnp.where(jnp.asarray(bits) >= FULL, fixed, rounded))


class FloatFormat(NamedTuple):
    """A floating-point format: a sign, `exponent` bits (2 to 7), `mantissa` bits.

    Arguments:
      finite: whether the top exponent code holds numbers too, rather than infinities as in IEEE 754.
    """

    exponent: int
    mantissa: int
    finite: bool = False

    @property
    def bits(self) -> int:
        """All of them, the sign included."""
        return 1 + self.exponent + self.mantissa

    @property
    def highest(self) -> int:
        """Exponent of the largest normal numbers."""
        return 2 ** (self.exponent - 1) - 1 + self.finite

    @property
    def lowest(self) -> int:
        """Exponent of the smallest normal numbers, and of the subnormal ones."""
        return 2 - 2 ** (self.exponent - 1)

    @property
    def largest(self) -> float:
        """Largest number."""
        return (2 - 2.0**-self.mantissa) * 2.0**self.highest


def floating(x: Float[Array, "..."], format: FloatFormat, over: Axes = None) -> Float[Array, "..."]:
    """`x` in a floating-point format scaled so that each group's largest magnitude is the largest number;
    straight-through; docs/precision_scaling.md eq. (12).

    Raises: `Refused` for exponent bits out of 2..7 or a mantissa out of 0..23.
    """
    require(2 <= format.exponent <= 7, f"exponent bits must be in 2..7, got {format.exponent}")
    require(0 <= format.mantissa <= 23, f"mantissa bits must be in 0..23, got {format.mantissa}")
    fixed = jax.lax.stop_gradient(x)
    largest = jnp.max(jnp.abs(fixed), axis=over, keepdims=True)
    scale = jnp.maximum(largest / format.largest, jnp.finfo(x.dtype).tiny)
    y = jnp.abs(fixed) / scale
    # frexp, since a logarithm misplaces exact powers of two
    exponent = jnp.clip(jnp.frexp(y)[1] - 1, format.lowest, format.highest)
    spacing = jnp.ldexp(jnp.ones_like(y), exponent - format.mantissa)
    rounded = jnp.minimum(jnp.round(y / spacing) * spacing, format.largest)
    return straight_through(x, jnp.sign(fixed) * rounded * scale)


def stochastic(key: Any, x: Float[Array, "..."], step: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` on the grid of spacing `step`, up or down at random so that the mean is `x`; eq. (10)."""
    return jnp.floor(x / step + jax.random.uniform(key, x.shape, x.dtype)) * step


def compensated(
    weight: Float[Array, "inputs outputs"],
    calibration: Float[Array, "examples inputs"],
    bits: ArrayLike,
    ordered: bool = False,
    damping: float = 0.01,
) -> Float[Array, "inputs outputs"]:
    """`weight` on the grids of `integer(weight, bits, 0)`, each input's rounding error passed on to the inputs not yet
    rounded (GPTQ, arXiv 2210.17323); docs/precision_scaling.md eq. (14).

    Arguments:
      calibration: what multiplies the weights, x in x @ weight.
      bits: at least 2, may be traced; 16 and more: `weight` as it is.
      ordered: round the inputs of most power first.
      damping: added to the Hessian's diagonal, relative to its mean.

    Raises: `Refused` for less than 2 bits, shapes that do not match, or damping that is not positive.
    """
    require(
        calibration.ndim == 2 and calibration.shape[1] == weight.shape[0],
        f"calibration must have shape (examples, {weight.shape[0]}) for these weights, got {calibration.shape}",
    )
    require(damping > 0 and math.isfinite(damping), f"damping must be positive, got {damping}")
    inputs = weight.shape[0]
    hessian = calibration.T @ calibration
    power = jnp.diagonal(hessian)
    order = jnp.argsort(-power) if ordered else jnp.arange(inputs)
    # inputs that are never on would leave nothing on the diagonal
    ridge = jnp.maximum(damping * jnp.mean(power), jnp.finfo(weight.dtype).tiny ** 0.5)
    hessian = (hessian + ridge * jnp.eye(inputs, dtype=weight.dtype))[order][:, order]
    inverse = solved(hessian, jnp.eye(inputs, dtype=weight.dtype))
    step = step_size(weight, bits, 0)[0]

    def one(j: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        # `inverse` is that of the Hessian of the inputs not yet rounded; its row j over its diagonal is U_jj' / U_jj
        rows, inverse = state
        rounded = codes(rows[j], step, bits) * step
        share = inverse[j] / inverse[j, j]
        later = jnp.where(jnp.arange(inputs) > j, share, 0.0)
        rows = (rows - later[:, None] * (rows[j] - rounded)).at[j].set(rounded)
        return rows, inverse - inverse[:, j, None] * share

    rounded, _ = jax.lax.fori_loop(0, inputs, one, (weight[order], inverse))
    found = jnp.zeros_like(weight).at[order].set(rounded)
    return jnp.where(jnp.asarray(bits) >= FULL, weight, found)
