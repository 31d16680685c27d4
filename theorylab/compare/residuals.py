"""From curves to what is judged: one relative residual an independent unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from theorylab.compare.signflip import MIN_UNITS
from theorylab.core import Observable, require


@dataclass(frozen=True)
class Residuals:
    """Relative residuals of independent units, docs/guarantees.md "The verdict".

    Arguments:
      observable: what is judged.
      values: run minus its own prediction, relative, one row an independent unit, shape (units, *shape); NaN where
        a unit is undefined.
      kept: points that are judged, shape (*shape).
      relative: what was divided by: a scalar, or the mean prediction (*shape) for log scale.
      error: standard error of a sampled theory, relative, shape (*shape); zero where the theory is exact.
      unit: what a unit is.
      deterministic: the simulation has no randomness.
      failure: why nothing can be judged; "" where it can.
      note: a sentence on points left out; "" where there are none.
    """

    observable: Observable
    values: Float[np.ndarray, "units *shape"]
    kept: Bool[np.ndarray, "*shape"]
    relative: Float[np.ndarray, "..."]
    error: Float[np.ndarray, "*shape"]
    unit: str
    deterministic: bool = False
    failure: str = ""
    note: str = ""

    @property
    def judged(self) -> Float[np.ndarray, "units points"]:
        """Residuals at the points that are judged, flat."""
        return self.values[:, self.kept]

    @property
    def error_norm(self) -> float:
        """Norm of the theory's own standard error."""
        error = self.error[self.kept]
        return float(np.sqrt(np.mean(error**2))) if error.size else 0.0

    def spread(self, flat: Float[np.ndarray, "points"]) -> Float[np.ndarray, "*shape"]:
        """Values at the judged points in the observable's shape, NaN elsewhere."""
        full = np.full(self.kept.shape, np.nan)
        full[self.kept] = flat
        return full


