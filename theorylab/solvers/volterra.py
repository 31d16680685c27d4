"""Linear Volterra equations of the second kind with a convolution kernel, discrete and continuous in time."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

BLOCK = 512
"""Steps solved by direct recursion before the history is summed by FFT."""


def causal_convolution(kernel: Float[Array, "steps"], signal: Float[Array, "steps"]) -> Float[Array, "steps"]:
    """(kernel * signal)(t) = sum_{s <= t} kernel(t - s) signal(s), by FFT.

    Absolute error: round-off relative to the largest products, so 1e-16 of the largest value, not of each.
    """
    n = kernel.shape[0] + signal.shape[0]
    product = jnp.fft.rfft(kernel, n) * jnp.fft.rfft(signal, n)
    return jnp.fft.irfft(product, n)[: signal.shape[0]]


def accumulate(
    forcing: Float[Array, "steps"], kernel: Float[Array, "steps"], signal: Float[Array, "steps"]
) -> Float[Array, "steps"]:
    """forcing(t) + sum_{s < t} kernel(t - 1 - s) signal(s); docs/sgd_resolvent.md eq. (12)."""
    return forcing + jnp.append(jnp.zeros(1), causal_convolution(kernel, signal)[:-1])


def _direct(forcing: Float[Array, "steps"], kernel: Float[Array, "steps"]) -> Float[Array, "steps"]:
    """O(steps^2) forward recursion; every value keeps its own relative accuracy."""

    # newest[0] is the last value found; kernel[i] multiplies the value i + 1 steps ago
    def step(newest: Array, force: Array) -> tuple[Array, Array]:
        value = force + jnp.dot(kernel, newest)
        return jnp.concatenate([value[None], newest[:-1]]), value

    return jax.lax.scan(step, jnp.zeros_like(forcing), forcing)[1]


def solve(forcing: Float[Array, "steps"], kernel: Float[Array, "steps"]) -> Float[Array, "steps"]:
    """x(t) = forcing(t) + sum_{s < t} kernel(t - 1 - s) x(s), t = 0, 1, ...; docs/sgd_resolvent.md eq. (12).

    Direct recursion up to 4096 steps, beyond them blocks whose history is an FFT convolution.

    Arguments:
      forcing: x without feedback, shape (steps,).
      kernel: response tau + 1 steps after a unit of x, shape (steps,).
    """
    steps = forcing.shape[0]
    if steps <= 8 * BLOCK:
        return _direct(forcing, kernel)
    blocks = -(-steps // BLOCK)
    padding = blocks * BLOCK - steps
    forcing, kernel = jnp.pad(forcing, (0, padding)), jnp.pad(kernel, (0, padding))

    def block(found: Array, start: Array) -> tuple[Array, None]:
        history = accumulate(forcing, kernel, found)
        part = _direct(jax.lax.dynamic_slice(history, (start,), (BLOCK,)), kernel[:BLOCK])
        return jax.lax.dynamic_update_slice(found, part, (start,)), None

    found, _ = jax.lax.scan(block, jnp.zeros_like(forcing), jnp.arange(blocks) * BLOCK)
    return found[:steps]


def solve_continuous(
    forcing: Float[Array, "points"], kernel: Float[Array, "points"], spacing: ArrayLike
) -> Float[Array, "points"]:
    """x(t) = forcing(t) + integral_0^t kernel(t - s) x(s) ds on a uniform grid from t = 0, trapezoid rule.

    Error of order spacing^2. Requires spacing * kernel(0) < 2.
    """
    weight = spacing * kernel
    scale = 1 / (1 - weight[0] / 2)
    # trapezoid: half weight at s = 0 and at s = t; the latter is solved for
    first = forcing[0]
    rest = (forcing[1:] + 0.5 * weight[1:] * first) * scale
    return jnp.append(first[None], solve(rest, jnp.append(weight[1:-1], 0.0) * scale))


def accumulate_continuous(
    forcing: Float[Array, "points"], kernel: Float[Array, "points"], signal: Float[Array, "points"], spacing: ArrayLike
) -> Float[Array, "points"]:
    """forcing(t) + integral_0^t kernel(t - s) signal(s) ds on a uniform grid from t = 0, trapezoid rule."""
    whole = causal_convolution(kernel, signal)
    return forcing + spacing * (whole - 0.5 * (kernel * signal[0] + kernel[0] * signal))


def asymptote(forcing: ArrayLike, mass: ArrayLike) -> Float[Array, ""]:
    """x(infinity) = forcing(infinity) / (1 - mass) for a kernel of total `mass` < 1; NaN otherwise."""
    mass = jnp.asarray(mass)
    return jnp.where(mass < 1, jnp.asarray(forcing) / (1 - mass), jnp.nan)
