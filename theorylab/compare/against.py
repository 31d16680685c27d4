"""A user's own measured curve on the prediction: judged where its noise is known, drawn where it is not."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from theorylab.compare.agreement import judge, judge_points
from theorylab.compare.arguments import Job
from theorylab.compare.comparison import Comparison, metadata, worst_word
from theorylab.compare.export import FIGURE, verdict_json
from theorylab.compare.measured import Measured, read
from theorylab.compare.result import Agreement, Rung, Seconds
from theorylab.core import NumericalFailure, Observable, require
from theorylab.engine import files
from theorylab.engine.instances import draw_one
from theorylab.engine.predictions import predict_many

DRAWN = "drawn"
"""Word for a curve without runs or standard errors: it is drawn, and not judged."""


def compare_measured(job: Job, path: Path, out: Path, seed: int) -> dict[str, Any]:
    """The prediction of a case against measured curves, written under `out` as `against-FILE`.

    Returns: the verdict as in verdict.json, the word "drawn" where nothing is known of a curve's noise.

    Raises: `Refused` for a malformed file (line and column) or an axis value outside the prediction's range.
    """
    system = job.system
    measured = read(path, system.observables)
    coordinates = {name: np.asarray(axis) for name, axis in system.coordinates().items()}
    chosen = [observable for observable in system.observables if observable.name in measured]
    for observable in chosen:
        _check_range(path, observable, measured[observable.name], coordinates[observable.dims[0]])
    files.check_writable(out)
    timed = predict_many([system], [draw_one(system, jax.random.key(seed))], job.case.numerics)
    prediction = timed.predictions[0]
    sentence = prediction.failure()
    if sentence:
        raise NumericalFailure(sentence)
    predicted = {
        one.name: interpolate(
            one, coordinates[one.dims[0]], np.asarray(prediction.curves[one.name]), measured[one.name].axis
        )
        for one in chosen
    }
    verdicts = {one.name: _judge(one, measured[one.name], predicted[one.name]) for one in chosen}
    rung = Rung(
        size=None,
        predicted={one.name: np.asarray(prediction.curves[one.name]) for one in chosen},
        simulated={name: curve.values.mean(axis=0) for name, curve in measured.items()},
        stderr={name: _stderr(curve) for name, curve in measured.items()},
        curves={name: curve.values for name, curve in measured.items()},
        coordinates=coordinates,
        agreements=verdicts,
    )
    data = Comparison(
        system=system,
        name=job.name,
        case=f"against-{path.stem}",
        about=f"measured: {path.name}",
        rungs=(rung,),
        ladder={},
        facts=prediction.facts,
        warnings=tuple(system.warnings(None if not system.draws else draw_one(system, jax.random.key(seed)))),
        seconds=Seconds(timed.seconds, timed.seconds_compile, 0.0, 0.0, float("nan")),
        meta=metadata(preset=job.preset, command=job.command, seed=seed, runs=max(c.runs for c in measured.values())),
    )
    folder = out / data.name / data.case
    result = _drawn(verdict_json(data), measured)
    from theorylab.report.overlay import overlay_measured
    from theorylab.report.overlay import save as save_figure

    figures = []
    for one in chosen:
        curve = measured[one.name]
        drawn = overlay_measured(
            one,
            [coordinates[one.dims[0]]],
            rung.predicted[one.name],
            [curve.axis],
            rung.simulated[one.name],
            stderr=curve.stderr,
            runs=curve.values if curve.runs > 1 else None,
            agreement=verdicts[one.name] if curve.runs or curve.stderr is not None else None,
            name=f"{data.name}, {data.about}",
        )
        save_figure(drawn, folder / one.name)
        figures.append(str(folder / one.name / FIGURE))
    result["figure"], result["figures"] = figures[0], figures
    result["cached"] = False
    files.write_json(folder / "measured.json", result)
    return result


def interpolate(
    observable: Observable, axis: Float[np.ndarray, " m"], curve: Float[np.ndarray, " m"], at: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """A predicted curve between its recorded points: exact on them, monotone cubic between (in the logarithm of
    positive curves judged on a log scale)."""
    from scipy.interpolate import PchipInterpolator

    if observable.scale == "log":
        return np.exp(PchipInterpolator(axis, np.log(curve))(at))
    return np.asarray(PchipInterpolator(axis, curve)(at))


def _check_range(path: Path, observable: Observable, measured: Measured, axis: Float[np.ndarray, " m"]) -> None:
    name = observable.dims[0]
    inside = (measured.axis >= axis.min()) & (measured.axis <= axis.max())
    require(
        bool(inside.all()),
        f"{path}: {name} = {measured.axis[~inside][0] if not inside.all() else 0:g} is outside the prediction's "
        f"range [{axis.min():g}, {axis.max():g}]; lengthen the horizon, or leave those rows out",
    )


def _judge(observable: Observable, measured: Measured, predicted: Float[np.ndarray, " n"]) -> Agreement:
    if measured.runs:
        return judge(observable, measured.values, predicted)
    if measured.stderr is not None:
        return judge_points(observable, measured.values[0], predicted, measured.stderr)
    found = judge(observable, measured.values, predicted, deterministic=True)
    reason = "neither runs nor standard errors are given, so the curve is drawn and not judged"
    return dataclasses.replace(found, low=float("nan"), high=float("nan"), needed=None, reason=reason)


def _stderr(measured: Measured) -> Float[np.ndarray, " n"]:
    if measured.runs > 1:
        return measured.values.std(axis=0, ddof=1) / np.sqrt(measured.runs)
    return np.full(len(measured.axis), np.nan) if measured.stderr is None else measured.stderr


def _drawn(result: dict[str, Any], measured: dict[str, Measured]) -> dict[str, Any]:
    """The verdict with unjudged curves named so, and not counted."""
    for one in result["observables"]:
        curve = measured[one["name"]]
        if not curve.runs and curve.stderr is None:
            one["word"] = DRAWN
    words = [one["word"] for one in result["observables"] if one["word"] != DRAWN]
    return {**result, "verdict": worst_word(words) if words else DRAWN}
