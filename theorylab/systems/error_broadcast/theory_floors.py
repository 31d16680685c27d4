"""How large the running correlation of a trained layer stays by chance; docs/error_broadcast.md eqs. (18)-(23).

Frozen Gaussian features of covariance diag(kappa), a readout at the optimum, noise of variance sigma^2 in each of p
outputs, batches of B. The readout either stays (open loop) or keeps learning by steps of size l (closed loop).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require


def check(forgetting: ArrayLike, batch: Any, readout_step: ArrayLike = 0.0, kappa: Any = 0.0) -> None:
    """Raises: `Refused` for forgetting outside [0, 1), a batch below 1, a readout step that diverges."""
    inside = (jnp.asarray(forgetting) >= 0) & (jnp.asarray(forgetting) < 1)
    require(inside, f"forgetting (lambda) must be in [0, 1), got {forgetting}")
    require(batch >= 1, f"batch must be at least 1, got {batch}")
    largest = jnp.max(jnp.asarray(readout_step) * jnp.asarray(kappa))
    require(
        (largest < 2) & (largest >= 0),
        f"the readout diverges: its step times the largest feature variance is {largest}, it must be in [0, 2)",
    )


def open_loop(
    kappa: Float[ArrayLike, "H"],
    forgetting: ArrayLike,
    batch: ArrayLike,
    noise: ArrayLike,
    outputs: int = 1,
    steps: ArrayLike = jnp.inf,
    start: ArrayLike = 0.0,
) -> Float[Array, "..."]:
    """Mean of |R|_F^2 with all weights frozen at the optimum, `steps` after |R|^2 was `start`; eq. (18). Raises:
    `Refused`."""
    check(forgetting, batch)
    lam = jnp.asarray(forgetting)
    left = lam ** (2 * jnp.asarray(steps))
    power = jnp.sum(jnp.asarray(kappa)) * jnp.asarray(noise) ** 2 * outputs
    return (1 - left) * (1 - lam) / (1 + lam) * power / batch + left * start


def correlation_coefficient(forgetting: ArrayLike, batch: ArrayLike) -> tuple[Array, Array]:
    """Root mean square and mean size of an entry of the running correlation coefficient by chance; eq. (19).
    Raises: `Refused`."""
    check(forgetting, batch)
    lam = jnp.asarray(forgetting)
    rms = jnp.sqrt((1 - lam) / ((1 + lam) * jnp.asarray(batch)))
    return rms, jnp.sqrt(2 / jnp.pi) * rms


def closed_loop(
    kappa: Float[ArrayLike, "H"],
    forgetting: ArrayLike,
    batch: ArrayLike,
    noise: ArrayLike,
    readout_step: ArrayLike,
    outputs: int = 1,
) -> Float[Array, ""]:
    """Stationary mean of |R|_F^2 while the readout learns, to first order in 1/batch; eq. (20). Raises: `Refused`."""
    check(forgetting, batch, readout_step, kappa)
    kappa, beta = jnp.asarray(kappa), 1 - jnp.asarray(forgetting)
    alpha = readout_step * kappa
    terms = kappa * 2 * beta**2 / ((2 - alpha) * (2 - beta) * (alpha + beta - alpha * beta))
    return jnp.asarray(noise) ** 2 * outputs / batch * jnp.sum(terms)


def excess(
    kappa: Float[ArrayLike, "H"], batch: ArrayLike, noise: ArrayLike, readout_step: ArrayLike, outputs: int = 1
) -> Float[Array, ""]:
    """Excess mean square error of the learning readout, to first order in 1/batch; eq. (21). Raises: `Refused`."""
    check(0.0, batch, readout_step, kappa)
    kappa, step = jnp.asarray(kappa), jnp.asarray(readout_step)
    return step * jnp.asarray(noise) ** 2 * outputs / batch * jnp.sum(kappa / (2 - step * kappa))


class Moments(NamedTuple):
    """Of one output's errors d_i of the readout and entries R_i: E d_i^2, E d_i R_i, E R_i^2, each of shape (H,)."""

    deviation: Float[Array, "H"]
    mixed: Float[Array, "H"]
    feedback: Float[Array, "H"]


def moment_step(
    moments: Moments,
    kappa: Float[Array, "H"],
    renewal: ArrayLike,
    batch: ArrayLike,
    noise: ArrayLike,
    readout_step: ArrayLike,
) -> Moments:
    """One batch, exactly for Gaussian features at every batch size; eqs. (22), (23)."""
    d, c, r = moments
    lam, beta, step = 1 - jnp.asarray(renewal), jnp.asarray(renewal), jnp.asarray(readout_step)
    # the batch's correlation is kappa d plus a fluctuation that is uncorrelated with the past
    spread = (kappa * (jnp.sum(kappa * d) + jnp.asarray(noise) ** 2) + kappa**2 * d) / batch
    keep = 1 - step * kappa
    return Moments(
        keep**2 * d + step**2 * spread,
        keep * (lam * c + beta * kappa * d) - step * beta * spread,
        lam**2 * r + 2 * lam * beta * kappa * c + beta**2 * (kappa**2 * d + spread),
    )


def windows(
    start: Moments,
    kappa: Float[Array, "H"],
    renewal: ArrayLike,
    batch: ArrayLike,
    noise: ArrayLike,
    readout_step: ArrayLike,
    ends: np.ndarray,
) -> tuple[Array, Array]:
    """Means over the windows of steps (0, ends[0]], (ends[0], ends[1]], ... of sum_i E R_i^2 and sum_i kappa_i E d_i^2
    after each step, for one output."""

    def step(moments: Moments, _: None) -> tuple[Moments, tuple[Array, Array]]:
        moments = moment_step(moments, kappa, renewal, batch, noise, readout_step)
        return moments, (jnp.sum(moments.feedback), jnp.sum(kappa * moments.deviation))

    _, (power, off) = jax.lax.scan(step, start, length=int(ends[-1]))
    begins = np.concatenate([[0], ends[:-1]])

    def means(values: Array) -> Array:
        total = jnp.concatenate([jnp.zeros(1, values.dtype), jnp.cumsum(values)])
        return (total[ends] - total[begins]) / (ends - begins)

    return means(power), means(off)
