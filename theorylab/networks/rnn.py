"""The linear recurrent network h_t = W h_{t-1} + u x_t, y_t = v . h_t, and its losses on white noise.

Conventions as in docs/rnn_integrator.md: no factor of the width anywhere, |u| and |v| are of order one.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require


class RNN(NamedTuple):
    """Weights of a linear recurrent network: `recurrent` (N, N), `readin` (N,), `readout` (N,)."""

    recurrent: Float[Array, "n n"]
    readin: Float[Array, "n"]
    readout: Float[Array, "n"]


def impulse_response(network: RNN, lags: int) -> Float[Array, "lag"]:
    """k_tau = v . W^tau u for tau = 0 .. lags - 1, by running the network on a unit impulse; eq. (2)."""

    def step(h: Float[Array, "n"], _: None) -> tuple[Float[Array, "n"], Float[Array, ""]]:
        return network.recurrent @ h, jnp.dot(network.readout, h)

    return jax.lax.scan(step, network.readin, None, length=lags)[1]


def outputs(network: RNN, x: Float[Array, "time"]) -> Float[Array, "time"]:
    """The network's output on an input sequence, from rest; eq. (1)."""

    def step(h: Float[Array, "n"], xt: Float[Array, ""]) -> tuple[Float[Array, "n"], Float[Array, ""]]:
        h = network.recurrent @ h + network.readin * xt
        return h, jnp.dot(network.readout, h)

    return jax.lax.scan(step, jnp.zeros_like(network.readin), x)[1]


def population_loss(network: RNN, target: Float[Array, "lag"], weights: Float[Array, "lag"]) -> Float[Array, ""]:
    """1/2 sum_tau w_tau (k_tau - k*_tau)^2: the expected loss on white noise of unit variance; eq. (4).

    Raises: `Refused` where target and weights differ in length.
    """
    _require_lengths(target, weights)
    error = impulse_response(network, target.shape[0]) - target
    return 0.5 * jnp.sum(weights * error**2)


def grads(network: RNN, target: Float[Array, "lag"], weights: Float[Array, "lag"]) -> RNN:
    """Exact gradient of `population_loss`; eq. (7). Time O(T N^2 + T^2 N), memory O(T N + N^2).

    Raises: `Refused` where target and weights differ in length.
    """
    _require_lengths(target, weights)
    w, u, v = network
    lags = target.shape[0]
    forward = jax.lax.scan(lambda h, _: (w @ h, h), u, None, length=lags)[1]
    backward = jax.lax.scan(lambda b, _: (b @ w, b), v, None, length=lags)[1]
    weighted = weights * (forward @ v - target)
    index = jnp.arange(lags)[:, None] + jnp.arange(lags)[None] + 1
    hankel = jnp.where(index < lags, weighted[jnp.minimum(index, lags - 1)], 0.0)
    return RNN(backward.T @ (hankel @ forward), weighted @ backward, weighted @ forward)


def sampled_loss(
    network: RNN, x: Float[Array, "batch time"], target: Float[Array, "time"], average: bool
) -> Float[Array, ""]:
    """1/2 mean squared error between the network's output and the target filter's, on sampled sequences.

    Arguments:
      x: input sequences, one a row, in order of time.
      target: impulse response of the filter to be learned, as long as the sequences.
      average: over all times of the sequence; else at its last time only.
    Raises: `Refused` where the target's length is not the sequences'.
    """
    lags = x.shape[1]
    require(target.shape == (lags,), f"the target must have {lags} lags, as long as the input, got {target.shape}")
    y = jax.vmap(outputs, (None, 0))(network, x)
    if not average:
        return 0.5 * jnp.mean((y[:, -1] - x @ target[::-1]) ** 2)
    lag = jnp.arange(lags)[:, None] - jnp.arange(lags)[None]
    wanted = x @ jnp.where(lag >= 0, target[jnp.maximum(lag, 0)], 0.0).T
    return 0.5 * jnp.mean((y - wanted) ** 2)


def infinite_loss(
    network: RNN, modes: Float[Array, "2 2"], excited: Float[Array, "2"], read: Float[Array, "2"], doublings: int = 14
) -> Float[Array, ""]:
    """1/2 sum over all lags of (v . W^tau u - read . modes^tau excited)^2, for spectral radii below one; eq. (17).

    The target filter is a linear network of two units; the difference of the two is one network of N + 2 units, and
    its covariance P = A P A^T + b b^T is summed by doubling (2 ** doublings lags). Time O(doublings N^3).
    """
    n = network.readin.shape[0]
    a = jnp.zeros((n + 2, n + 2), network.recurrent.dtype).at[:n, :n].set(network.recurrent).at[n:, n:].set(modes)
    b = jnp.concatenate([network.readin, excited])
    c = jnp.concatenate([network.readout, -read])

    def double(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        p, power = carry
        return (p + power @ p @ power.T, power @ power), None

    (p, _), _ = jax.lax.scan(double, (jnp.outer(b, b), a), None, length=doublings)
    return 0.5 * c @ p @ c


def propagator(recurrent: Float[Array, "n n"], spacing: Float[ArrayLike, ""]) -> Float[Array, "n n"]:
    """One classical Runge-Kutta step of length `spacing` of dh/dt = (W - 1) h, as a matrix; eq. (27)."""
    n = recurrent.shape[0]
    x = (recurrent - jnp.eye(n, dtype=recurrent.dtype)) * spacing
    x2 = x @ x
    return jnp.eye(n, dtype=recurrent.dtype) + x + x2 / 2 + x2 @ x / 6 + x2 @ x2 / 24


def imbalance(network: RNN) -> Float[Array, "n n"]:
    """W W^T - W^T W + u u^T - v v^T: conserved by gradient flow when all three are trained; eq. (10)."""
    w, u, v = network
    return w @ w.T - w.T @ w + jnp.outer(u, u) - jnp.outer(v, v)


def _require_lengths(target: Float[Array, "lag"], weights: Float[Array, "lag"]) -> None:
    require(
        target.ndim == 1 and weights.shape == target.shape,
        f"target and loss weights must be two sequences of one length, got {target.shape} and {weights.shape}",
    )
