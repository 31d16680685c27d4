"""The solvable model: what rounding to few bits adds to the loss of a power-law regression, and when training must end.

Equation numbers are those of docs/precision_scaling.md.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import Prediction, require
from theorylab.systems.precision_scaling.setting import modes, recorded_steps, unresolved

if TYPE_CHECKING:
    from theorylab.systems.precision_scaling import PrecisionScaling

NODES = 400
"""Gauss-Legendre nodes of the largest coordinate's second moment: 1e-10 or better."""
HALVINGS = 100
"""Halvings of the bracket of the critical time."""


@functools.lru_cache(maxsize=64)
def largest_moment(count: int) -> float:
    """m_N = E max_i g_i^2 of `count` independent standard normals; eq. (6). Host only.

    Raises: `Refused` for no coordinate.
    """
    from scipy.special import log_ndtr

    require(count >= 1, f"count must be at least 1, got {count}")
    end = math.sqrt(2 * math.log(count)) + 8
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = (nodes + 1) * end / 2
    within = count * np.log1p(-2 * np.exp(log_ndtr(-x)))
    return float(np.sum(weights * end / 2 * -2 * x * np.expm1(within)))


def levels(bits: ArrayLike) -> Array:
    """2^(P - 1) - 1: steps between zero and the largest magnitude."""
    return jnp.exp2(jnp.asarray(bits, jnp.result_type(float)) - 1) - 1


def loss(count: int, capacity: ArrayLike, source: ArrayLike, time: Float[ArrayLike, "times"]) -> Float[Array, "times"]:
    """Population loss of gradient flow from zero at `time`; eq. (3). No factor one half."""
    values, targets = modes(count, capacity, source)
    left = jnp.exp(-2 * jnp.asarray(time)[..., None] * values)
    return unresolved(count, source) + jnp.sum(values * targets**2 * left, -1)


def power(count: int, capacity: ArrayLike, source: ArrayLike, time: Float[ArrayLike, "times"]) -> Float[Array, "times"]:
    """|w(t)|^2, the weights' squared length; eq. (2)."""
    values, targets = modes(count, capacity, source)
    return jnp.sum((targets * jnp.expm1(-jnp.asarray(time)[..., None] * values)) ** 2, -1)


def noise_factor(count: int, capacity: ArrayLike, bits: Float[ArrayLike, "bits"], stochastic: bool = False) -> Array:
    """Added loss of rounded weights over their squared length; eqs. (5), (10), shape (bits,)."""
    values = modes(count, capacity, jnp.asarray(capacity)).values
    divisor = 6 if stochastic else 12
    return jnp.sum(values) * largest_moment(count) / count / levels(bits) ** 2 / divisor


def degradation(
    count: int,
    capacity: ArrayLike,
    source: ArrayLike,
    bits: Float[ArrayLike, "bits"],
    time: Float[ArrayLike, "times"],
    stochastic: bool = False,
) -> Float[Array, "bits times"]:
    """Expected loss that rounding the weights adds; eqs. (5), (10)."""
    factor = noise_factor(count, capacity, jnp.atleast_1d(jnp.asarray(bits)), stochastic)
    return factor[:, None] * power(count, capacity, source, time)


def critical_time(count: int, capacity: ArrayLike, source: ArrayLike, bits: Float[ArrayLike, "bits"]) -> Array:
    """Time from which more training raises the loss of the rounded weights, root of eq. (9) in log t; shape (bits,).

    There always is one: the loss falls as exp(-2 lambda_N t) in the end, the degradation rises as exp(-lambda_N t).
    """
    values, targets = modes(count, capacity, source)
    factor = noise_factor(count, capacity, jnp.atleast_1d(jnp.asarray(bits)))[:, None]
    slowest = values[-1]

    def slope(log_time: Array) -> Array:
        """d (L + delta) / dt times exp(lambda_N t) / 2, so that nothing underflows."""
        time = jnp.exp(log_time)[:, None]
        grown = values * targets**2 * jnp.exp(-time * (values - slowest))
        # cleared of the common factor, both parts decay no faster than the slowest mode
        return jnp.sum(grown * (factor * -jnp.expm1(-time * values) - values * jnp.exp(-time * values)), -1)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        over = slope(middle) > 0
        return jnp.where(over, low, middle), jnp.where(over, middle, high)

    # beyond t = ln(1 + 1 / factor) / lambda_N the degradation's slope wins in every mode
    last = jnp.log(jnp.log1p(1 / factor[:, 0]) + 1) - jnp.log(slowest)
    low, high = lax.fori_loop(0, HALVINGS, halve, (jnp.full_like(last, -20.0), last))
    return jnp.exp((low + high) / 2)


def data_exponent(capacity: ArrayLike, source: ArrayLike) -> Array:
    """beta of L -> B t^-beta for t << N^a; eq. (4)."""
    return (jnp.asarray(source) - 1) / capacity


def data_amplitude(capacity: ArrayLike, source: ArrayLike) -> Array:
    """B of L -> B t^-beta; eq. (4)."""
    from jax.scipy.special import gammaln

    beta = data_exponent(capacity, source)
    return jnp.exp(gammaln(beta)) * 2.0**-beta / capacity


def growth_exponent(capacity: ArrayLike, source: ArrayLike) -> Array:
    """gamma_D of delta ~ t^gamma_D for t << N^a; eq. (7); 0 where the weights' length converges."""
    return jnp.maximum((capacity - jnp.asarray(source) + 1) / capacity, 0.0)


POST_BITS = 1 / (2 * math.log(2))
"""gamma_post = .7213 bits: noise power falls as 4^-P; eq. (7)."""


def predict(system: PrecisionScaling) -> Prediction:
    """Curves of the solvable model, and its exponents and critical times as facts."""
    time = system.rate * jnp.asarray(recorded_steps(system.steps, system.records))
    setting = (system.modes, system.capacity, system.source)
    bits = jnp.asarray(system.bits)
    added = degradation(*setting, bits, time, system.rounding == "stochastic")
    facts = {
        "critical_time": critical_time(*setting, bits),
        "loss_exponent": data_exponent(system.capacity, system.source),
        "degradation_exponent": growth_exponent(system.capacity, system.source),
        "bits_constant": jnp.asarray(POST_BITS),
    }
    return Prediction({"loss": loss(*setting, time), "degradation": added, "noise": added}, facts=facts)
