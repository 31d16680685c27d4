"""Couplings of a system from measured curves: least squares against the prediction, intervals by resampling runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from theorylab.compare.agreement import judge, judge_points
from theorylab.compare.measured import Measured, read
from theorylab.compare.result import Agreement
from theorylab.core import AbstractSystem, NumericalFailure, Numerics, Observable, Refused, registry, require
from theorylab.core.casting import cast, in_precision
from theorylab.core.system import couplings
from theorylab.engine.instances import draw_one
from theorylab.engine.predictions import predict
from theorylab.solvers import fit as least_squares

LANES, STEPS, RESAMPLING = 8, 30, 6
"""Starts or resamples in one program; steps from a start, and of a resample from the estimate."""
SPREAD = 1.0
"""Further starts: the given couplings times a factor between exp(-SPREAD) and exp(SPREAD)."""
FEWEST = 6
"""Runs from which the run is what is resampled; below it, and without runs, it is the point."""
SMALLEST = 0.1
"""A point's standard error counts as at least this share of the median one: points that are exact by construction would
else decide everything."""
SINGULAR = 1e-9
WIDE = math.log(3.0)


@dataclass(frozen=True)
class CouplingFit:
    """Couplings inferred from measured curves.

    Arguments:
      system: the setting with the inferred couplings.
      names, values: what was inferred.
      ends, stderr: 95 % intervals and standard errors, (n, 2), (n,); NaN where there are none.
      correlation: of the estimates, (n, n).
      agreements: the verdict on each measured curve at the inferred couplings.
      unit: what was resampled, "run" or "point", and how many there are.
      undetermined: couplings that the curves do not determine.
      notes: sentences to know.
    """

    system: AbstractSystem
    names: tuple[str, ...]
    values: Float[np.ndarray, "n"]
    ends: Float[np.ndarray, "n 2"]
    stderr: Float[np.ndarray, "n"]
    correlation: Float[np.ndarray, "n n"]
    agreements: Mapping[str, Agreement]
    unit: tuple[str, int]
    undetermined: tuple[str, ...]
    notes: tuple[str, ...]
    drawing: Callable[[], dict[str, Callable[[], Any]]]

    @property
    def estimates(self) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.names, self.values, strict=True)}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals by name; {} where there are none."""
        if not np.isfinite(self.ends).all():
            return {}
        return {name: (float(a), float(b)) for name, (a, b) in zip(self.names, self.ends, strict=True)}

    def figures(self) -> dict[str, Callable[[], Any]]:
        """Functions that draw each measured curve on the prediction at the inferred couplings."""
        return self.drawing()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "system": registry.name_of(self.system),
            "couplings": {
                name: {
                    "value": float(self.values[i]),
                    "low": _number(self.ends[i, 0]),
                    "high": _number(self.ends[i, 1]),
                    "determined": name not in self.undetermined,
                }
                for i, name in enumerate(self.names)
            },
            "correlation": self.correlation.tolist(),
            "resampled": {"unit": self.unit[0], "number": self.unit[1]},
            "verdicts": {name: one.word for name, one in self.agreements.items()},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{registry.name_of(self.system)}: from {self.unit[1]} {self.unit[0]}s"]
        for i, name in enumerate(self.names):
            low, high = self.ends[i]
            ends = f"[{low:.5g}, {high:.5g}]" if math.isfinite(low) else "no interval"
            mark = "   not determined" if name in self.undetermined else ""
            lines.append(f"{name:>20} {self.values[i]:>12.6g}   {ends}{mark}")
        lines += [f"{name}: theory at these couplings {one.word}" for name, one in self.agreements.items()]
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))


