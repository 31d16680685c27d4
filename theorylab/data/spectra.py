"""Spectra of population covariances, with the target's power on them.

Every function returns `Spectrum(values, power, multiplicity)`: eigenvalue lambda_k, target power
lambda_k w_k^2 in one of its modes, and how many equal modes the entry stands for. Normalisations are the
functions' own; `scaled` gives the target a wanted total power.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require, require_finite
from theorylab.data import digits

EXACT_MODES = 3000
"""Modes of a power law that are kept one by one; beyond them, logarithmic bins."""
BINS_PER_DECADE = 400
"""Logarithmic bins a decade of the mode's index."""


Values = Float[Array, "modes"] | Float[np.ndarray, "modes"]


class Spectrum(NamedTuple):
    """Eigenvalues, target power in one mode of each, multiplicities; all of shape (modes,)."""

    values: Values
    power: Values
    multiplicity: Values


@functools.lru_cache(maxsize=32)
def binned_indices(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Mode indices 1..dimension, one by one up to 3000, then in logarithmic bins.

    Returns: a bin's index (geometric mean of its edges, which lie at integers + 1/2) and its number of modes.
    """
    exact = min(dimension, EXACT_MODES)
    index = np.arange(1, exact + 1, dtype=np.float64)
    count = np.ones(exact)
    if dimension > exact:
        decades = np.log10(dimension / exact)
        edges = np.geomspace(exact, dimension, max(2, int(np.ceil(decades * BINS_PER_DECADE)) + 1))
        edges = np.unique(np.round(edges)) + 0.5
        index = np.concatenate([index, np.sqrt(edges[1:] * edges[:-1])])
        count = np.concatenate([count, np.diff(edges)])
    return index, count


def _namespace(*arrays: Any) -> Any:
    """numpy on the host, jax.numpy once any value is a JAX array or is being traced."""
    return jnp if any(isinstance(x, jax.Array) for x in arrays) else np


def scaled(spectrum: Spectrum, total: ArrayLike) -> Spectrum:
    """The same spectrum with target power `total` in all, sum m lambda w^2."""
    power = spectrum.power * (total / (spectrum.multiplicity * spectrum.power).sum())
    return spectrum._replace(power=power)


def power_law(dimension: int, capacity: ArrayLike, source: ArrayLike) -> Spectrum:
    """lambda_k = k^-capacity and lambda_k w_k^2 = k^-source for k = 1..dimension.

    Modes beyond the 3000th are binned (multiplicities), so that a dimension of 10^12 is a few thousand entries.
    In numpy's double precision for numbers of the host, in JAX where the exponents are JAX arrays.

    Raises: `Refused` for a dimension below 1.
    """
    require(dimension >= 1, f"dimension must be at least 1, got {dimension}")
    capacity, source = (x if isinstance(x, jax.Array) else np.asarray(x) for x in (capacity, source))
    xp = _namespace(capacity, source)
    index, count = binned_indices(dimension)
    logs = xp.asarray(np.log(index), dtype=xp.result_type(capacity, source))
    return Spectrum(xp.exp(-capacity * logs), xp.exp(-source * logs), xp.asarray(count, dtype=logs.dtype))


def endless_power_law(capacity: float, source: float, largest: int = 10**12) -> Spectrum:
    """lambda_k = k^-capacity and lambda_k w_k^2 = k^-source for all k >= 1: no cut-off.

    Modes beyond `largest` keep their share of the trace and of the target's power in one entry, of eigenvalue
    largest^-capacity / 1000: dropping them moves df1(kappa) by largest^(1-capacity) / ((capacity - 1) kappa),
    which a slowly decaying spectrum notices even at 10^12. On the host, in double precision.

    Raises: `Refused` unless both exponents exceed 1.
    """
    require(capacity > 1, f"a power law without end needs capacity above 1, got {capacity}")
    require(source > 1, f"a power law without end needs source above 1, got {source}")
    values, power, count = (np.asarray(x) for x in power_law(largest, capacity, source))
    value = 1e-3 * float(largest) ** -capacity
    number = float(largest) ** (1 - capacity) / ((capacity - 1) * value)
    total = float(largest) ** (1 - source) / (source - 1)
    return Spectrum(np.append(values, value), np.append(power, total / number), np.append(count, number))


class Described(Protocol):
    """A setting whose fields say what its spectrum is."""

    @property
    def spectrum(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def capacity(self) -> Any: ...
    @property
    def source(self) -> Any: ...
    @property
    def signal(self) -> Any: ...
    @property
    def eigenvalues(self) -> Any: ...
    @property
    def target_power(self) -> Any: ...
    @property
    def multiplicity(self) -> Any: ...


def described(setting: Described) -> Spectrum:
    """The spectrum that a setting's fields describe, its target of power `signal` in all.

    `setting.spectrum` is "power_law", "flat", "digits" (the arc-cosine kernel on the digits set), or "given" (the
    setting's own `eigenvalues`, `target_power` and `multiplicity`).

    Raises: `Refused` for another word.
    """
    match setting.spectrum:
        case "power_law":
            found = power_law(setting.dimension, setting.capacity, setting.source)
        case "flat":
            found = flat(setting.dimension)
        case "digits":
            values, power = digits.kernel_spectrum()
            found = Spectrum(values, power, np.ones_like(values))
        case "given":
            counts = np.asarray(setting.multiplicity or np.ones(np.shape(setting.eigenvalues)), np.float64)
            found = Spectrum(setting.eigenvalues, setting.target_power, counts)
        case other:
            require(False, f"no spectrum is called {other!r}: power_law, flat, digits or given")
            raise AssertionError
    return scaled(found, setting.signal)


def require_given(values: Any, power: Any, multiplicity: Sequence[float], dimension: int) -> None:
    """Refuse a user's spectrum that is empty, not positive, not finite, or of other shapes than its target's.

    Arguments:
      values, power: eigenvalues and target power in one mode, shape (modes,); may be traced.
      multiplicity: modes that share each eigenvalue, or empty for one each; they add up to `dimension`.

    Raises: `Refused`.
    """
    count = np.shape(values)[0] if np.ndim(values) == 1 else 0
    require(count > 0, "a given spectrum needs at least one eigenvalue, a one-dimensional array")
    require(
        np.shape(power) == (count,),
        f"target_power must match the {count} eigenvalues, got shape {np.shape(power)}",
    )
    require(
        len(multiplicity) in (0, count),
        f"multiplicity must match the {count} eigenvalues or be empty, got {len(multiplicity)} numbers",
    )
    require(all(m > 0 and np.isfinite(m) for m in multiplicity), "multiplicities must be positive and finite")
    total = sum(multiplicity) or count
    require(round(total) == dimension, f"dimension must be the number of modes {total:g}, got {dimension}")
    require_finite(eigenvalues=values, target_power=power)
    if not any(isinstance(x, jax.core.Tracer) for x in (values, power)):
        require(np.all(np.asarray(values) > 0), "every eigenvalue must be positive")
        require(np.all(np.asarray(power) >= 0), "no target power may be negative")
        require(np.sum(power) > 0, "the target needs power in some mode")


def two_level(dimension: int, level: ArrayLike) -> Spectrum:
    """Half of the eigenvalues 1 (the larger half where `dimension` is odd), half `level`; target weights all equal."""
    xp = _namespace(level)
    upper = (dimension + 1) // 2
    values = xp.stack([xp.ones_like(level), xp.asarray(level)])
    count = xp.asarray([float(upper), float(dimension - upper)], dtype=values.dtype)
    return Spectrum(values, values / dimension, count)


def flat(dimension: int) -> Spectrum:
    """All eigenvalues 1; target weights all equal, of total power 1."""
    return Spectrum(np.ones(1), np.full(1, 1.0 / dimension), np.full(1, float(dimension)))
