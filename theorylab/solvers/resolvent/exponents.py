"""Exponents of ridge regression on power-law spectra, lambda_k = k^-capacity, lambda_k w_k^2 = k^-source.

Noiseless targets; docs/sgd_resolvent.md eq. (20), docs/rf_ensembles.md eq. (14).
"""

from __future__ import annotations

from theorylab.core import require


def require_exponents(capacity: float, source: float) -> None:
    """Raises: `Refused` unless both exceed 1, where trace and target power are finite."""
    require(capacity > 1, f"a power law's exponents need capacity above 1, got {capacity}")
    require(source > 1, f"a power law's exponents need source above 1, got {source}")


def data_exponent(capacity: float, source: float) -> float:
    """loss ~ P^-x with model unlimited: the exponent of the squared bias. Raises: `Refused`."""
    require_exponents(capacity, source)
    return min(source - 1, 2 * capacity)


def model_exponent(capacity: float, source: float) -> float:
    """loss ~ N^-x with data unlimited: the exponent of one model's variance over its features. Raises: `Refused`."""
    require_exponents(capacity, source)
    return min(source - 1, capacity)
