"""Growth out of an uninformed start: growth rate, the norm that weights settle at, learnability thresholds.

One hidden unit, no bias, an odd activation, the optimal skip; docs section 5, eqs. (34)-(36).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers import quadrature
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder.setting import Schedule
from theorylab.systems.flow_autoencoder.theory_drift import activate

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder

NODES = 1601
"""Trapezoid nodes: they resolve norms up to 1000, where tanh is a step."""
SCAN = (1e-4, 1e3, 200)
"""Logarithmic grid that fixed points of the norm are looked for on, from below."""


BISTABLE = 1.5
"""Learning rates from which a second, unstable norm may lie within reach of a start of order one."""


class Rest(NamedTuple):
    """Weights without overlap at a given norm: growth rate of the overlap along each direction's second moment S, as
    `rho = slope S - loss`, and the drift of the norm."""

    slope: Float[Array, ""]
    loss: Float[Array, ""]
    norm_drift: Float[Array, ""]


def at_rest(
    norm: Float[ArrayLike, ""],
    at: Schedule,
    noise: Float[ArrayLike, ""],
    rate: Float[ArrayLike, ""],
    ridge: Float[ArrayLike, ""] = 0.0,
    batch: int = 1,
    activation: str = "tanh",
) -> Rest:
    """Linear growth of the overlap, eq. (34), and drift of the norm, eq. (35), at M = 0, b = b*, theta = 0."""
    z, weights = quadrature.trapezoid(1, NODES)
    z, weights = jnp.asarray(z[:, 0]), jnp.asarray(weights)
    q, sigma2 = jnp.asarray(norm), jnp.asarray(noise) ** 2

    def one_time(here: Schedule) -> tuple[Array, Array, Array]:
        delta = here.alpha**2 + here.beta**2 * sigma2
        excess = here.alpha**2 / delta  # a_t: what the best skip leaves of the mean
        left = sigma2 * here.alpha**2 / delta  # variance of the error that x_t does not explain
        f, first = activate(activation, here.inner * jnp.sqrt(delta * q) * z)
        second = jax.vmap(jax.grad(lambda x: activate(activation, x)[1]))(here.inner * jnp.sqrt(delta * q) * z)
        g, k = here.gain, here.inner
        curved = g**2 * k**2 * q * (weights @ (second * f + first**2))
        slope = 2 * g * k * excess * here.beta * (weights @ first) - curved * here.beta**2
        loss = g**2 * (weights @ f**2) + curved * delta
        # at M = 0: epsilon = -g Q f + sqrt(left) n, the error of the skip has variance left and is orthogonal to x_t
        push = -first * g * q * f
        h = jnp.sqrt(delta * q) * z
        drift = -2 * g**2 * q * (weights @ f**2) + 2 * g * k * (weights @ (push * h))
        kick = g**2 * (left * (weights @ f**2) + k**2 * delta * (weights @ (push**2 + first**2 * left * q)))
        return slope, loss, jnp.stack([drift, kick])

    slope, loss, moved = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), jax.vmap(one_time)(at))
    eta = jnp.asarray(rate)
    norm_drift = eta * (moved[0] - 2 * ridge * q) + eta**2 / batch * moved[1]
    return Rest(eta * slope, eta * (loss + ridge), norm_drift)


def growth_rates(system: FlowAutoencoder, norm: Float[ArrayLike, ""]) -> Float[Array, "directions"]:
    """Growth rates of the overlap at M = 0 and the given norm, along the eigenvectors of S = sum_k p_k m_k m_k^T."""
    target = setting.mixture(system)
    rest = _rest_of(system, norm)
    moment = jnp.einsum("k,ki,kj->ij", target.shares, target.means, target.means)
    return rest.slope * jnp.linalg.eigvalsh(moment) - rest.loss


def _rest_of(system: FlowAutoencoder, norm: Float[ArrayLike, ""]) -> Rest:
    at, sigma = setting.schedule(system), setting.noise(system)
    return at_rest(norm, at, sigma, system.rate, system.ridge, system.batch, system.activation)


def resting_norms(system: FlowAutoencoder) -> list[tuple[float, bool]]:
    """Fixed points of the norm at M = 0, from below, each with whether it is stable. Host only.

    The lowest stable one is where uninformed weights settle; an unstable one above it bounds its basin.
    """
    with jax.enable_x64(True):
        drift = jax.jit(lambda norms: jax.lax.map(lambda q: _rest_of(system, q).norm_drift, norms))
        grid = np.geomspace(*SCAN)
        values = np.asarray(drift(jnp.asarray(grid)))
        found: list[tuple[float, bool]] = []
        for i in np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1])):
            found.append(
                (_bisected(lambda q: float(drift(jnp.asarray([q]))[0]), grid[i], grid[i + 1]), bool(values[i] > 0))
            )
        return found


def _bisected(function: Callable[[float], float], low: float, high: float) -> float:
    """Where `function` changes sign between `low` and `high`, to round-off of a few parts in 1e12."""
    positive = function(low) > 0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if (function(middle) > 0) == positive else (low, middle)
    return math.sqrt(low * high)


def threshold(system: FlowAutoencoder) -> float:
    """Smallest second moment along a direction that uninformed weights learn, as a distance a = sqrt(S); eq. (36).

    Infinite where no distance is learned; nan where no norm is stable. Host only.
    """
    stable = [q for q, is_stable in resting_norms(system) if is_stable]
    if not stable:
        return float("nan")
    with jax.enable_x64(True):
        rest = _rest_of(system, stable[0])
        return float(jnp.sqrt(rest.loss / rest.slope)) if rest.slope > 0 else float("inf")


def escape_warning(system: FlowAutoencoder) -> str:
    """A sentence where one unit's initial norm lies beyond the basin of the quiet fixed point; "" elsewhere."""
    if system.units != 1 or system.activation == "identity" or system.rate < BISTABLE:
        return ""
    bounds = [q for q, is_stable in resting_norms(system) if not is_stable]
    begin = float(system.spread)
    if not bounds or begin < bounds[0]:
        return ""
    return (
        f"spread = {begin:g} lies above the unstable norm {bounds[0]:.3g}: without overlap the weights grow until the "
        "noise of SGD dominates; lower rate or spread"
    )
