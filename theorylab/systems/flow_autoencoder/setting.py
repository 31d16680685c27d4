"""What both sides share: times, gains, the target's definition, the start, what is recorded and where.

Equation numbers are those of docs/flow_autoencoder.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key

from theorylab.data import mixtures
from theorylab.data.mixtures import Mixture

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder

STOP = 1e-3
"""The continuous sampler ends this short of time 1 and jumps to the denoised point, docs eq. (24)."""


class Schedule(NamedTuple):
    """The interpolant x_t = alpha x_0 + beta x_1 and the network's gains at given times, each of shape (times,).

    Arguments:
      pull: alpha' / alpha, the velocity's coefficient of x.
      push: beta' - alpha' beta / alpha, the velocity's coefficient of the denoiser; eq. (18).
      gain, inner: g_t and k_t of the network, eq. (3).
    """

    time: Float[Array, "*times"]
    alpha: Float[Array, "*times"]
    beta: Float[Array, "*times"]
    pull: Float[Array, "*times"]
    push: Float[Array, "*times"]
    gain: Float[Array, "*times"]
    inner: Float[Array, "*times"]


class Start(NamedTuple):
    """Initial order parameters: overlap M(0) (units, directions) and norm Q(0) (units, units)."""

    overlap: Float[Array, "units directions"]
    norm: Float[Array, "units units"]


def schedule(system: FlowAutoencoder, time: Float[ArrayLike, "*times"] | None = None) -> Schedule:
    """The interpolant at the grid's times, or at given ones below 1."""
    t = jnp.asarray(np.asarray(system.grid_times) if time is None else time, system.dtype)
    if system.interpolant == "linear":
        alpha, beta = 1 - t, t
        pull, push = -1 / (1 - t), 1 / (1 - t)
    else:
        angle = np.pi / 2
        alpha, beta = jnp.cos(angle * t), jnp.sin(angle * t)
        pull, push = -angle * jnp.tan(angle * t), angle / jnp.cos(angle * t)
    one = jnp.ones_like(t)
    variance = alpha**2 + beta**2 * noise(system) ** 2
    gain, inner = (one, one) if system.gains == "plain" else (alpha**2 / variance, beta / variance)
    return Schedule(t, alpha, beta, pull, push, gain, inner)


def optimal_skip(at: Schedule, noise: Float[ArrayLike, ""]) -> Float[Array, "*times"]:
    """b*_t = beta sigma^2 / Delta, the skip of least error on isotropic noise; eq. (8)."""
    return at.beta * noise**2 / (at.alpha**2 + at.beta**2 * noise**2)


def noise(system: FlowAutoencoder) -> Float[Array, ""]:
    """sigma of the target."""
    if system.target == "digits":
        from theorylab.systems.flow_autoencoder import digits

        return jnp.asarray(digits.target(system.classes, system.components, system.scale).noise, system.dtype)
    return jnp.asarray(system.noise, system.dtype)


def mixture(system: FlowAutoencoder) -> Mixture:
    """The target as a Gaussian mixture; of digits, one mode a class, at the class's mean."""
    sigma = noise(system)
    if system.target == "pair":
        return mixtures.pair(system.separation, system.share, sigma)
    if system.target == "cross":
        return mixtures.cross(system.separation, system.share, sigma)
    if system.target == "digits":
        from theorylab.systems.flow_autoencoder import digits

        known = digits.target(system.classes, system.components, system.scale)
        return Mixture(jnp.asarray(known.means, system.dtype), jnp.asarray(known.shares, system.dtype), sigma)
    shares = np.asarray(system.shares)
    means = np.asarray(system.means).reshape(len(shares), -1)
    return Mixture(jnp.asarray(means, system.dtype), jnp.asarray(shares, system.dtype), sigma)


def overlap_start(system: FlowAutoencoder) -> Float[Array, "units directions"]:
    """M(0) of an informed start: `overlap` on the diagonal, `tilt` above it and -`tilt` below; eq. (6)."""
    rows, columns = np.arange(system.units)[:, None], np.arange(system.directions)[None]
    pattern = [jnp.asarray(rows == columns, system.dtype), jnp.asarray(columns == rows + 1, system.dtype)]
    below = jnp.asarray(columns == rows - 1, system.dtype)
    return system.overlap * pattern[0] + system.tilt * (pattern[1] - below)


def start(system: FlowAutoencoder, drawn: Start | None) -> Start:
    """M(0) and Q(0) of every run: the drawn ones, or those of the informed start, M0 M0^T + q I; eq. (6)."""
    if drawn is not None:
        return drawn
    m = overlap_start(system)
    return Start(m, m @ m.T + system.spread * jnp.eye(system.units, dtype=system.dtype))


def draw_start(system: FlowAutoencoder, key: Key[Array, ""]) -> Start:
    """M(0) and Q(0) of weights of independent Gaussian entries of variance q."""
    dimension, units, directions = int(system.dimension), system.units, system.directions
    weight = jnp.sqrt(jnp.asarray(system.spread)) * jax.random.normal(key, (units, dimension), system.dtype)
    return Start(weight[:, :directions] / np.sqrt(dimension), weight @ weight.T / dimension)


def skip_start(system: FlowAutoencoder, at: Schedule) -> Float[Array, "times"]:
    """b(0): zero where it is learned, b* where it is given."""
    return jnp.zeros_like(at.time) if system.skip == "learned" else optimal_skip(at, noise(system))


def edges(system: FlowAutoencoder) -> Float[Array, "edges"]:
    """Edges of the bins of projected densities: 1.5 times the farthest mean and five sigma, to both sides."""
    target = mixture(system)
    reach = 1.5 * jnp.max(jnp.abs(target.means)) + 5.0 * target.noise
    return reach * jnp.linspace(-1.0, 1.0, system.bins + 1, dtype=system.dtype)


def pairs(units: int) -> tuple[np.ndarray, np.ndarray]:
    """Index of the entries of a symmetric matrix that are shown: its upper triangle."""
    return np.triu_indices(units)
