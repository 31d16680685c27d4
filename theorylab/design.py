"""From gradients to design: settings that optimise a predicted observable, verified by simulation in the same call."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from scipy.stats import qmc

from theorylab.compare.case import Options, run
from theorylab.compare.comparison import Comparison
from theorylab.core import AbstractSystem, NumericalFailure, Numerics, Refused, require
from theorylab.core.casting import cast, in_precision
from theorylab.core.derivatives import explicit_jacobian
from theorylab.core.system import fields_of, is_static
from theorylab.engine import instances as instances_
from theorylab.engine.ensemble import as_key
from theorylab.engine.predictions import predict, predict_many
from theorylab.engine.programs import program
from theorylab.report.format import significant, value_error

Objective = str | Callable[[Mapping[str, Any]], Any]
"""An observable's name (its last value is meant), or a traceable function of the curves that returns a number."""
Over = Sequence[str] | Mapping[Any, Sequence[Any]]
"""What is searched: see `optimize`."""
REACH = 100.0
"""Without bounds a positive coupling is searched over this factor to both sides."""
EDGE = 0.02
"""Nearer than this share of the range to one of its ends, an optimum lies at the edge."""


@dataclass(frozen=True)
class Optimum:
    """The best setting found, and what the simulation says of it.

    Arguments:
      system: the setting.
      value: predicted objective there, by a fresh prediction.
      start: predicted objective of the setting that the search began from.
      found: the optimised fields' values.
      at_edge: fields whose optimum lies at the end of their range, where widening it may give more.
      enumerated: predicted optimum of every combination of static fields, best first.
      comparison: theory beside simulation at the optimum; None where no runs were asked for.
      measured, measured_error: objective of the simulated runs there, their mean and standard error.
      gain, gain_error: measured objective at the start minus at the optimum (reversed where maximised), run by run
        under the same keys; positive is better.
    """

    system: AbstractSystem
    value: float
    start: float
    found: dict[str, Any]
    at_edge: tuple[str, ...]
    enumerated: tuple[tuple[dict[str, Any], float], ...]
    comparison: Comparison | None
    measured: float
    measured_error: float
    gain: float
    gain_error: float

    def __str__(self) -> str:
        lines = [f"{name} = {_written(value)}" for name, value in self.found.items()]
        lines.append(f"predicted objective {significant(self.value, 5)}, before {significant(self.start, 5)}")
        if self.at_edge:
            lines.append(f"at the edge of its range: {', '.join(self.at_edge)}; widen it")
        if self.comparison is not None:
            lines.append(f"simulated objective {value_error(self.measured, self.measured_error)}")
            lines.append(f"simulated gain {value_error(self.gain, self.gain_error)}")
            lines.append(f"theory and simulation there: {self.comparison.verdict}")
        return "\n".join(lines)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    return significant(value, 5) if isinstance(value, float) else str(value)


def optimize(
    system: AbstractSystem,
    objective: Objective,
    over: Over,
    *,
    maximise: bool = False,
    runs: int | None = 32,
    key: Key[Array, ""] | None = None,
    starts: int = 16,
    options: Options | None = None,
) -> Optimum:
    """The couplings (and sizes) that make a predicted observable smallest, then a simulation there, verdict included.

    Couplings are searched between bounds by BFGS on forward derivatives (optimistix), from the best of `starts`
    quasi-random settings predicted in one vmap; static fields are enumerated.

    Arguments:
      objective: an observable's name (its last value), or a traceable function of the curves.
      over: names of positive couplings (searched over a factor of 100 to both sides), or by name (low, high) for a
        coupling and a list of values for a static field; ("members", "width"): [(1, 300), (5, 60)] changes static
        fields together. Of a coupling that is an array (a schedule) every entry is searched, between the same bounds.
      maximise: largest in place of smallest.
      runs: of the simulation, here and at the start; None: prediction only.
      key: of instance and runs; `jax.random.key(0)` by default.

    Raises: `Refused` for names, bounds and values that make no sense; `NumericalFailure` where no setting can be
      predicted.
    """
    ranges, choices = _searched(system, over)
    require(starts >= 1, f"starts must be at least 1, got {starts}")
    key = as_key(jax.random.key(0) if key is None else key)
    sign = -1.0 if maximise else 1.0
    traceable = _measure(system, objective)

    def measure(curves: Mapping[str, Any]) -> float:
        with in_precision("float64"):
            return float(traceable({name: jnp.asarray(curve) for name, curve in curves.items()}))

    def scored(one: AbstractSystem) -> float:
        prediction = predict(one, instance=instances_.draw_one(one, key) if one.draws else None)
        return math.nan if prediction.failure() else measure(prediction.curves)

    begun = scored(system)
    results: list[tuple[dict[str, Any], AbstractSystem, float]] = []
    for values in itertools.product(*choices.values()):
        chosen = {
            name: one
            for names, given in zip(choices, values, strict=True)
            for name, one in zip(names, given, strict=True)
        }
        setting = _replaced(system, chosen)
        best = _search(setting, ranges, traceable, measure, sign, key, starts) if ranges else setting
        if best is not None:
            results.append((chosen, best, scored(best)))
    results = sorted((r for r in results if math.isfinite(r[2])), key=lambda r: sign * r[2])
    if not results:
        raise NumericalFailure("no setting between these bounds can be predicted; narrow them towards one that can")
    _, winner, value = results[0]
    found = {name: getattr(winner, name) for name in [*ranges, *itertools.chain(*choices)]}
    edges = tuple(name for name, bounds in ranges.items() if _at_edge(np.asarray(found[name], float), bounds))
    comparison, said = None, (math.nan,) * 4
    if runs is not None:
        require(runs >= 2, f"runs must be at least 2 for a standard error, got {runs}")
        comparison = run(winner, runs=runs, key=key, options=options, case="optimum")
        before = run(system, runs=runs, key=key, options=options, case="start")
        said = _gain(comparison, before, measure, sign)
    return Optimum(
        system=winner,
        value=value,
        start=begun,
        found={name: np.asarray(v, float).tolist() if name in ranges else v for name, v in found.items()},
        at_edge=edges,
        enumerated=tuple((chosen, worth) for chosen, _, worth in results),
        comparison=comparison,
        measured=said[0],
        measured_error=said[1],
        gain=said[2],
        gain_error=said[3],
    )


