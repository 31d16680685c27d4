"""One outlier eigenvalue: closed forms on the aligned manifold W = lam n n^T, u = v = c n.

Equation numbers are those of docs/rnn_integrator.md. Time is gradient-flow time, the loss is not normalised.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

FLOW_TIME_LIMIT = -13 / 6 + 1.5 * math.log(3) + math.pi / (2 * math.sqrt(3))
"""Flow time in which the outlier reaches 1 for a perfect integrator (c = 1, recurrent weights trained), eq. (14)."""


def aligned_loss(
    lam: Float[ArrayLike, "..."], c: Float[ArrayLike, "..."], a: Float[ArrayLike, "..."]
) -> Float[Array, "..."]:
    """Infinite-horizon loss of eigenvalue `lam` and vector length `c` for the integrator of pole `a` < 1, eq. (12)."""
    lam, c, a = jnp.asarray(lam), jnp.asarray(c), jnp.asarray(a)
    return 0.5 * (c**4 / (1 - lam**2) - 2 * c**2 / (1 - a * lam) + 1 / (1 - a**2))


def aligned_rates(
    lam: Float[ArrayLike, "..."], c: Float[ArrayLike, "..."], a: Float[ArrayLike, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """d lam / ds and d c / ds of gradient flow at infinite horizon, eq. (13); `a` = 1 is allowed."""
    lam, c, a = jnp.asarray(lam), jnp.asarray(c), jnp.asarray(a)
    dlam = a * c**2 / (1 - a * lam) ** 2 - lam * c**4 / (1 - lam**2) ** 2
    return dlam, c * (1 / (1 - a * lam) - c**2 / (1 - lam**2))


def flow_time(lam: Float[ArrayLike, ""], a: Float[ArrayLike, ""], nodes: int = 200) -> Float[Array, ""]:
    """Flow time from eigenvalue 0 to `lam` < a at c = 1, recurrent weights trained, eq. (14).

    Gauss-Legendre in z = log(a - l), which takes away the singularity at l = a.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    lam, a = jnp.asarray(lam), jnp.asarray(a)
    start, end = jnp.log(a), jnp.log(a - lam)
    gap = jnp.exp(0.5 * (start + end) + 0.5 * (end - start) * x)
    rate, _ = aligned_rates(a - gap, jnp.ones_like(a), a)
    return 0.5 * (start - end) * jnp.sum(w * gap / rate)


def learning_time(a: Float[ArrayLike, ""], fraction: float = 0.1) -> Float[Array, ""]:
    """Flow time until a - lam = fraction (1 - a), at c = 1, recurrent weights trained; tends to
    `FLOW_TIME_LIMIT` as a -> 1, eq. (15)."""
    a = jnp.asarray(a)
    return flow_time(a - fraction * (1 - a), a)


def infinite_curvature(a: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Curvature (1 + a^2) / (1 - a^2)^3 of the infinite-horizon loss at lam = a, c = 1, eq. (16)."""
    a = jnp.asarray(a)
    return (1 + a**2) / (1 - a**2) ** 3


def curvature(
    lags: Float[Any, "lag"],
    timescale: Any,
    frequency: Any,
    phase: Any,
    weights: Float[Any, "lag"],
    mask: tuple[float, float, float],
    lengths: tuple[Any, Any],
    continuous: bool = False,
    xp: Any = jnp,
) -> Any:
    """Largest eigenvalue of the Hessian at the solution M = a R(omega), p = |u| e_1, q = |v| (cos phi, -sin phi),
    eq. (19): gradient descent is locally stable for rates below 2 / curvature.

    The balanced solution, which learning from small weights reaches; others differ by a change of basis.

    Arguments:
      lags, weights: lags and their weights in the loss.
      timescale, frequency, phase: of the target.
      mask: trained parts (recurrent, read-in, read-out).
      lengths: |u| and |v|.
      continuous: continuous time, where sums over lags are integrals.
      xp: jax.numpy, or numpy to answer at once on the host.
    """
    angle, step = frequency * lags, 0.0 if continuous else 1.0
    decay, shifted = xp.exp(-lags / timescale), xp.exp(-(lags - step) / timescale)
    forward = lengths[0] * decay * xp.stack([xp.cos(angle), xp.sin(angle)])
    backward = lengths[1] * decay * xp.stack([xp.cos(angle + phase), -xp.sin(angle + phase)])
    # sums over l < tau of products of cos and sin of (l omega + phi) and of (tau - 1 - l) omega
    unit = frequency if continuous else xp.sin(frequency)
    resonant = xp.abs(unit) < 1e-9
    beat = xp.where(resonant, lags * xp.cos(angle - step * frequency), xp.sin(angle) / xp.where(resonant, 1.0, unit))
    turned = angle - step * frequency + phase
    cos_sum, sin_sum = lags * xp.cos(turned), lags * xp.sin(turned)
    cos_beat, sin_beat = beat * xp.cos(phase), beat * xp.sin(phase)
    products = xp.stack([cos_sum + cos_beat, sin_sum - sin_beat, -sin_sum - sin_beat, cos_sum - cos_beat])
    recurrent = 0.5 * lengths[0] * lengths[1] * shifted * products
    w, u, v = mask
    slopes = xp.concatenate([w * recurrent, u * backward, v * forward])
    return xp.linalg.eigvalsh((slopes * weights) @ slopes.T)[-1]


def sampled_largest_rate(curvature: Float[ArrayLike, "..."], batch: Float[ArrayLike, "..."]) -> Float[Array, "..."]:
    """Rate below which stochastic gradient descent is stable in mean square: 2 / (Hc (1 + 2 / B)), eq. (25)."""
    return 2.0 / (jnp.asarray(curvature) * (1.0 + 2.0 / jnp.asarray(batch)))


def sampled_multiplier(
    rate: Float[ArrayLike, "..."], curvature: Float[ArrayLike, "..."], batch: Float[ArrayLike, "..."]
) -> Float[Array, "..."]:
    """Factor by which a step of stochastic gradient descent multiplies E (lam - a)^2 near the solution, eq. (25)."""
    x = jnp.asarray(rate) * jnp.asarray(curvature)
    return 1.0 - 2.0 * x + x**2 * (1.0 + 2.0 / jnp.asarray(batch))


def leak_loss(
    mu: Float[ArrayLike, "..."], c: Float[ArrayLike, "..."], kappa: Float[ArrayLike, "..."]
) -> Float[Array, "..."]:
    """Continuous time, infinite horizon: loss of the leak mu = 1 - lam, target exp(-kappa t), eq. (29)."""
    mu, c, kappa = jnp.asarray(mu), jnp.asarray(c), jnp.asarray(kappa)
    return 0.5 * (c**4 / (2 * mu) - 2 * c**2 / (mu + kappa) + 1 / (2 * kappa))


def leak_rates(
    mu: Float[ArrayLike, "..."], c: Float[ArrayLike, "..."], kappa: Float[ArrayLike, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """d mu / ds and d c / ds in continuous time, eq. (29); at c = 1 and kappa = 0, mu^3 = 1 - 9 s / 4."""
    mu, c, kappa = jnp.asarray(mu), jnp.asarray(c), jnp.asarray(kappa)
    return c**4 / (4 * mu**2) - c**2 / (mu + kappa) ** 2, c * (1 / (mu + kappa) - c**2 / (2 * mu))