def as_real(observable: Observable, what: str, values: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """`values` in float64. Raises: `Refused` for complex ones."""
    array = np.asarray(values)
    require(
        not np.iscomplexobj(array),
        f"{what} {observable.name} is complex; judge its real and imaginary parts as two observables",
    )
    return array.astype(np.float64)


def first_bad(observable: Observable, bad: Bool[np.ndarray, "*shape"]) -> str:
    """Where a curve first fails, in the words of the observable's axes."""
    where = np.argwhere(bad)[0]
    names = observable.dims if len(observable.dims) == len(where) else [f"axis {i}" for i in range(len(where))]
    return ", ".join(f"{name} index {i}" for name, i in zip(names, where, strict=True))


def _failure(
    observable: Observable,
    simulated: Float[np.ndarray, "runs *shape"],
    predicted: Float[np.ndarray, "runs *shape"],
    undefined_ok: bool,
) -> str:
    for what, values in (("predicted", predicted), ("simulated", simulated)):
        bad = np.isinf(values) if undefined_ok else ~np.isfinite(values)
        runs = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
        if not runs.size:
            continue
        where = first_bad(observable, bad[runs[0]])
        located = f", first at {where}" if where else ""
        run = "" if what == "predicted" and len(runs) == len(values) else f" of run {runs[0]}"
        others = f" ({len(runs)} of {len(values)} runs)" if len(runs) > 1 and run else ""
        return f"{what} {observable.name}{run} is not finite{located}{others}"
    return ""


def _by_instance(
    values: Float[np.ndarray, "runs *shape"], index: Int[np.ndarray, "runs"]
) -> Float[np.ndarray, "units *shape"]:
    """Mean over each instance's runs; NaN is missing."""
    count = int(index.max()) + 1
    total, present = np.zeros((2, count, *values.shape[1:]))
    missing = np.isnan(values)
    np.add.at(total, index, np.where(missing, 0.0, values))
    np.add.at(present, index, ~missing)
    return np.where(present > 0, total / np.maximum(present, 1), np.nan)


def norm_scale(observable: Observable, predicted: Float[np.ndarray, "points"]) -> float:
    """Root mean square of the prediction, or the floor where that is larger. Raises: `Refused` where both are 0."""
    rms = float(np.sqrt(np.mean(predicted**2))) if predicted.size else 0.0
    scale = max(rms, observable.floor)
    require(
        scale > 0 or not predicted.size,
        f"{observable.name} is predicted to be zero everywhere, so no deviation can be relative to it; "
        f"give the observable a floor",
    )
    return scale


def require_positive(observable: Observable, predicted: Float[np.ndarray, "..."]) -> None:
    """Refuse a log scale where a prediction is not positive. Raises: `Refused`."""
    bad = predicted <= 0
    if bad.any():
        require(
            False,
            f"{observable.name} is judged on a log scale, but its prediction is {predicted[bad].flat[0]:.3g} "
            f"somewhere; use scale='linear', or observe a positive quantity",
        )


def require_judgeable(observable: Observable, predicted: Float[np.ndarray, "predictions *shape"]) -> None:
    """Refuse, before anything is simulated, predictions that the observable's scale cannot be relative to.

    Raises: `Refused` for a log scale where a prediction is not positive, or zero everywhere without a floor.
    """
    if observable.scale == "log":
        require_positive(observable, predicted)
    elif observable.scale == "linear":
        mean = predicted.mean(axis=0)
        norm_scale(observable, mean[np.isfinite(mean)])


def cumulative(
    observable: Observable,
    values: Float[np.ndarray, "... bins"],
    total: Float[np.ndarray, "..."],
    widths: Float[np.ndarray, "bins"] | float,
) -> Float[np.ndarray, "... bins"]:
    """Cumulative distribution of a density over its last axis, in units of the predicted total.

    The prediction ends at one; a simulation whose density sums to something else ends elsewhere, so mass that
    is missing or outside the axis counts as a deviation. Raises: `Refused` for a total that is not positive.
    """
    require(np.all(total > 0), f"the predicted density {observable.name} must have a positive total")
    return np.cumsum(values * widths, axis=-1) / total[..., None]


def _theory_error(
    observable: Observable, given: Shaped[np.ndarray, "..."] | None, runs: Float[np.ndarray, "runs *shape"]
) -> Float[np.ndarray, "*shape"]:
    """Standard error of the mean prediction. Several predictions made from one set of samples share their errors,
    so the mean of theirs is the safe bound."""
    shape = runs.shape[1:]
    if given is None:
        return np.zeros(shape)
    error = np.abs(as_real(observable, "standard error of", given))
    require(
        error.shape in (shape, runs.shape),
        f"{observable.name}: the prediction's error has shape {error.shape}, expected {shape}",
    )
    return error.mean(axis=0) if error.ndim == runs.ndim else error


def _unit(
    observable: Observable, groups: Int[np.ndarray, "runs"] | None, runs: int
) -> tuple[str, Int[np.ndarray, "runs"] | None]:
    """What an independent unit is, and the instance of each run where a unit is an instance's mean."""
    if groups is None:
        return "run", None
    require(np.shape(groups) == (runs,), f"{observable.name}: groups has {np.size(groups)} entries for {runs} runs")
    index = np.unique(np.asarray(groups), return_inverse=True)[1]
    several = int(index.max()) + 1
    if several == 1:
        return "run of this instance", None
    return ("run", None) if several == runs else ("instance", index)


def _mean_defined(theory: Float[np.ndarray, "runs *shape"]) -> Float[np.ndarray, "*shape"]:
    """Mean over the predictions that are defined; NaN where none is."""
    if len(theory) == 1:
        return theory[0]
    present = (~np.isnan(theory)).sum(axis=0)
    return np.where(present > 0, np.nansum(theory, axis=0) / np.maximum(present, 1), np.nan)


def residuals(
    observable: Observable,
    simulated: Shaped[np.ndarray, "runs *shape"],
    predicted: Shaped[np.ndarray, "..."],
    *,
    groups: Int[np.ndarray, "runs"] | None = None,
    prediction_error: Shaped[np.ndarray, "..."] | None = None,
    widths: Float[np.ndarray, "bins"] | None = None,
    deterministic: bool = False,
) -> Residuals:
    """Relative residuals of one observable, one row an independent unit.

    Arguments:
      observable: what is judged, and on which scale.
      simulated: every run, shape (runs, *shape).
      predicted: one prediction for all runs (*shape), or one a run (runs, *shape).
      groups: index of the shared instance of each run. Several instances: a unit is the mean over an instance's
        runs. One: a unit is a run of this instance.
      prediction_error: standard error of a sampled theory, (*shape) or one a run.
      widths: of a density's bins; None for equal ones.
      deterministic: the simulation has no randomness.

    Raises: `Refused` for shapes that do not match and for predictions that the scale cannot be relative to.
    """
    runs = as_real(observable, "simulated", simulated)
    theory = as_real(observable, "predicted", predicted)
    require(runs.ndim >= 1 and len(runs) > 0, f"there is no run of {observable.name} to judge")
    shape = runs.shape[1:]
    require(
        theory.shape in (shape, runs.shape),
        f"{observable.name}: simulated has shape {shape} a run, predicted has shape {theory.shape}",
    )
    theory = theory if theory.ndim == runs.ndim else theory[None]
    error = _theory_error(observable, prediction_error, runs)
    unit, index = _unit(observable, groups, len(runs))

    undefined_ok = observable.undefined_ok and observable.scale != "density"
    failure = _failure(observable, runs, theory, undefined_ok)
    if failure:
        return Residuals(
            observable, np.full_like(runs, np.nan), np.zeros(shape, bool), np.array(np.nan), error, unit,
            deterministic, failure,
        )  # fmt: skip

    if observable.scale == "density":
        width = 1.0 if widths is None else np.asarray(widths, np.float64)
        total = np.sum(theory.mean(axis=0) * width, axis=-1)
        runs, theory = (cumulative(observable, a, total, width) for a in (runs, theory))
        error = cumulative(observable, error, total, width)  # errors of bins may add up: the safe bound
    if observable.scale == "log":
        require_positive(observable, theory)

    values = runs - theory
    if observable.scale == "log":
        values = values / theory
    if index is not None:
        values = _by_instance(values, index)

    defined = ~np.isnan(values)
    theory_defined = ~np.isnan(theory).all(axis=0)
    least = 1 if deterministic else min(MIN_UNITS, len(values))
    kept = theory_defined & (defined.sum(axis=0) >= least)
    dropped = int(np.sum(theory_defined & ~kept))
    note = ""
    if dropped:
        note = f"{dropped} of {theory_defined.sum()} predicted points left out: defined in fewer than {least} {unit}s"

    mean_prediction = _mean_defined(theory)
    if observable.scale == "log":
        relative = mean_prediction
    else:
        relative = np.array(norm_scale(observable, mean_prediction[kept]))
        values = values / relative if relative > 0 else values
    if error.any():
        require(np.isfinite(error[kept]), f"the prediction's standard error of {observable.name} must be finite")
        error = np.where(kept, error, np.nan) / relative
    return Residuals(observable, values, kept, relative, error, unit, deterministic, "", note)