def _searched(
    system: AbstractSystem, over: Over
) -> tuple[dict[str, tuple[float, float]], dict[tuple[str, ...], tuple[Any, ...]]]:
    """Bounds by coupling, and tuples of values by static fields that change together."""
    fields = {field.name: field for field in fields_of(system)}
    require(not isinstance(over, str) and len(over) > 0, 'say over what, for example over=["rate"]')
    asked = over if isinstance(over, Mapping) else dict.fromkeys(over)
    ranges: dict[str, tuple[float, float]] = {}
    choices: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for name, values in asked.items():
        if isinstance(name, tuple):
            alone = all(other in fields and is_static(fields[other]) for other in name)
            require(alone and values is not None, f"{name} must name static fields that change together, with tuples")
            choices[name] = tuple(values or ())
            for one in choices[name]:
                require(len(one) == len(name), f"{name} needs tuples of {len(name)} values, got {one}")
            continue
        require(name in fields, f"{type(system).__name__} has no field {name!r}; it has: {', '.join(fields)}")
        if is_static(fields[name]):
            require(
                values is not None and len(values) > 0,
                f"{name} is a size or a choice, which is enumerated: give its values, over={{{name!r}: [...]}}",
            )
            choices[(name,)] = tuple((value,) for value in values or ())
            continue
        at = np.asarray(getattr(system, name))
        if values is None:
            require(bool(np.all(at > 0)), f"{name} is {at}: give bounds, over={{{name!r}: (low, high)}}")
        bounds = (float(at.min()) / REACH, float(at.max()) * REACH) if values is None else tuple(values)
        require(
            len(bounds) == 2 and np.isfinite(bounds).all() and bounds[0] < bounds[1],
            f"the bounds of {name} must be (low, high) with low < high, got {bounds}",
        )
        ranges[name] = (float(bounds[0]), float(bounds[1]))
    return ranges, choices


def _measure(system: AbstractSystem, objective: Objective) -> Callable[[Mapping[str, Any]], Any]:
    if not isinstance(objective, str):
        return objective
    names = [observable.name for observable in system.observables]
    require(objective in names, f"no observable {objective!r} here; there are: {', '.join(names)}")
    return lambda curves: jnp.ravel(curves[objective])[-1]


def _replaced(system: AbstractSystem, changes: Mapping[str, Any]) -> AbstractSystem:
    try:
        return dataclasses.replace(system, **changes)
    except ValueError as error:
        raise Refused(f"{', '.join(f'{name}={value}' for name, value in changes.items())}: {error}") from error


def _logarithmic(bounds: tuple[float, float]) -> bool:
    return bounds[0] > 0 and bounds[1] / bounds[0] >= 10


def _between(bounds: tuple[float, float], share: Any) -> Any:
    """The value at a share in (0, 1) of the range: geometric where it spans a decade."""
    low, high = bounds
    if _logarithmic(bounds):
        return low * jnp.exp(share * math.log(high / low))
    return low + (high - low) * share


def _at_edge(value: Float[np.ndarray, "..."], bounds: tuple[float, float]) -> bool:
    low, high = (math.log(b) for b in bounds) if _logarithmic(bounds) else bounds
    share = ((np.log(value) if _logarithmic(bounds) else value) - low) / (high - low)
    return bool(np.any(np.minimum(share, 1 - share) < EDGE))


