"""Fixed features: learning without an outlier. Equation numbers are those of docs/rnn_integrator.md."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def integer_powers(x: Float[ArrayLike, ""], count: int) -> Float[Array, "power"]:
    """x^0, x^1, .., x^(count - 1); 0^0 = 1, and finite derivatives at 0."""
    x = jnp.asarray(x)
    return jnp.concatenate([jnp.ones(1, x.dtype), jnp.cumprod(jnp.broadcast_to(x, (count - 1,)))])


def lag_kernel(
    bulk: Float[ArrayLike, ""],
    lengths: tuple[Float[ArrayLike, ""], Float[ArrayLike, ""]],
    mask: tuple[float, float, float],
    lags: int,
) -> Float[Array, "lag"]:
    """Neural tangent kernel of each lag at infinite width, diagonal in lags for orthogonal u0 and v0, eq. (23).

    Arguments:
      bulk: initial spectral radius g.
      lengths: |u0| and |v0|.
      mask: trained parts (recurrent, read-in, read-out).
      lags: their number.
    """
    w, u, v = mask
    u2, v2 = jnp.asarray(lengths[0]) ** 2, jnp.asarray(lengths[1]) ** 2
    powers = integer_powers(jnp.asarray(bulk) ** 2, lags)
    lag = jnp.arange(lags)
    earlier = jnp.concatenate([jnp.zeros(1, powers.dtype), powers[:-1]])
    return powers * (v * u2 + u * v2) + w * u2 * v2 * lag * earlier


def lazy_response(
    kernel: Float[Array, "lag"],
    start: Float[Array, "lag"],
    target: Float[Array, "lag"],
    weights: Float[Array, "lag"],
    time: Float[ArrayLike, "record"],
    rate: Float[ArrayLike, ""] | None = None,
) -> Float[Array, "record lag"]:
    """Impulse response under a constant diagonal kernel, eq. (24): each lag learns on its own, at rate w Theta.

    Exact at infinite width where only the read-out (or only the read-in) is trained; the lazy limit |u0|, |v0| >> 1
    where all are.

    Arguments:
      kernel: Theta of each lag.
      start, target: impulse response at time 0, and to be learned.
      weights: loss weights.
      time: gradient-flow times.
      rate: learning rate of gradient descent (time = rate x steps); gradient flow where None.
    """
    speed = weights * kernel
    if rate is None:
        left = jnp.exp(-speed * jnp.asarray(time)[:, None])
    else:
        rate = jnp.asarray(rate)
        factor = 1.0 - rate * speed
        steps = jnp.rint(jnp.asarray(time) / rate).astype(int)[:, None]
        left = factor**steps
    return target + (start - target) * left