def run(
    system: AbstractSystem | str,
    curve: Path | str | Mapping[str, Measured],
    over: Sequence[str],
    *,
    key: Key[Array, ""] | None = None,
    instance: Any = None,
    numerics: Numerics | None = None,
    bootstraps: int = 200,
    starts: int = LANES,
) -> CouplingFit:
    """Couplings of a system from measured curves.

    Weighted least squares of every measured point against the prediction, by Levenberg-Marquardt on its forward
    Jacobian, from the system's own couplings and random ones around them. Positive couplings are fitted by their
    logarithm. Weights are the points' standard errors, between runs or as given; without either all points of a curve
    count alike (relatively, where it is judged on a log scale).

    Arguments:
      system: the setting, its couplings a start for what is inferred and the truth for what is not;
        or a registered name.
      curve: a CSV file as in `theorylab.compare --against`, or its content as `compare.measured.read` gives it.
      over: names of the couplings to infer.
      key: of starts and resamples, and of the instance where the setting has shared disorder and none is given.
      instance: the drawn instance that was measured.
      numerics: how to solve; the system's own choice at its given couplings by default.
      bootstraps: resamples of the runs (of the points where there are fewer than 6 runs); 0: no intervals.
      starts: starting points, the given one first.

    Raises: `Refused` for unknown couplings, malformed files, fewer points than couplings; `NumericalFailure` where no
      start gives a prediction, or the fitted couplings have none.

    Example: `run(RNNIntegrator(width=200), "my_runs.csv", over=["timescale"])`.
    """
    setting = registry.load(system)() if isinstance(system, str) else system
    known = couplings(setting)
    names = tuple(over)
    require(len(names) > 0, f"name the couplings to infer; those are: {', '.join(known)}")
    require(len(set(names)) == len(names), f"a coupling is named twice: {', '.join(names)}")
    for name in names:
        require(name in known, f"{name!r} is no coupling of {type(setting).__name__}; those are: {', '.join(known)}")
        require(np.ndim(known[name]) == 0, f"{name} is an array; only single numbers can be inferred")
    require(bootstraps == 0 or bootstraps >= 50, f"bootstraps must be 0 or at least 50, got {bootstraps}")
    require(starts >= 1, f"starts must be at least 1, got {starts}")
    measured = read(Path(curve), setting.observables) if isinstance(curve, (str, Path)) else dict(curve)
    key = jax.random.key(0) if key is None else key
    if setting.draws and instance is None:
        instance = draw_one(setting, key)
    return _infer(setting, measured, names, key, instance, numerics, bootstraps, starts)


@dataclass(frozen=True)
class _Deviations:
    """Prediction less measurement in standard errors; equal ones share a compiled program.

    Arguments:
      names, positive: couplings, and which of them are fitted by their logarithm.
      curves: name of each measured curve, and whether it is interpolated in its logarithm.
    """

    names: tuple[str, ...]
    positive: tuple[bool, ...]
    curves: tuple[tuple[str, bool], ...]

    def __call__(self, at: Float[Array, "n"], data: tuple[Any, ...]) -> Float[Array, "all"]:
        system, instance, numerics, means, places, values, scales = data
        positive = np.array(self.positive)
        plain = jnp.where(positive, jnp.exp(jnp.where(positive, at, 0.0)), at)
        moved = dataclasses.replace(system, **dict(zip(self.names, plain, strict=True)))
        curves = moved.predict(instance, numerics).curves
        parts = []
        for (name, log), mean, place in zip(self.curves, means, places, strict=True):
            on = jnp.exp(mean @ jnp.log(curves[name])) if log else mean @ curves[name]
            parts.append(on[place])
        return (jnp.concatenate(parts) - values) * scales


class _Found(NamedTuple):
    at: Float[np.ndarray, "n"]
    stderr: Float[np.ndarray, "n"]
    ends: Float[np.ndarray, "n 2"]
    bent: least_squares.Curvature
    alone: bool
    """Whether of several starts only one reached the minimum."""


def _infer(
    setting: AbstractSystem,
    measured: Mapping[str, Measured],
    names: tuple[str, ...],
    key: Key[Array, ""],
    instance: Any,
    numerics: Numerics | None,
    bootstraps: int,
    starts: int,
) -> CouplingFit:
    table = _table(setting, measured, names)
    begin = np.array([float(couplings(setting)[name]) for name in names])
    positive = begin > 0
    number = int(table.units.max()) + 1
    found = _search(setting, table, names, begin, key, instance, numerics, bootstraps, starts)
    notes: list[str] = []
    if found.alone:
        notes.append("only one start reached this minimum; give more starts, or begin nearer")
    if bootstraps and not np.isfinite(found.ends).all():
        notes.append(f"no intervals: {number} {table.unit}s are too few for {len(names)} couplings")
    elif table.unit == "point" and bootstraps:
        notes.append("points are resampled, as if they were independent: give 6 runs or more for honest intervals")
    half = 0.5 * (found.ends[:, 1] - found.ends[:, 0])
    weak = found.bent.weakest < SINGULAR
    undetermined = tuple(
        name
        for i, name in enumerate(names)
        if (weak and abs(found.bent.direction[i]) > 0.3) or (positive[i] and half[i] > WIDE)
    )
    if undetermined:
        notes.append(f"not determined by these curves: {', '.join(undetermined)}")
    values = _plain(found.at, positive)
    fitted = _at(setting, names, values)
    predicted = predict(fitted, instance=instance, numerics=numerics).raise_if_failed()
    curves = {name: np.asarray(predicted.curves[name]) for name in measured}
    agreements = {
        one.name: _judge(one, measured[one.name], curves[one.name], setting)
        for one in setting.observables
        if one.name in measured
    }
    return CouplingFit(
        system=fitted,
        names=names,
        values=values,
        ends=np.stack([_plain(found.ends[:, i], positive) for i in (0, 1)], axis=1),
        stderr=np.where(positive, values * found.stderr, found.stderr),
        correlation=found.bent.correlation,
        agreements=agreements,
        unit=(table.unit, number),
        undetermined=undetermined,
        notes=tuple(notes),
        drawing=lambda: _figures(fitted, measured, curves, agreements),
    )


