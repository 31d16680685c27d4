"""Learning curves of (stochastic) gradient descent in linear models, from two-point deterministic equivalents.

Atanasov, Bordelon, Zavatone-Veth, Paquette and Pehlevan (2025), arXiv 2502.05074. The mathematics, with numbered
equations: docs/sgd_resolvent.md.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

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
from theorylab.systems.sgd_resolvent.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.sgd_resolvent.theory import ContourNumerics

DIGITS = 1797
"""Images in the digits set: its kernel's modes."""
DIGITS_MARGIN = 0.15
"""Equivalents of Gaussian data hold for measured kernels to 5-15 %, not exactly."""


def _as_values(value: Any) -> Any:
    if isinstance(value, jax.Array) or (isinstance(value, tuple) and not value):
        return value
    return np.asarray(value, np.float64)


def _as_counts(value: Any) -> Any:
    return tuple(float(x) for x in np.ravel(np.asarray(value)))


class SGDResolvent(AbstractSystem[None]):
    """Linear regression, kernel regression or linear random features, trained by gradient flow, gradient descent,
    multi-pass or one-pass SGD from zero weights.

    Labels are y = w . x + noise xi with x Gaussian of covariance Sigma; the predictor is F v . x with F of `width`
    random features (F = 1 for an infinite width), trained on the mean of (y - F v . x)^2 / 2.

    Raises: `Refused` for sizes, couplings or spectra out of range, and where gradient descent itself diverges.
    """

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    size: ClassVar[str | None] = "dimension"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType({"time": "flow time (rate x steps)", "step": "steps"})

    dimension: int = eqx.field(static=True, default=200)
    """Input dimension D: number of modes of the population covariance."""
    samples: Size = extent(150)
    """Training-set size P; inf: fresh data (population gradient, or one pass)."""
    width: Size = extent(math.inf)
    """Number of random features N; inf: linear or kernel regression."""
    dynamics: Literal["flow", "gd", "multi", "online"] = eqx.field(static=True, default="gd")
    """Gradient flow, full-batch gradient descent, SGD over a training set, or SGD on fresh data."""
    batch: int = eqx.field(static=True, default=4)
    """Minibatch size B of SGD ("multi" and "online")."""
    replacement: bool = eqx.field(static=True, default=False)
    """Whether a batch of "multi" is drawn with replacement."""
    steps: int = eqx.field(static=True, default=400)
    """Steps of gradient descent and SGD."""
    horizon: float = coupling(100.0)
    """Last time of gradient flow."""
    rate: float = coupling(0.3)
    """Learning rate eta of gradient descent and SGD."""
    noise: float = coupling(0.3)
    """Standard deviation sigma of the label noise."""
    signal: float = coupling(1.0)
    """Target variance, sum lambda_k w_k^2: the test loss at the start."""
    spectrum: Literal["power_law", "flat", "two_level", "digits", "given"] = eqx.field(static=True, default="power_law")
    """Population spectrum: k^-capacity; all 1; half 1, half `level`; the arc-cosine kernel's on the digits set; or
    `eigenvalues`."""
    capacity: float = coupling(1.2)
    """Power law: lambda_k = k^-capacity."""
    source: float = coupling(1.8)
    """Power law: target power lambda_k w_k^2 proportional to k^-source."""
    level: float = coupling(0.25)
    """Two levels: the lower eigenvalue."""
    eigenvalues: tuple[float, ...] = eqx.field(default=(), converter=_as_values)
    """Spectrum "given": eigenvalues lambda_k."""
    target_power: tuple[float, ...] = eqx.field(default=(), converter=_as_values)
    """Spectrum "given": the target's power lambda_k w_k^2 in one mode of each eigenvalue; `signal` sets its total."""
    multiplicity: tuple[float, ...] = eqx.field(static=True, default=(), converter=_as_counts)
    """Spectrum "given": number of modes that share each eigenvalue, adding up to `dimension`; empty: one each."""

    def __check_init__(self) -> None:
        self._check_sizes()
        self._check_couplings()
        if self.spectrum == "given":
            from theorylab.data import spectra

            spectra.require_given(self.eigenvalues, self.target_power, self.multiplicity, self.dimension)
        if self.spectrum == "digits":
            require(self.dimension == DIGITS, f"the digits set has dimension {DIGITS}, got {self.dimension}")
            require(math.isinf(self.width), "the digits set is for kernel regression: width must be inf")
        concrete = not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(self))
        # the digits' spectrum takes seconds: their rate is checked when the solve is set up
        if concrete and self.spectrum != "digits":
            from theorylab.systems.sgd_resolvent import theory

            theory.check_rate(self)

    def _check_sizes(self) -> None:
        require_size("dimension", self.dimension)
        require_size("samples", self.samples, infinite=True)
        require_size("width", self.width, infinite=True)
        require_size("batch", self.batch)
        require_size("steps", self.steps)
        choices = ("flow", "gd", "multi", "online")
        require(self.dynamics in choices, f"dynamics must be one of {', '.join(choices)}, got {self.dynamics!r}")
        kinds = ("power_law", "flat", "two_level", "digits", "given")
        require(self.spectrum in kinds, f"spectrum must be one of {', '.join(kinds)}, got {self.spectrum!r}")
        fresh = math.isinf(self.samples)
        require(self.dynamics != "online" or fresh, f"online draws fresh data: samples must be inf, got {self.samples}")
        require(self.dynamics != "multi" or not fresh, "multi needs a training set: samples must be finite (or online)")
        require(
            self.dynamics != "multi" or self.replacement or self.batch <= self.samples,
            f"batch must not exceed samples without replacement, got batch {self.batch} of {self.samples} samples",
        )

    def _check_couplings(self) -> None:
        names = ("horizon", "rate", "noise", "signal", "capacity", "source", "level")
        require_finite(**{name: getattr(self, name) for name in names})
        for name in ("horizon", "rate", "signal", "level"):
            require(_positive(getattr(self, name)), f"{name} must be positive, got {getattr(self, name)}")
        for name in ("noise", "capacity", "source"):
            require(_not_negative(getattr(self, name)), f"{name} must not be negative, got {getattr(self, name)}")

    @classmethod
    def from_spectrum(
        cls,
        eigenvalues: Float[ArrayLike, "modes"],
        target_power: Float[ArrayLike, "modes"],
        multiplicity: Sequence[float] | None = None,
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
        counts = np.ones(np.shape(eigenvalues)) if multiplicity is None else np.asarray(multiplicity, float)
        require(np.ndim(eigenvalues) == 1 and np.size(eigenvalues) > 0, "a spectrum needs at least one eigenvalue")
        require(
            np.shape(target_power) == np.shape(eigenvalues) == counts.shape,
            f"eigenvalues, target_power and multiplicity must have one shape, got {np.shape(eigenvalues)}, "
            f"{np.shape(target_power)} and {counts.shape}",
        )
        total = (counts * np.asarray(target_power)).sum()
        given = {"spectrum": "given", "eigenvalues": eigenvalues, "target_power": target_power}
        return cls(**{**given, "multiplicity": counts, "dimension": round(counts.sum()), "signal": total, **fields})

    @property
    def observables(self) -> tuple[Observable, ...]:
        axis = "time" if self.dynamics == "flow" else "step"
        margin = DIGITS_MARGIN if self.spectrum == "digits" else 0.05
        loss = Observable("loss", "test loss, label noise excluded", (axis,), "log", margin)
        train = Observable("train_loss", "training loss, label noise included", (axis,), "log", margin)
        return (loss,) if math.isinf(self.samples) else (loss, train)

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.sgd_resolvent import setting

        if self.dynamics == "flow":
            return {"time": self.horizon * setting.relative_times()}
        return {"step": setting.recorded_steps(self.steps)}

    def resized(self, n: int) -> Self:
        """All sizes in proportion to the dimension; the batch keeps rate tr Sigma / batch where tr Sigma grows."""
        require(self.spectrum not in ("digits", "given"), f"a {self.spectrum} spectrum has no ladder of sizes")
        require_size("dimension", n)

        def grown(size: Size) -> Size:
            return size if math.isinf(size) else max(1, round(size * n / self.dimension))

        batch = self.batch
        bounded = self.spectrum == "power_law" and float(self.capacity) > 1
        if not bounded:
            batch = max(1, round(batch * self._trace(n) / self._trace(self.dimension)))
        changes = {"dimension": n, "samples": grown(self.samples), "width": grown(self.width), "batch": batch}
        return dataclasses.replace(self, **changes)

    def _trace(self, dimension: int) -> float:
        if self.spectrum == "power_law":
            return float(np.sum(np.arange(1.0, dimension + 1) ** -float(self.capacity)))
        return float(dimension)

    def predict(self, instance: None, numerics: Any) -> Prediction:
        from theorylab.systems.sgd_resolvent import theory

        del instance
        return theory.predict(self, numerics)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.sgd_resolvent import simulation

        del instance
        return simulation.simulate(self, key)

    def numerics(self, instance: None) -> ContourNumerics:
        from theorylab.systems.sgd_resolvent import theory

        del instance
        return theory.choose_numerics(self)

    def cost(self) -> float:
        """Nodes of the contour squared, times modes: what a prediction's time grows with."""
        numerics = self.numerics(None)
        return float(numerics.nodes**2 if self.dynamics != "flow" else numerics.stages * 100)

    def warnings(self, instance: None) -> tuple[str, ...]:
        del instance
        if self.dynamics not in ("multi", "online"):
            return ()
        from theorylab.systems.sgd_resolvent import theory

        mass = theory.host_kernel_mass(self)
        if mass < 1:
            return ()
        return (
            f"the noise kernel's mass is {mass:.4g}, not below 1: the mean loss grows without bound and single runs "
            "scatter over orders of magnitude; lower rate or raise batch",
        )


def _positive(value: Any) -> Any:
    return value if isinstance(value, jax.core.Tracer) else np.all(np.asarray(value) > 0)


def _not_negative(value: Any) -> Any:
    return value if isinstance(value, jax.core.Tracer) else np.all(np.asarray(value) >= 0)