def _values(system: AbstractSystem, ranges: Mapping[str, tuple[float, float]], share: Any) -> dict[str, Any]:
    """Couplings at a point of the unit cube, one after the other; arrays take as many shares as they have entries."""
    values, at = {}, 0
    for name, bounds in ranges.items():
        shape = np.shape(getattr(system, name))
        count = math.prod(shape)
        values[name] = jnp.reshape(_between(bounds, share[at : at + count]), shape)
        at += count
    return values


def _held(system: AbstractSystem, ranges: Mapping[str, tuple[float, float]], share: Any) -> AbstractSystem:
    """The system there, its couplings exact float64 numbers. Raises: `ValueError` where it refuses them."""
    with in_precision("float64"):
        values = {name: np.asarray(value, np.float64) for name, value in _values(system, ranges, share).items()}
    return dataclasses.replace(system, **{name: v if v.ndim else float(v) for name, v in values.items()})


def _search(
    system: AbstractSystem,
    ranges: Mapping[str, tuple[float, float]],
    traceable: Callable[[Mapping[str, Any]], Any],
    measure: Callable[[Mapping[str, Any]], float],
    sign: float,
    key: Key[Array, ""],
    starts: int,
) -> AbstractSystem | None:
    """The best couplings of one static setting; None where nothing there can be predicted."""
    count = sum(np.size(getattr(system, name)) for name in ranges)
    points = qmc.Sobol(count, scramble=True, rng=0).random(1 << (starts - 1).bit_length())[:starts]
    settings, kept = [], []
    for point in points:
        try:
            settings.append(_held(system, ranges, point))
        except ValueError:  # refused there: the bounds hold more than the system does
            continue
        kept.append(point)
    if not settings:
        return None
    drawn = [instances_.draw_one(one, key) if one.draws else None for one in settings]
    predictions = predict_many(settings, drawn).predictions
    worth = np.array([math.nan if p.failure() else sign * measure(p.curves) for p in predictions])
    if not np.isfinite(worth).any():
        return None
    best = int(np.nanargmin(worth))
    begin = settings[best]
    numerics = begin.numerics(drawn[best])
    with in_precision("float64"):
        args = (
            jnp.asarray(np.log(kept[best] / (1 - kept[best]))),
            cast(begin, "float64"),
            cast(drawn[best], "float64"),
            cast(numerics, "float64"),
        )
        name = ("design", traceable, sign, tuple(ranges.items()))
        descend = _descent(ranges, traceable, sign)
        share = np.asarray(jax.device_get(program(descend, args, name=name).call(*args)))
    try:
        refined = _held(system, ranges, share)
    except ValueError:
        return begin
    after = predict(refined, instance=drawn[best])
    better = not after.failure() and sign * measure(after.curves) <= worth[best]
    return refined if better else begin


def _descent(
    ranges: Mapping[str, tuple[float, float]], measure: Callable[[Mapping[str, Any]], Any], sign: float
) -> Callable[..., Float[Array, "shares"]]:
    import optimistix as optx

    def descend(logits: Float[Array, "shares"], system: AbstractSystem, instance: Any, numerics: Numerics) -> Any:
        def value(logits: Float[Array, "shares"], _: None) -> Float[Array, ""]:
            values = _values(system, ranges, jax.nn.sigmoid(logits))

            def curves(values: dict[str, Any]) -> Any:
                prediction = dataclasses.replace(system, **values).predict(instance, numerics)
                return prediction.curves, prediction.status

            found, status = explicit_jacobian(curves)(values)
            return jnp.where(status == 0, sign * measure(found), jnp.nan)

        solver = optx.BFGS(rtol=1e-6, atol=1e-10)
        solution = optx.minimise(value, solver, logits, max_steps=64, throw=False)
        return jax.nn.sigmoid(solution.value)

    return descend


def _gain(
    after: Comparison, before: Comparison, measure: Callable[[Mapping[str, Any]], float], sign: float
) -> tuple[float, float, float, float]:
    """Mean and standard error of the simulated objective at the optimum, and of its gain, run by run."""

    def every(comparison: Comparison) -> np.ndarray:
        if comparison.failure or not comparison.rungs:
            return np.array([math.nan])
        curves = comparison.rungs[-1].curves
        count = len(next(iter(curves.values())))
        return np.array([measure({n: c[i] for n, c in curves.items()}) for i in range(count)])

    at, start = every(after), every(before)

    def spread(values: np.ndarray) -> float:
        return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan

    gain = sign * (start - at) if start.shape == at.shape else np.array([math.nan])
    return float(at.mean()), spread(at), float(gain.mean()), spread(gain)
