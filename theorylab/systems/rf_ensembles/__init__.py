"""One large model or many small ones: the risk of ensembles of random-feature ridge regressors.

Ruben, Tong, Chaudhry and Pehlevan (2024), arXiv 2412.05418. The mathematics, with numbered equations:
docs/rf_ensembles.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.core
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Observable,
    Paper,
    Prediction,
    Preset,
    Size,
    coupling,
    extent,
    require,
    require_finite,
    require_size,
)
from theorylab.systems.rf_ensembles.presets import PAPER, PRESETS

DIGITS = 1797
"""Images in the digits set: its kernel's modes."""
DIGITS_MARGIN = 0.15
"""Equivalents of Gaussian data hold for measured kernels to 2-15 %, not exactly."""
SMALL_RIDGE = 1e-5
"""Ridge, relative to the trace, below which runs in single precision lose digits."""


def _as_values(value: Any) -> Any:
    if isinstance(value, jax.Array) or (isinstance(value, tuple) and not value):
        return value
    return np.asarray(value, np.float64)


def _as_counts(value: Any) -> Any:
    return tuple(float(x) for x in np.ravel(np.asarray(value)))


class RFEnsembles(AbstractSystem[None]):
    """The average of `members` ridge regressors, each on its own `width` random features, all on the same samples.

    Labels are y = w . x + noise xi with x Gaussian of covariance Sigma; a member minimises the mean over samples of
    (y - v . F^T x)^2 plus ridge |v|^2, with F of independent N(0, 1/width). With spectrum "digits" the features are
    ReLUs of random projections of handwritten digits, predicted from their kernel's measured spectrum.

    Raises: `Refused` for sizes, couplings or spectra out of range, and at the interpolation peak without a ridge.
    """

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    size: ClassVar[str | None] = "dimension"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"ridge": r"ridge $\lambda$", "members": "members $K$ at $K N$ features in all"}
    )

    dimension: int = eqx.field(static=True, default=400)
    """Input dimension D: number of modes of the population covariance."""
    samples: Size = extent(200)
    """Training-set size P, the same samples for all members; inf: the population."""
    width: Size = extent(60)
    """Random features N of one member; inf: kernel ridge regression."""
    members: Size = extent(5)
    """Members K that are averaged; inf in the theory only."""
    axis: Literal["ridge", "members"] = eqx.field(static=True, default="ridge")
    """Curves over the ridge, or risk over both the ridge and the ways to split members x width features evenly
    among 1 to `members` members (all divisors)."""
    ridges: int = eqx.field(static=True, default=5)
    """Number of ridges, evenly over decades from `ridge_low` to `ridge_high`; with 1, only `ridge_low`."""
    ridge_low: float = coupling(1e-4)
    """Smallest ridge lambda of the loss normalised by samples; 0 where `ridges` is 1."""
    ridge_high: float = coupling(1.0)
    """Largest ridge."""
    noise: float = coupling(0.3)
    """Standard deviation sigma of the label noise; all members see the same."""
    signal: float = coupling(1.0)
    """Target variance, sum lambda_k w_k^2: the risk of the zero predictor."""
    spectrum: Literal["power_law", "flat", "digits", "given"] = eqx.field(static=True, default="power_law")
    """Population spectrum: k^-capacity; all 1; the arc-cosine kernel's on the digits set; or `eigenvalues`."""
    capacity: float = coupling(1.3)
    """Power law: lambda_k = k^-capacity."""
    source: float = coupling(2.04)
    """Power law: target power lambda_k w_k^2 proportional to k^-source."""
    eigenvalues: tuple[float, ...] = eqx.field(default=(), converter=_as_values)
    """Spectrum "given": eigenvalues lambda_k."""
    target_power: tuple[float, ...] = eqx.field(default=(), converter=_as_values)
    """Spectrum "given": the target's power lambda_k w_k^2 in one mode of each eigenvalue; `signal` sets its total."""
    multiplicity: tuple[float, ...] = eqx.field(static=True, default=(), converter=_as_counts)
    """Spectrum "given": number of modes that share each eigenvalue, adding up to `dimension`; empty: one each."""

    def __check_init__(self) -> None:
        require_size("dimension", self.dimension)
        require_size("samples", self.samples, infinite=True)
        require_size("width", self.width, infinite=True)
        require_size("members", self.members, infinite=True)
        require_size("ridges", self.ridges)
        require(self.axis in ("ridge", "members"), f'axis must be "ridge" or "members", got {self.axis!r}')
        kinds = ("power_law", "flat", "digits", "given")
        require(self.spectrum in kinds, f"spectrum must be one of {', '.join(kinds)}, got {self.spectrum!r}")
        if self.axis == "members":
            finite = not (math.isinf(self.width) or math.isinf(self.members))
            require(finite, "a budget that is split among members must be finite: width and members, got inf")
        if self.spectrum == "digits":
            require(self.dimension == DIGITS, f"the digits set has dimension {DIGITS}, got {self.dimension}")
        self._check_couplings()
        if self.spectrum == "given":
            from theorylab.data import spectra

            spectra.require_given(self.eigenvalues, self.target_power, self.multiplicity, self.dimension)

    def _check_couplings(self) -> None:
        names = ("ridge_low", "ridge_high", "noise", "signal", "capacity", "source")
        require_finite(**{name: getattr(self, name) for name in names})
        for name in ("ridge_low", "noise", "capacity", "source"):
            value = getattr(self, name)
            require(_traced(value) or value >= 0, f"{name} must not be negative, got {value}")
        require(_traced(self.signal) or self.signal > 0, f"signal must be positive, got {self.signal}")
        if _traced(self.ridge_low) or _traced(self.ridge_high):
            return
        low, high = float(self.ridge_low), float(self.ridge_high)
        if self.ridges > 1:
            require(
                0 < low < high,
                f"several ridges need 0 < ridge_low < ridge_high, got {low:g} and {high:g}; a ridge of 0 stands alone, "
                "with ridges = 1",
            )
        if low == 0:
            self._check_ridgeless()

    def _check_ridgeless(self) -> None:
        for width in self.widths() if self.axis == "members" else (self.width,):
            require(
                not (width == self.samples and width < self.dimension),
                f"without a ridge the risk is infinite at the interpolation peak, width = samples = {width} below the "
                f"dimension {self.dimension}; raise ridge_low, or change width",
            )
            require(
                not (self.samples == self.dimension and width >= self.dimension),
                f"without a ridge the risk is infinite at samples = dimension = {self.dimension} (label noise is "
                "fitted exactly); raise ridge_low, or change samples",
            )

    @classmethod
    def split(cls, parameters: int, members: int, **fields: Any) -> Self:
        """`parameters` random features in all, split evenly: members of parameters / members features each.

        Raises: `Refused` where they do not divide evenly.
        """
        require_size("parameters", parameters)
        require_size("members", members)
        require(
            parameters % members == 0,
            f"{parameters} features cannot be split evenly among {members} members; the nearest budgets are "
            f"{parameters // members * members} and {(parameters // members + 1) * members}",
        )
        return cls(**{**fields, "width": parameters // members, "members": members})

    @classmethod
    def from_spectrum(
        cls,
        eigenvalues: Float[ArrayLike, "modes"],
        target_power: Float[ArrayLike, "modes"],
        multiplicity: Float[ArrayLike, "modes"] | None = None,
        **fields: Any,
    ) -> Self:
        """The setting of a measured or invented spectrum.

        Arguments:
          eigenvalues: lambda_k > 0, shape (modes,); a leaf of the system.
          target_power: lambda_k w_k^2 in one mode, shape (modes,), not normalised; a leaf of the system.
          multiplicity: modes that share each eigenvalue; one each where None.
          fields: any other field of the system.

        Raises: `Refused` for an empty, negative or not finite spectrum, or for shapes that do not match.
        """
        require(np.ndim(eigenvalues) == 1 and np.size(eigenvalues) > 0, "a spectrum needs at least one eigenvalue")
        counts = np.ones(np.shape(eigenvalues)) if multiplicity is None else np.asarray(multiplicity, float)
        require(
            np.shape(target_power) == np.shape(eigenvalues) == counts.shape,
            f"eigenvalues, target_power and multiplicity must have one shape, got {np.shape(eigenvalues)}, "
            f"{np.shape(target_power)} and {counts.shape}",
        )
        total = (counts * np.asarray(target_power)).sum()
        given = {"spectrum": "given", "eigenvalues": eigenvalues, "target_power": target_power}
        return cls(**{**given, "multiplicity": counts, "dimension": round(counts.sum()), "signal": total, **fields})

    def splits(self) -> tuple[int, ...]:
        """Numbers of members on the axis "members": the divisors of `members`."""
        most = int(self.members)
        return tuple(k for k in range(1, most + 1) if most % k == 0)

    def widths(self) -> tuple[int, ...]:
        """Features of one member at each of `splits`."""
        return tuple(int(self.width) * int(self.members) // k for k in self.splits())

    @property
    def observables(self) -> tuple[Observable, ...]:
        digits = self.spectrum == "digits"
        margin = DIGITS_MARGIN if digits else 0.05
        if self.axis == "members":
            return (Observable("risk", "excess risk", ("members", "ridge"), "log", margin),)
        axis = ("ridge",)
        found = [Observable("risk", "excess risk of the ensemble", axis, "log", margin)]
        if self.members > 1:
            found.append(Observable("member_risk", "excess risk of one member", axis, "log", margin))
        if not digits:
            found.append(Observable("bias", "squared bias", axis, "linear", margin))
            if not math.isinf(self.samples):
                found.append(Observable("data_variance", "variance over data and noise", axis, "linear", margin))
            if not math.isinf(self.width):
                found.append(
                    Observable("feature_variance", "one member's variance over features", axis, "linear", margin)
                )
        if not math.isinf(self.samples):
            found.append(Observable("train_error", "training error of the ensemble", axis, "log", margin))
            found.append(Observable("gcv", "generalised cross-validation", axis, "log", margin))
        return tuple(found)

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.rf_ensembles import setting

        ridge = setting.ridge_grid(self)
        if self.axis == "members":
            return {"members": np.asarray(self.splits()), "ridge": ridge}
        return {"ridge": ridge}

    def resized(self, n: int) -> Self:
        """Samples and width in proportion to the dimension; the members stay."""
        require(self.spectrum not in ("digits", "given"), f"a {self.spectrum} spectrum has no ladder of sizes")
        require_size("dimension", n)

        def grown(size: Size) -> Size:
            return size if math.isinf(size) else max(1, round(size * n / self.dimension))

        changes = {"dimension": n, "samples": grown(self.samples), "width": grown(self.width)}
        return dataclasses.replace(self, **changes)

    @property
    def tile(self) -> int:
        return 32 if self.dimension <= 500 else 8

    def predict(self, instance: None, numerics: Any) -> Prediction:
        from theorylab.systems.rf_ensembles import theory

        del instance, numerics
        return theory.predict(self)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.rf_ensembles import simulation

        del instance
        return simulation.simulate(self, key)

    def warnings(self, instance: None) -> tuple[str, ...]:
        del instance
        if float(self.ridge_low) >= SMALL_RIDGE:
            return ()
        return (
            f"ridge_low {float(self.ridge_low):.3g} is small: runs in single precision lose digits below about "
            f"{SMALL_RIDGE:g} of the largest eigenvalue",
        )


def _traced(value: Any) -> bool:
    """Whether a value is being traced, so that it cannot be checked."""
    return isinstance(value, jax.core.Tracer)
