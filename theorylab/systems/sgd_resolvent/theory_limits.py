"""Limits of learning curves: infinite time, and the exponents of power-law spectra."""

from __future__ import annotations

from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers.resolvent import (
    Modes,
    data_exponent,
    model_exponent,
    renormalised_ridge,
    require_exponents,
    ridge_moments,
)

__all__ = [
    "compute_exponent",
    "data_exponent",
    "kernel_exponent",
    "model_exponent",
    "one_pass_exponent",
    "ridge_loss",
    "time_exponent",
]


def ridge_loss(
    modes: Modes, samples: float, width: float, noise: ArrayLike, ridge: ArrayLike = 0.0
) -> Float[Array, ""]:
    """Test loss of ridge regression; at `ridge` 0 the limit of gradient flow at infinite time; eq. (15).

    Diverges at ridge 0 where width = samples < dimension.
    """
    kappa = renormalised_ridge(modes, ridge, samples, width)
    return ridge_moments(modes, kappa, samples, width, noise**2).same - noise**2  # pyright: ignore[reportOperatorIssue]


def time_exponent(capacity: float, source: float) -> float:
    """loss ~ t^-x with data and model unlimited, gradient flow; eq. (20). Raises: `Refused`."""
    require_exponents(capacity, source)
    return (source - 1) / capacity


def kernel_exponent(capacity: float) -> float:
    """Noise kernel of one-pass SGD ~ t^-x; eq. (20). Raises: `Refused`."""
    require_exponents(capacity, 2.0)
    return 2 - 1 / capacity


def one_pass_exponent(capacity: float, source: float) -> float:
    """loss ~ t^-x of one-pass SGD without label noise: the slower of signal and noise kernel; eq. (20)."""
    return min(time_exponent(capacity, source), kernel_exponent(capacity))


def compute_exponent(capacity: float, source: float) -> float:
    """loss ~ C^-x along the best split of compute C = width x time, data unlimited; eq. (21). Raises: `Refused`."""
    time, model = time_exponent(capacity, source), model_exponent(capacity, source)
    return time * model / (time + model)