def _search(
    setting: AbstractSystem,
    table: _Table,
    names: tuple[str, ...],
    begin: Float[np.ndarray, "n"],
    key: Key[Array, ""],
    instance: Any,
    numerics: Numerics | None,
    bootstraps: int,
    starts: int,
) -> _Found:
    positive = begin > 0
    deviations = _Deviations(names, tuple(bool(p) for p in positive), table.curves)
    start_key, boot_key = jax.random.split(key)
    number, rows = int(table.units.max()) + 1, np.ones((1, len(table.values)))
    with in_precision("float64"):
        fixed = (cast(one, "float64") for one in (setting, instance, numerics or setting.numerics(instance)))
        arrays = (table.means, table.places, table.values, table.scales)
        data = (*fixed, *jax.tree.map(jnp.asarray, arrays))
        factors = np.array(jax.random.uniform(start_key, (starts, len(names)), minval=-SPREAD, maxval=SPREAD))
        factors[0] = 0
        logs = np.log(np.where(positive, begin, 1.0))
        points = np.where(positive, logs + factors, begin + factors * np.maximum(np.abs(begin), 0.1))
        ends = least_squares.in_blocks(deviations, data, points, rows, math.inf, STEPS, LANES)
        if not np.isfinite(ends.loss).any():
            raise NumericalFailure("no starting point has a finite prediction; start from other couplings")
        best = int(np.argmin(ends.loss))
        at = ends.at[best]
        alone = starts > 1 and int(np.sum(ends.loss < 1.001 * ends.loss[best] + 1e-12)) == 1
        stderr, interval = np.full(len(at), math.nan), np.full((len(at), 2), math.nan)
        if bootstraps and number > len(names) + 2:
            times = least_squares.resampled(boot_key, table.units, bootstraps)
            again = np.broadcast_to(at, (bootstraps, len(at)))
            moved = least_squares.in_blocks(deviations, data, again, times, math.inf, RESAMPLING, LANES).at
            stderr, interval = least_squares.t_intervals(at, moved, number, len(names))
        return _Found(at, stderr, interval, least_squares.curvature(deviations, data, at, rows[0]), alone)


def _at(setting: AbstractSystem, names: tuple[str, ...], values: Float[np.ndarray, "n"]) -> AbstractSystem:
    try:
        return dataclasses.replace(setting, **dict(zip(names, (float(v) for v in values), strict=True)))
    except Refused as refusal:
        shown = ", ".join(f"{name} = {value:.5g}" for name, value in zip(names, values, strict=True))
        raise NumericalFailure(
            f"the best fit, {shown}, is no setting of {type(setting).__name__}: {refusal}; the curve may be of another "
            "setting, or start from other couplings"
        ) from refusal


def _plain(at: np.ndarray, positive: np.ndarray) -> np.ndarray:
    return np.where(positive, np.exp(np.clip(np.where(positive, at, 0.0), -700, 700)), at)


