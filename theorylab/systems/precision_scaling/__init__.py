"""What bits buy: loss and post-training degradation of rounded weights. Mathematics: docs/precision_scaling.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Paper,
    Prediction,
    Preset,
    coupling,
    require,
    require_finite,
    require_size,
)
from theorylab.systems.precision_scaling.presets import PAPER, PRESETS

LARGEST_LOG = 80.0
"""Logarithms of single-precision numbers stay within this."""


def _as_bits(value: Any) -> Any:
    return tuple(float(x) for x in np.ravel(np.asarray(value, float)))


class PrecisionScaling(AbstractSystem[None]):
    """A regression with power-law data, trained by gradient descent, then rounded to few bits.

    Inputs are x = Q z with independent z_k of variance k^-capacity (k = 1..modes) and Q a random rotation; the target
    has power k^-source in mode k, beyond `modes` too. Weights start at zero; training is on the population. The laws
    of precision themselves, fits and plans: `theorylab.fit`, `theorylab.plan`.

    Raises: `Refused` for sizes, exponents or bits out of range.
    """

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    size: ClassVar[str | None] = "modes"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"time": "flow time (rate x steps)", "bits": "bits of a weight"}
    )

    modes: int = eqx.field(static=True, default=200)
    """Number of modes N: parameters of the model."""
    steps: int = eqx.field(static=True, default=50_000)
    """Steps of gradient descent."""
    records: int = eqx.field(static=True, default=7)
    """Recorded steps, spread evenly in the logarithm over the last two decades."""
    bits: tuple[float, ...] = eqx.field(static=True, default=(4.0, 6.0, 8.0), converter=_as_bits)
    """Precisions P to which the trained weights are rounded."""
    rounding: Literal["nearest", "stochastic"] = eqx.field(static=True, default="nearest")
    """Round to the nearest point of the grid, or up or down at random without bias."""
    sampler: Literal["conditional", "rotation"] = eqx.field(static=True, default="conditional")
    """Draw a random rotation's effect by its law given the rotated weights, or make the rotation (cost modes^3)."""
    reduce_variance: bool = eqx.field(static=True, default=True)
    """Conditional sampler: average over the error's directions orthogonal to the weights."""
    capacity: float = coupling(1.5)
    """Exponent a of the data: variance k^-a of mode k."""
    source: float = coupling(1.8)
    """Exponent b of the target: power k^-b in mode k."""
    rate: float = coupling(0.2)
    """Learning rate: w <- w + rate x lambda (w* - w); flow time is rate x steps."""

    def __check_init__(self) -> None:
        require_size("modes", self.modes, least=2)
        require_size("steps", self.steps)
        require_size("records", self.records)
        for name, choices in (("rounding", ("nearest", "stochastic")), ("sampler", ("conditional", "rotation"))):
            value = getattr(self, name)
            require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
        require(len(self.bits) > 0, "bits must name at least one precision")
        require(
            all(math.isfinite(p) and 2 <= p <= 24 for p in self.bits),
            f"bits must be in 2..24 (a symmetric integer grid needs 2; 24 is all that a float32 weight has), got "
            f"{self.bits}",
        )
        require(len(set(self.bits)) == len(self.bits), f"bits must differ, got {self.bits}")
        require_finite(capacity=self.capacity, source=self.source, rate=self.rate)
        require(self.capacity > 0, f"capacity must be positive, got {self.capacity}: variances fall with the mode")
        require(self.source > 1, f"source must exceed 1, got {self.source}: the target's power would be infinite")
        span = math.log(self.modes)
        for name in ("capacity", "source"):
            require(
                getattr(self, name) * span <= LARGEST_LOG,
                f"{name} = {getattr(self, name)}: modes^-{name} is no number in single precision; with {self.modes} "
                f"modes it must be at most {LARGEST_LOG / span:.3g}",
            )
        require(
            (self.capacity - self.source) * span <= LARGEST_LOG / 2,
            f"capacity - source = {self.capacity - self.source}: weights up to modes^(half of it) have no squares in "
            f"single precision; with {self.modes} modes it must be at most {LARGEST_LOG / 2 / span:.3g}",
        )
        require(
            (self.rate > 0) & (self.rate <= 1),
            f"rate must be in (0, 1], got {self.rate}: the largest curvature is 1, and flow needs small steps",
        )

    @property
    def observables(self) -> tuple[Observable, ...]:
        plane = ("bits", "time")
        return (
            Observable("loss", "test loss in full precision", ("time",), "log"),
            Observable("degradation", "loss added by rounding", plane, "log"),
            Observable("noise", "power of the rounding noise", plane, "log"),
        )

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.precision_scaling.setting import recorded_steps

        return {
            "time": float(self.rate) * recorded_steps(self.steps, self.records),
            "bits": np.asarray(self.bits),
        }

    @property
    def tile(self) -> int:
        """Runs in one vmap: many, since a run is small, unless it makes rotations."""
        return 32 if self.sampler == "rotation" else max(1, min(512, 2**17 // self.modes))

    def predict(self, instance: None, numerics: Numerics) -> Prediction:
        from theorylab.systems.precision_scaling.theory import predict

        return predict(self)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.precision_scaling.simulation import simulate

        return simulate(self, key)

    def warnings(self, instance: None) -> tuple[str, ...]:
        said = []
        coarse = [p for p in self.bits if 2 ** (p - 1) < 2 * math.sqrt(2 * math.log(self.modes))]
        if coarse:
            said.append(
                f"bits = {', '.join(f'{p:g}' for p in coarse)}: the step is as wide as a typical weight, and the "
                "theory of fine grids is not expected to hold; 4 bits and more are advised"
            )
        if self.capacity - self.source + 1 <= 0:
            said.append("source >= capacity + 1: the weights' length converges, and the degradation stops growing")
        return tuple(said)
