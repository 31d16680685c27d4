"""Stability of SGD: mass of the noise kernel, critical batch and learning rate, growth rate above threshold.

The mass needs no time series: by Parseval, sum_t K(t, t) is an average of the kernel's transform at (z, conj z) over
the circle |1 + rate z| = 1; docs/sgd_resolvent.md eqs. (14), (16)-(18).
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.solvers.resolvent import Modes, diagonal_kernels, renormalised_nodes_host, upper_edge

CIRCLE_RANGE = 21.0
"""Range of u in theta = pi / (1 + e^-u): angles down to 2e-9, where the integrand is constant."""
CIRCLE_NODES = 121
"""Nodes in u; the integrand is analytic for |Im u| < pi/2, so spacing 0.35 leaves e^-28."""


def circle(rate: Any, growth: Any = 0.0, xp: ModuleType = jnp) -> tuple[Any, Any]:
    """Upper nodes of |1 + rate z|^2 = e^growth, dense near z = 0, and their measure d theta / pi."""
    u = xp.linspace(-CIRCLE_RANGE, CIRCLE_RANGE, CIRCLE_NODES)
    share = 1 / (1 + xp.exp(-u))
    theta = math.pi * share
    # reversed: 1 - share without cancellation
    spacing = u[1] - u[0]
    measure = spacing * share * share[::-1]
    # the rest of the sum beyond each end, where the integrand is constant
    tail = xp.where(xp.abs(u) >= CIRCLE_RANGE - spacing / 2, 1 / xp.expm1(spacing), 0.0)
    measure = measure * (1 + tail)
    # expm1 and sin^2: no cancellation near z = 0
    real = xp.expm1(growth / 2) * xp.cos(theta) - 2 * xp.sin(theta / 2) ** 2
    # sin(theta) through the nearer end, positive to the last node
    sine = xp.sin(xp.minimum(theta, theta[::-1]))
    return (real + 1j * xp.exp(growth / 2) * sine) / rate, measure


def nearest_on_circle(rate: float, edge: float) -> float:
    """Lower bound on the distance between the circle's nodes and the cut. Host only."""
    return min(math.pi / (1 + math.exp(CIRCLE_RANGE)) / rate / 2, 2 / rate - edge)


def mass_on_circle(
    modes: Modes,
    kappa: Any,
    measure: Any,
    samples: Any,
    width: Any,
    fresh: bool,
    rate: Any,
    factor: Any,
) -> Any:
    """factor * sum_t K(t) e^{-growth (t + 1)}: K the training kernel, the test kernel on fresh data."""
    train, test = diagonal_kernels(modes, kappa, samples, width)
    return factor / rate**2 * (measure * (test if fresh else train)).sum()


def critical_batch(mass: ArrayLike, samples: float, batch: int, replacement: bool) -> Float[Array, ""]:
    """Batch at which the kernel mass is 1, from the mass at `batch`, all else equal; docs/sgd_resolvent.md eq. (17).

    Not rounded; NaN for the full batch without replacement, whose mass is 0.
    """
    mass = jnp.asarray(mass)
    if math.isinf(samples) or replacement:
        return batch * mass
    if batch == samples:
        return jnp.full_like(mass, jnp.nan)
    free = mass * batch * (samples - 1) / (samples - batch)
    return free * samples / (samples - 1 + free)


def one_pass_mass(modes: Modes, rate: ArrayLike, batch: ArrayLike) -> Float[Array, ""]:
    """Kernel mass of one-pass linear regression, (rate / batch) sum lambda / (2 - rate lambda); eq. (16)."""
    rate, batch = jnp.asarray(rate), jnp.asarray(batch)
    return rate / batch * jnp.sum(modes.multiplicity * modes.values / (2 - rate * modes.values))


def one_pass_critical_batch(modes: Modes, rate: ArrayLike) -> Float[Array, ""]:
    """Batch below which one-pass linear regression diverges: rate sum lambda / (2 - rate lambda)."""
    return one_pass_mass(modes, rate, 1.0)


def one_pass_critical_rate(modes: Modes, batch: ArrayLike) -> Float[Array, ""]:
    """Learning rate above which one-pass linear regression diverges at this batch; traceable."""
    ceiling = 2 / jnp.max(modes.values)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        over = one_pass_mass(modes, middle, batch) > 1
        return jnp.where(over, low, middle), jnp.where(over, middle, high)

    low, high = jax.lax.fori_loop(0, 60, halve, (jnp.zeros_like(ceiling), ceiling))
    return (low + high) / 2


def kernel_mass(modes: Modes, samples: float, width: float, rate: float, factor: float, growth: float = 0.0) -> float:
    """Mass of the noise kernel on concrete values; stable below 1. Host only.

    Arguments:
      factor: c_B from `theory.noise_factor`.
      growth: weight e^{-growth (t + 1)} inside the sum.
    """
    values, multiplicity = np.asarray(modes.values), np.asarray(modes.multiplicity)
    modes = Modes(values, np.asarray(modes.power), multiplicity)  # pyright: ignore[reportArgumentType]
    edge = float(upper_edge(values, multiplicity, samples, width, xp=np))
    z, measure = circle(rate, growth, xp=np)
    kappa = renormalised_nodes_host(modes, np.asarray(z), samples, width, nearest_on_circle(rate, edge))
    return float(mass_on_circle(modes, kappa, measure, samples, width, math.isinf(samples), rate, factor))  # pyright: ignore[reportArgumentType]


def critical_rate(modes: Modes, samples: float, width: float, batch: int, share: float = 1.0) -> float:
    """Learning rate at which the kernel mass is 1, or 2 / edge where it stays below; Brent's method. Host only.

    Arguments:
      share: c_B batch / rate^2, from `theory.noise_factor` at rate 1 times batch; 1 on fresh data.
    """
    from scipy.optimize import brentq

    values, multiplicity = np.asarray(modes.values), np.asarray(modes.multiplicity)
    ceiling = 2 / float(upper_edge(values, multiplicity, samples, width, xp=np))

    def excess(rate: float) -> float:
        return kernel_mass(modes, samples, width, rate, rate**2 * share / batch) - 1

    highest = ceiling * (1 - 1e-9)
    if excess(highest) < 0:
        return ceiling
    return float(brentq(excess, ceiling * 1e-9, highest, xtol=1e-14 * ceiling, rtol=1e-12))  # pyright: ignore[reportArgumentType]


def growth_rate(modes: Modes, samples: float, width: float, rate: float, factor: float) -> float:
    """Rate r > 0 of the mean loss's growth e^{r t} above threshold: sum c_B K(t) e^{-r (t + 1)} = 1; eq. (18).

    Raises: `Refused` where the kernel mass is below 1: nothing grows.
    """
    from scipy.optimize import brentq

    mass = kernel_mass(modes, samples, width, rate, factor)
    require(mass > 1, f"the kernel mass is {mass:.6g}, below 1: the loss does not grow")

    def excess(growth: float) -> float:
        return kernel_mass(modes, samples, width, rate, factor, growth) - 1

    highest = 1.0
    while excess(highest) > 0:
        highest *= 2
    return float(brentq(excess, 0.0, highest, rtol=1e-12))  # pyright: ignore[reportArgumentType]
