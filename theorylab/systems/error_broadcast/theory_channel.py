"""A sign in Gaussian noise, x = sqrt(snr) s + n: the least mean square error in closed form; docs/error_broadcast.md
eqs. (24)-(26)."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.solvers import quadrature


def _average(function: Callable[[Array], Array]) -> Array:
    """Mean over a standard normal."""
    nodes = quadrature.trapezoid(1, 481, 12.0)
    return jnp.sum(nodes.weights * function(jnp.asarray(nodes.points[:, 0])), axis=-1)


def mmse(snr: ArrayLike) -> Float[Array, "..."]:
    """1 - E tanh(snr - sqrt(snr) z), eq. (25). Raises: `Refused` for a negative snr."""
    require(jnp.asarray(snr) >= 0, f"snr must not be negative, got {snr}")
    gamma = jnp.asarray(snr)[..., None]
    # 1 - tanh(u) = 2 / (1 + e^{2u}) keeps its digits where the error is exponentially small
    return _average(lambda z: 2 / (1 + jnp.exp(2 * (gamma - jnp.sqrt(gamma) * z))))


def mutual_information(snr: ArrayLike) -> Float[Array, "..."]:
    """I(s; x) = snr - E ln cosh(snr - sqrt(snr) z) in nats; dI/dsnr = mmse / 2; eq. (26). Raises: `Refused`."""
    require(jnp.asarray(snr) >= 0, f"snr must not be negative, got {snr}")
    gamma = jnp.asarray(snr)[..., None]

    def log_cosh(z: Array) -> Array:
        u = gamma - jnp.sqrt(gamma) * z
        return jnp.logaddexp(u, -u) - jnp.log(2.0)

    return jnp.asarray(snr) - _average(log_cosh)
