"""The verdict on a size ladder: does the deviation vanish as the size grows?

At size n the mean residual is d(x; n) = a(x) + b(x) n ** -rate_exponent. The limit a(x) is a weighted sum of the
rungs' means (least squares, weighted by their noise), so the ball of `signflip` holds around it as it does
around one mean: the signs of every rung's units are flipped at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from theorylab.compare.agreement import FORESEEABLE, interval, units_needed, word
from theorylab.compare.residuals import Residuals
from theorylab.compare.result import Agreement, Convergence, Word
from theorylab.compare.signflip import CONFIDENCE, MIN_UNITS, RESOLUTION, Ball, ball
from theorylab.core import Observable, require

EXPONENTS = np.linspace(-1.0, 5.0, 601)
"""Exponents that the free fit tries."""
DRAWS = 500
"""Repetitions of the free fit that give its interval."""
MISFIT = 0.99
"""Confidence with which rungs that do not lie on a + b n ** -rate_exponent are pointed out."""
MOVED = 0.25
"""In margins: a limit that moves by more than this without the smallest rung is pointed out."""


def limit_weights(
    sizes: Float[np.ndarray, "rungs"], noise: Float[np.ndarray, "rungs"], rate_exponent: float
) -> Float[np.ndarray, "rungs"]:
    """Weights A of a = sum_k A_k d_k: least squares of a + b n ** -rate_exponent, rungs weighted by 1 / noise^2.

    They add up to one, and sum_k A_k n_k ** -rate_exponent = 0. Rungs without noise count alike.
    """
    least = max(RESOLUTION, 1e-3 * float(noise.max()))  # no rung is believed a million times more than another
    weight = np.maximum(noise, least) ** -2
    weight = weight / weight.sum()
    x = (sizes / sizes.min()) ** -rate_exponent
    centre = weight @ x
    return weight * (1.0 - centre * (x - centre) / (weight @ (x - centre) ** 2))


def fit_exponent(
    sizes: Float[np.ndarray, "rungs"],
    powers: Float[np.ndarray, "... rungs"],
    weight: Float[np.ndarray, "rungs"],
) -> Float[np.ndarray, "..."]:
    """p of powers = C n ** -2p with C >= 0, least squares in the powers themselves, so that a power that noise
    made negative still counts. Over a grid of exponents; C is solved for."""
    shape = (sizes[None] / sizes.min()) ** (-2 * EXPONENTS[:, None])
    projected = np.einsum("...r,pr->...p", powers, weight * shape)  # a threaded product is slower on a busy machine
    explained = np.maximum(projected, 0.0) ** 2 / (shape**2 @ weight)
    return EXPONENTS[np.argmax(explained, axis=-1)]


def _exponent(sizes: Float[np.ndarray, "rungs"], rungs: Sequence[Ball]) -> tuple[float, float, float]:
    """Free fit ||d|| ~ n ** -p with its interval; nan unless two rungs' deviations are more than noise.

    ||d||^2 less the noise power s2^2 estimates the true power without bias. Its law is that of
    2 <d, e> + ||e||^2 - s2^2 with e the sign-flipped mean; the fit is repeated on draws of it (wild bootstrap),
    stretched by what few units cost (the studentised over the plain quantile).
    """
    if sum(r.norm > r.quantile * r.noise and r.norm > RESOLUTION for r in rungs) < 2:
        return math.nan, math.nan, math.nan
    noise = np.array([r.noise**2 for r in rungs])
    power = np.array([r.norm**2 for r in rungs]) - noise
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, r.powers.shape[1], DRAWS) for r in rungs]  # flips of different rungs are independent
    sign = rng.choice([-1.0, 1.0], (DRAWS, len(rungs)))
    squared = np.stack([r.powers[0, i, 0] for r, i in zip(rungs, rows, strict=True)], axis=1)
    product = np.stack([r.powers[1, i, 0] for r, i in zip(rungs, rows, strict=True)], axis=1)
    few = np.array([r.quantile / r.many if r.many > 0 else 1.0 for r in rungs])
    draws = power + few * (2 * sign * product + squared - noise)
    variance = draws.var(axis=0) + (1e-3 * np.abs(power)) ** 2 + RESOLUTION**4
    estimate = float(fit_exponent(sizes, power, 1 / variance))
    low, high = np.quantile(fit_exponent(sizes, draws, 1 / variance), [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    ends = (-math.inf if low <= EXPONENTS[0] else float(low), math.inf if high >= EXPONENTS[-1] else float(high))
    return estimate, *ends


def _moved(
    sizes: Float[np.ndarray, "rungs"],
    noise: Float[np.ndarray, "rungs"],
    values: Sequence[Float[np.ndarray, "units points"]],
    rate_exponent: float,
) -> float:
    """How far leaving the smallest rung out surely moves the limit (norm less its noise; 0 with two rungs): what
    the terms that a + b n ** -rate_exponent neglects amount to."""
    if len(sizes) < 3:
        return 0.0
    rest = np.argsort(sizes)[1:]
    change = limit_weights(sizes, noise, rate_exponent)
    change[rest] -= limit_weights(sizes[rest], noise[rest], rate_exponent)
    moved = ball(values, list(change), confidence=MISFIT)
    return moved.norm - moved.quantile * moved.noise


def _result(
    observable: Observable, word_: Word, reason: str, sizes: Sequence[int], deviations: Sequence[float],
    shape: tuple[int, ...],
) -> Convergence:  # fmt: skip
    nothing = np.full(shape, np.nan)
    nan = math.nan
    return Convergence(
        observable, word_, nan, 0.0 if word_ == "undecided" else nan, math.inf if word_ == "undecided" else nan,
        nan, tuple(sizes), tuple(deviations), nan, nan, nan, nothing, nothing, reason,
    )  # fmt: skip


def ladder(
    observable: Observable,
    rungs: Sequence[Residuals],
    sizes: Sequence[int],
    *,
    largest: Agreement,
    rate_exponent: float = 1.0,
) -> Convergence:
    """The verdict on the limit of large size.

    Arguments:
      observable: what is judged; its axes must not depend on the size.
      rungs: relative residuals at each size (`residuals`), in the order of `sizes`.
      sizes: at least two different ones.
      largest: the verdict at the largest size.
      rate_exponent: the deviation falls like size ** -rate_exponent.

    Returns: agrees (the limit and the largest size are within the margin), converges (the limit is), differs (the
    limit is beyond it), undecided, failed.

    Raises: `Refused` for one size only, or shapes that differ between sizes.
    """
    require(len(sizes) == len(rungs), f"{len(sizes)} sizes for {len(rungs)} rungs")
    require(len(set(sizes)) >= 2 and min(sizes) > 0, f"a size ladder needs two different sizes, got {list(sizes)}")
    shapes = {r.kept.shape for r in rungs}
    require(len(shapes) == 1, f"the axes of {observable.name} depend on the size ({shapes}): no ladder can be fitted")
    shape = shapes.pop()
    failed = [f"at size {n}: {r.failure}" for n, r in zip(sizes, rungs, strict=True) if r.failure]
    if failed:
        return _result(observable, "failed", "; ".join(failed), sizes, [math.nan] * len(sizes), shape)

    kept = np.logical_and.reduce([r.kept for r in rungs])
    if not kept.any():
        return _result(
            observable, "undecided", "no point is defined at every size", sizes, [math.nan] * len(sizes), shape
        )
    values = [r.values[:, kept] for r in rungs]
    exact = all(r.deterministic for r in rungs)
    if exact:  # two equal units: no noise
        values = [np.repeat(np.nanmean(v, axis=0, keepdims=True), 2, axis=0) for v in values]
    few = [
        f"{len(v)} {r.unit}s at size {n}" for n, r, v in zip(sizes, rungs, values, strict=True) if len(v) < MIN_UNITS
    ]
    if few and not exact:
        means = [float(np.sqrt(np.mean(np.nanmean(v, axis=0) ** 2))) for v in values]
        sentence = f"{', '.join(few)}: statistics need at least {MIN_UNITS}"
        return _result(observable, "undecided", sentence, sizes, means, shape)

    n = np.array(sizes, np.float64)
    each = [ball([v]) for v in values]
    noise = np.array([b.noise for b in each])
    weights = limit_weights(n, noise, rate_exponent)
    found = ball(values, list(weights))
    errors = np.array([r.error_norm for r in rungs])
    # independent between rungs, or one error common to all: whichever is larger
    error = max(float(np.sqrt(np.sum((weights * errors) ** 2))), abs(float(weights @ errors)))
    low, high = interval(found.norm, found.quantile * found.noise, error)
    result = word(low, high, observable.margin)
    reasons = []
    if result == "agrees" and largest.word != "agrees":
        result = "converges"
    if result == "undecided":
        times = units_needed(found, FORESEEABLE, observable.margin, error)  # in percent of the present units
        if times is not None:
            reasons.append(
                f"about {math.ceil(times / FORESEEABLE * 10) / 10:g} times the runs at every size would decide"
            )
    if _moved(n, noise, values, rate_exponent) > MOVED * observable.margin:
        reasons.append(f"the rungs do not lie on a + b size^-{rate_exponent:g}; leave out the smallest or add larger")
    exponent, exponent_low, exponent_high = _exponent(n, each)

    def full(flat: Float[np.ndarray, "points"]) -> Float[np.ndarray, "*shape"]:
        array = np.full(shape, np.nan)
        array[kept] = flat
        return array

    return Convergence(
        observable, result, found.norm, low, high, found.noise, tuple(sizes), tuple(b.norm for b in each),
        exponent, exponent_low, exponent_high, full(found.mean), full(found.band), "; ".join(reasons),
    )  # fmt: skip
