"""What a setting is judged on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from theorylab.core.errors import require

Scale = Literal["linear", "log", "density"]


@dataclass(frozen=True)
class Observable:
    """A measured quantity that theory and simulation both return, and how its deviation is judged.

    Arguments:
      name: key in the dictionaries of curves.
      label: axis label (matplotlib mathtext allowed).
      dims: names of its axes, each a coordinate of the system; () for a single number.
      scale: "linear": deviation relative to the prediction's root mean square; "log": every residual is
        divided by its prediction first; "density": drawn as a density over its last axis, judged on its
        cumulative distribution.
      margin: relative deviation up to which theory and simulation are said to agree.
      floor: smallest root mean square that a deviation is measured against (zero by symmetry).
      unit: unit or normalisation, for the axis.
      undefined_ok: points where NaN means "undefined here" rather than failure.

    Raises: `Refused` for a margin or floor out of range.
    """

    name: str
    label: str
    dims: tuple[str, ...] = ("time",)
    scale: Scale = "linear"
    margin: float = 0.05
    floor: float = 0.0
    unit: str = ""
    undefined_ok: bool = False

    def __post_init__(self) -> None:
        require(self.name.isidentifier(), f"an observable's name must be an identifier, got {self.name!r}")
        require(0 < self.margin < 1, f"margin of {self.name} must be in (0, 1), got {self.margin}")
        require(self.floor >= 0, f"floor of {self.name} must not be negative, got {self.floor}")
        require(self.scale in ("linear", "log", "density"), f"unknown scale {self.scale!r} of {self.name}")
        require(self.scale != "density" or len(self.dims) > 0, f"a density needs an axis: {self.name}")

    @property
    def axis_label(self) -> str:
        return f"{self.label} [{self.unit}]" if self.unit else self.label