# -- measured curves as one list of points ----------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """Every measured number, curve after curve, run after run.

    Arguments:
      curves: name, and whether it is interpolated in its logarithm.
      means: for each curve the matrix from predicted to measured axis.
      places: for each curve the measured axis' index of every number.
      values, scales: the numbers, and one over their standard errors.
      units: index of what is resampled.
      unit: "run" or "point".
    """

    curves: tuple[tuple[str, bool], ...]
    means: tuple[Float[np.ndarray, "points axis"], ...]
    places: tuple[Int[np.ndarray, "numbers"], ...]
    values: Float[np.ndarray, "all"]
    scales: Float[np.ndarray, "all"]
    units: Int[np.ndarray, "all"]
    unit: str


def _table(setting: AbstractSystem, measured: Mapping[str, Measured], names: tuple[str, ...]) -> _Table:
    observables = {one.name: one for one in setting.observables}
    for name in measured:
        require(name in observables, f"{name!r} is no observable of this setting; those are: {', '.join(observables)}")
    runs = {curve.runs for curve in measured.values()}
    by_run = len(runs) == 1 and next(iter(runs)) >= FEWEST
    axes = {name: np.asarray(axis, float) for name, axis in setting.coordinates().items()}
    curves, means, places, values, scales, units = [], [], [], [], [], []
    offset = 0
    for name, curve in measured.items():
        one = observables[name]
        axis = axes[one.dims[0]]
        inside = (curve.axis >= axis.min()) & (curve.axis <= axis.max())
        require(
            inside,
            f"{one.dims[0]} = {curve.axis[~inside][:1]} of {name} is outside the prediction's range "
            f"[{axis.min():g}, {axis.max():g}]; lengthen the horizon, or leave those points out",
        )
        log = one.scale == "log" and bool((curve.values > 0).all())
        count, length = curve.values.shape
        curves.append((name, log))
        means.append(interpolation(axis, curve.axis))
        places.append(np.tile(np.arange(length), count))
        values.append(curve.values.ravel())
        scales.append(np.tile(1 / _spread(curve, one), count))
        index = np.repeat(np.arange(count), length) if by_run else offset + np.tile(np.arange(length), count)
        units.append(index)
        offset += 0 if by_run else length
    numbers = sum(len(curve.axis) for curve in measured.values())
    require(numbers >= len(names), f"{numbers} measured points are fewer than {len(names)} couplings")
    unit = "run" if by_run else "point"
    value, scale, index = (np.concatenate(part) for part in (values, scales, units))
    return _Table(tuple(curves), tuple(means), tuple(places), value, scale, index, unit)


def _spread(curve: Measured, observable: Observable) -> Float[np.ndarray, "points"]:
    """What each point is weighed by: its standard deviation between runs, its given standard error, or its size."""
    mean = curve.values.mean(axis=0)
    size = np.abs(mean) if observable.scale == "log" else np.full(len(mean), np.sqrt(np.mean(mean**2)))
    size = np.maximum(size, np.finfo(float).tiny)
    if curve.runs > 1:
        relative = _smooth(curve.values.std(axis=0, ddof=1) / size)
    elif curve.stderr is not None:
        relative = curve.stderr / size
    else:
        return size
    median = np.median(relative)
    return size * np.maximum(relative, SMALLEST * median if median > 0 else 1.0)


def _smooth(spread: Float[np.ndarray, "points"]) -> Float[np.ndarray, "points"]:
    """Spreads along an axis as the exponential of a cubic.

    The raw spread of a few runs must not weigh the points: those that scatter little by chance would count most, and
    intervals, which take the weights as given, be too short (83 % for 95 % with 8 runs of 20 points).
    """
    known = spread > 0
    if known.sum() < 5:
        return spread
    x = np.linspace(-1, 1, len(spread))
    fitted = np.polynomial.Polynomial.fit(
        x[known], np.log(spread[known]), min(3, int(known.sum()) // 5), domain=[-1, 1]
    )
    return np.where(known, np.exp(fitted(x)), spread)


def interpolation(axis: Float[np.ndarray, "m"], at: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n m"]:
    """The matrix that takes a curve on `axis` to its cubic spline at `at`; rows of the identity on its points."""
    from scipy.interpolate import CubicSpline

    if len(axis) < 4:
        return np.stack([np.interp(at, axis, row) for row in np.eye(len(axis))], axis=1)
    matrix = np.asarray(CubicSpline(axis, np.eye(len(axis)))(at))
    for i, x in enumerate(at):
        on = np.flatnonzero(axis == x)
        if len(on):
            matrix[i] = np.eye(len(axis))[on[0]]
    return matrix


def _judge(observable: Observable, curve: Measured, predicted: np.ndarray, setting: AbstractSystem) -> Agreement:
    at = _on(observable, setting, predicted, curve.axis)
    if curve.runs > 1:
        return judge(observable, curve.values, at)
    if curve.stderr is not None:
        return judge_points(observable, curve.values[0], at, curve.stderr)
    return judge(observable, curve.values, at, deterministic=True)


def _on(observable: Observable, setting: AbstractSystem, predicted: np.ndarray, axis: np.ndarray) -> np.ndarray:
    matrix = interpolation(np.asarray(setting.coordinates()[observable.dims[0]], float), axis)
    if observable.scale == "log" and (predicted > 0).all():
        return np.exp(matrix @ np.log(predicted))
    return matrix @ predicted


def _figures(
    system: AbstractSystem,
    measured: Mapping[str, Measured],
    curves: Mapping[str, np.ndarray],
    agreements: Mapping[str, Agreement],
) -> dict[str, Callable[[], Any]]:
    from theorylab.report.overlay import overlay_measured

    found = {}
    for one in system.observables:
        if one.name not in measured:
            continue
        curve, axis = measured[one.name], np.asarray(system.coordinates()[one.dims[0]])

        def draw(one: Observable = one, curve: Measured = curve, axis: np.ndarray = axis) -> Any:
            return overlay_measured(
                one,
                [axis],
                curves[one.name],
                [curve.axis],
                curve.values.mean(axis=0),
                stderr=curve.stderr,
                runs=curve.values if curve.runs > 1 else None,
                agreement=agreements[one.name] if curve.runs or curve.stderr is not None else None,
                name=f"{registry.name_of(system)}, fitted",
            )

        found[one.name] = draw
    return found


def _number(x: Any) -> float | None:
    return float(x) if math.isfinite(x) else None
