"""The verdict: does a theory's curve lie within the margin of what its simulation does?

Let d(x) be the mean over units of run minus its prediction and ||.|| the root mean square over x, relative to the
prediction. With confidence 95 % the truth lies within c s2 of d in that norm (`signflip`), so the true deviation
lies in [||d|| - c s2, ||d|| + c s2]: agreement needs the upper end within the margin, difference the lower end
beyond it, and noise never turns into either. The calibration is `tests/compare/test_agreement.py`.

What no such method can see is a tail that few units have not shown yet: with noise all along the deviation and
log-normal, wrong words at the margin are 6-9 % at 6 to 16 units (5 % at 64) for a log-standard deviation of 0.5, and
11-25 % for one of 1. More units, or a logarithm as the observable, are the remedy.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import ndtri

from theorylab.compare.residuals import (
    Residuals,
    as_real,
    cumulative,
    residuals,
)
from theorylab.compare.result import Agreement, Word
from theorylab.compare.signflip import FLIPS, MIN_UNITS, Ball, ball, upper
from theorylab.core import Observable, require

POWER = 0.8
"""Probability with which the number of units that is said to decide does so."""
FORESEEABLE = 100
"""Numbers of units beyond this many times the present ones are no forecast."""
DRAWS = 10_000
"""Gaussian draws for a measured curve of known standard errors: its 95 % quantile to 0.5 %."""


def word(low: float, high: float, margin: float) -> Word:
    """agrees, differs or undecided: where the interval of the true deviation lies."""
    return "agrees" if high <= margin else "differs" if low > margin else "undecided"


def interval(norm: float, radius: float, theory_error: float = 0.0) -> tuple[float, float]:
    """[norm - radius, norm + radius], widened by twice the norm of the theory's standard error; not below zero."""
    total = radius + 2 * theory_error
    return max(norm - total, 0.0), norm + total


def units_needed(found: Ball, units: int, margin: float, theory_error: float = 0.0) -> int | None:
    """Units that would decide with a probability of about 80 %; None where no foreseeable number would.

    The signal is the measured norm less its noise. The norm that more units would measure scatters around it by
    its present error and theirs; with that probability it must clear the quantile of the noise that they leave.
    """
    more = np.unique(np.ceil(units * np.geomspace(1 + 1 / units, FORESEEABLE, 2000)).astype(int))
    shrink = np.sqrt(units / more)
    signal = math.sqrt(max(found.norm**2 - found.noise**2, 0.0))
    if found.norm > 0 and abs(signal - margin) < found.along:
        return None  # the measured norm does not say on which side of the margin the truth is
    quantile = found.many + (found.quantile - found.many) * units / more
    expected = np.sqrt(signal**2 + (shrink * found.noise) ** 2)
    slack = float(ndtri(POWER)) * np.sqrt(1 + shrink**2) * found.along
    radius = quantile * shrink * found.noise + 2 * theory_error
    decided = (expected + slack + radius <= margin) | (expected - slack - radius > margin)
    return int(more[np.argmax(decided)]) if decided.any() else None


def _unjudged(data: Residuals, word_: Word, reason: str) -> Agreement:
    nothing = np.full(data.kept.shape, np.nan)
    judged = data.judged
    residual = nothing
    deviation = math.nan
    if not data.failure and judged.size:
        mean = np.nanmean(judged, axis=0)
        residual, deviation = data.spread(mean), float(np.sqrt(np.mean(mean**2)))
    low, high = (math.nan, math.nan) if data.failure else (0.0, math.inf)
    return Agreement(
        data.observable, word_, deviation, low, high, math.nan, math.nan, len(data.values), data.unit, None,
        reason, residual, nothing, data.relative,
    )  # fmt: skip


def verdict(data: Residuals, *, flips: int = FLIPS, seed: int = 0) -> Agreement:
    """The verdict on relative residuals. See `judge`."""
    count, margin, judged = len(data.values), data.observable.margin, data.judged
    if data.failure:
        return _unjudged(data, "failed", data.failure)
    if not judged.size:
        return _unjudged(data, "undecided", data.note or "no point is defined in the prediction")
    error = data.error_norm
    if data.deterministic:
        mean = np.nanmean(judged, axis=0)
        norm = float(np.sqrt(np.mean(mean**2)))
        low, high = interval(norm, 0.0, error)
        return Agreement(
            data.observable, word(low, high, margin), norm, low, high, 0.0, math.nan, count, data.unit, None,
            data.note, data.spread(mean), data.spread(np.zeros_like(mean)), data.relative,
        )  # fmt: skip
    if count < MIN_UNITS:
        sentence = f"{count} {data.unit}{'s' if count > 1 else ''}: statistics need at least {MIN_UNITS}"
        return _unjudged(data, "undecided", sentence)

    found = ball([judged], flips=flips, seed=seed)
    low, high = interval(found.norm, found.quantile * found.noise, error)
    result = word(low, high, margin)
    needed = units_needed(found, count, margin, error) if result == "undecided" else None
    reasons = [data.note] if data.note else []
    if found.noise == 0:
        reasons.append("every run is the same")
    if result == "undecided" and error > 0 and needed is None:
        reasons.append("the theory's own sampling error is part of the doubt; give it more samples")
    return Agreement(
        data.observable, result, found.norm, low, high, found.noise, found.largest_z, count, data.unit, needed,
        "; ".join(reasons), data.spread(found.mean), data.spread(found.band), data.relative,
    )  # fmt: skip


