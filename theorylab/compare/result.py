"""What a comparison holds: plain data on the host, made once, drawn and saved by others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from theorylab.core import AbstractSystem, Observable

Word = Literal["agrees", "converges", "differs", "undecided", "failed"]


@dataclass(frozen=True)
class Agreement:
    """The verdict on one observable.

    Arguments:
      observable: what is judged.
      word: agrees, differs, undecided or failed.
      deviation: relative norm of the mean residual, ||d||.
      low, high: interval that the true deviation lies in (95 %); [0, inf] with too few units, nan where failed.
      noise: noise floor of the mean, in the same relative norm; nan where it is not known.
      largest_z: largest |mean residual| in units of its standard error; nan without noise.
      units: number of independent units the statistics rest on.
      unit: what a unit is: "run", "instance", "run of this instance", "point".
      needed: units that would decide; None where decided or not foreseeable.
      reason: a sentence where the word needs one (failure, too few units, assumptions).
      residual: mean residual, relative: its root mean square is `deviation`; shape of the observable, nan at
        points that are not judged. Of a density, the residual of the cumulative distribution.
      band: half-width of the simultaneous 95 % band around `residual`, relative; nan where not known.
      relative: what residual and band were divided by: a scalar, or the mean prediction for log scale.
    """

    observable: Observable
    word: Word
    deviation: float
    low: float
    high: float
    noise: float
    largest_z: float
    units: int
    unit: str
    needed: int | None
    reason: str
    residual: Float[np.ndarray, "..."]
    band: Float[np.ndarray, "..."]
    relative: Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Convergence:
    """The verdict of a size ladder on one observable: d(x; n) = a(x) + b(x) n ** -rate_exponent.

    Arguments:
      word: agrees (the limit and the largest size), converges (the limit only), differs, undecided, failed.
      deviation, low, high: norm of the extrapolated deviation a(x) and its interval (95 %).
      noise: noise floor of the extrapolation.
      sizes: the rungs.
      deviations: ||d|| at each rung.
      exponent, exponent_low, exponent_high: free fit ||d|| ~ size ** -exponent with its 95 % interval; nan unless
        two rungs deviate by more than noise.
      residual, band: a(x) and the half-width of its simultaneous band, relative as in `Agreement`.
      reason: a sentence where the word needs one.
    """

    observable: Observable
    word: Word
    deviation: float
    low: float
    high: float
    noise: float
    sizes: tuple[int, ...]
    deviations: tuple[float, ...]
    exponent: float
    exponent_low: float
    exponent_high: float
    residual: Float[np.ndarray, "..."]
    band: Float[np.ndarray, "..."]
    reason: str = ""


@dataclass(frozen=True)
class Rung:
    """Theory and simulation at one size.

    Arguments:
      size: value of the system's size field; None where it has none.
      predicted: mean prediction over the units' instances, per observable.
      simulated: mean over runs, per observable.
      stderr: standard error of `simulated`, per observable.
      curves: every run, shape (runs, *dims), per observable.
      coordinates: named axes.
      agreements: verdict per observable.
      each_predicted: every run's own prediction, shape (runs, *dims), where runs have instances of their own; else {}.
      predicted_error: standard error of a sampled theory, per observable; else {}.
      groups: index of each run's shared instance; None where runs share none.
    """

    size: int | None
    predicted: Mapping[str, Shaped[np.ndarray, "..."]]
    simulated: Mapping[str, Shaped[np.ndarray, "..."]]
    stderr: Mapping[str, Shaped[np.ndarray, "..."]]
    curves: Mapping[str, Shaped[np.ndarray, "..."]]
    coordinates: Mapping[str, Shaped[np.ndarray, "..."]]
    agreements: Mapping[str, Agreement]
    each_predicted: Mapping[str, Shaped[np.ndarray, "..."]] = field(default_factory=dict)
    predicted_error: Mapping[str, Shaped[np.ndarray, "..."]] = field(default_factory=dict)
    groups: Int[np.ndarray, " runs"] | None = None


@dataclass(frozen=True)
class Seconds:
    """Wall time in seconds, all rungs together.

    Arguments:
      theory, simulation: running, compiled.
      theory_compile, simulation_compile: compiling now.
      ratio_at_equal_error: time of the simulation for its noise floor, divided by the theory's time: how much
        longer one simulates for curves that are at best as exact as the theory's.
    """

    theory: float
    theory_compile: float
    simulation: float
    simulation_compile: float
    ratio_at_equal_error: float


@dataclass(frozen=True)
class ComparisonData:
    """One case compared. `rungs` is in order of size; the last one carries the case's verdict; `ladder` is empty
    unless there are several rungs."""

    system: AbstractSystem
    name: str
    case: str
    about: str
    rungs: tuple[Rung, ...]
    ladder: Mapping[str, Convergence]
    facts: Mapping[str, Any]
    warnings: tuple[str, ...]
    seconds: Seconds
    meta: Mapping[str, Any] = field(default_factory=dict)
    failure: str = ""