def judge(
    observable: Observable,
    simulated: Shaped[np.ndarray, "runs *shape"],
    predicted: Shaped[np.ndarray, "..."],
    *,
    groups: Int[np.ndarray, "runs"] | None = None,
    prediction_error: Shaped[np.ndarray, "..."] | None = None,
    widths: Float[np.ndarray, "bins"] | None = None,
    deterministic: bool = False,
) -> Agreement:
    """The verdict on one observable; `docs/guarantees.md` says what it promises.

    Arguments:
      observable: what is judged: scale, margin, floor.
      simulated: every run, shape (runs, *shape).
      predicted: one prediction for all runs (*shape), or one a run (runs, *shape): then each run is compared with
        its own, and what varies between instances cancels.
      groups: index of the shared instance of each run. With several instances the unit is the instance (the mean
        over its runs); with one it is the run of this instance.
      prediction_error: standard error of a theory that is itself sampled, shape (*shape) or one a run.
      widths: of the bins of a density; None for equal ones.
      deterministic: the simulation has no randomness: one run decides.

    Returns: agrees (the true deviation is within the margin, 95 %), differs (beyond it), undecided, or failed
    (not finite: named with run and index). At a true deviation of exactly the margin at most 5 % of verdicts
    are agrees or differs.

    Raises: `Refused` for shapes that do not match, for a log scale where the prediction is not positive, and for
    a prediction that is zero everywhere without a floor.
    """
    data = residuals(
        observable, simulated, predicted, groups=groups, prediction_error=prediction_error, widths=widths,
        deterministic=deterministic,
    )  # fmt: skip
    return verdict(data)


def judge_points(
    observable: Observable,
    measured: Shaped[np.ndarray, "*shape"],
    predicted: Shaped[np.ndarray, "*shape"],
    stderr: Shaped[np.ndarray, "*shape"],
    *,
    widths: Float[np.ndarray, "bins"] | None = None,
    prediction_error: Shaped[np.ndarray, "*shape"] | None = None,
    seed: int = 0,
) -> Agreement:
    """The verdict on a measured curve of which only standard errors are known.

    Its points are taken as independent and Gaussian, since nothing says otherwise; the reason says so. Errors
    that are common to many points make the truth less certain than this verdict.

    Arguments:
      observable: what is judged.
      measured, predicted, stderr: curves on the same axis, and the standard error of each measured point.
      widths: of the bins of a density; None for equal ones.
      prediction_error: standard error of a sampled theory.
      seed: of the Gaussian draws that give the quantile.

    Raises: `Refused` for shapes that do not match or a standard error that is negative or not finite.
    """
    sigma = as_real(observable, "standard error of", stderr)
    data = residuals(
        observable, np.asarray(measured)[None], predicted, prediction_error=prediction_error, widths=widths,
        deterministic=True,
    )  # fmt: skip
    require(sigma.shape == data.kept.shape, f"{observable.name}: {sigma.shape} standard errors for {data.kept.shape}")
    assumption = "points assumed independent"
    if data.failure or not data.kept.any():
        return _unjudged(data, "failed" if data.failure else "undecided", data.failure or data.note)
    known = sigma[data.kept]
    require(np.isfinite(known) & (known >= 0), f"standard errors of {observable.name} must be finite, not negative")

    kept, scale = data.kept, np.asarray(data.relative)
    mean = data.values[0][kept]
    flat = scale[kept] if scale.ndim else scale
    theory = np.asarray(predicted, np.float64)
    width = 1.0 if widths is None else np.asarray(widths, np.float64)

    def noise(amplitude: Float[np.ndarray, "draws *shape"]) -> Float[np.ndarray, "draws points"]:
        if observable.scale == "density":
            amplitude = cumulative(observable, amplitude, np.sum(theory * width, axis=-1), width)
        return amplitude[:, kept] / flat

    if observable.scale == "density":
        total = np.sum(theory * width, axis=-1)[..., None]
        error = (
            np.sqrt(np.cumsum((sigma * width) ** 2, axis=-1))[kept] / np.broadcast_to(total, kept.shape)[kept] / flat
        )
    else:
        error = known / flat
    rng = np.random.default_rng(seed)
    norms, largest = np.empty((2, DRAWS))
    filled = np.where(kept, sigma, 0.0)
    step = max(1, 4_000_000 // kept.size)
    for start in range(0, DRAWS, step):
        block = slice(start, min(start + step, DRAWS))
        drawn = noise(rng.standard_normal((block.stop - start, *kept.shape)) * filled)
        norms[block] = np.sqrt(np.mean(drawn**2, axis=1))
        largest[block] = np.max(np.abs(drawn) / np.where(error > 0, error, np.inf), axis=1)
    norm, floor = float(np.sqrt(np.mean(mean**2))), float(np.sqrt(np.mean(error**2)))
    low, high = interval(norm, upper(norms), data.error_norm)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(mean == 0, 0.0, np.abs(mean) / error)
    return Agreement(
        observable, word(low, high, observable.margin), norm, low, high, floor, float(z.max()), mean.size, "point",
        None, "; ".join(filter(None, (assumption, data.note))), data.spread(mean),
        data.spread(upper(largest) * error), data.relative,
    )  # fmt: skip
