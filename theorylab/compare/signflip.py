"""Sign flips: how far the mean of a few noisy curves may lie from the truth, whatever the noise's law.

Centred residuals with random signs look like fresh noise of the same covariance. Their mean, over its own noise
(a curve-valued Student t), gives the quantile by which the measured mean may be off: heavy tails and correlation
along the curve are both in it. Wu, "Jackknife, bootstrap and other resampling methods in regression analysis",
Ann. Statist. 14 (1986) 1261; Davidson and Flachaire, "The wild bootstrap, tamed at last", J. Econometrics 146
(2008) 162 (signs rather than Gaussian multipliers).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

FLIPS = 2000
"""Random sign patterns; few units are enumerated instead."""
CONFIDENCE = 0.95
MIN_UNITS = 6
"""Below this, 95 % of all sign patterns cannot be told from 100 % of them."""
RESOLUTION = 1e-6
"""A few float32 roundings, relative: noise below it is rounding, not statistics."""
BLOCK = 2**14
"""Numbers in one block of flips: its arrays stay in cache (128 kB)."""
PRODUCT = 2**18
"""Multiplications in one block's product: OpenBLAS keeps them on one thread, where a busy machine would make its
threads wait for each other (measured: 1 ms against 20 to 90 ms)."""
ROWS = 64
"""Flips in a block of long curves, at least: below it the matrix product is slow."""
KEPT = 4_000_000
"""Numbers in a table of signs that is kept for the next curve (32 MB)."""


@functools.lru_cache(maxsize=8)
def _cached_signs(units: int, flips: int, seed: int) -> Float[np.ndarray, "flips units"]:
    if units - 1 < math.log2(flips):
        index = np.arange(2 ** (units - 1))[:, None]
        signs = 1.0 - 2.0 * ((index >> np.arange(units)) & 1)
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (flips, units), dtype=np.int8)
        signs = 1.0 - 2.0 * bits
    signs.setflags(write=False)
    return signs


def signs(units: int, flips: int = FLIPS, seed: int = 0) -> Float[np.ndarray, "flips units"]:
    """Patterns of +1 and -1: every one (up to a global sign) where there are at most `flips`, else random ones."""
    if units * flips > KEPT:  # too large to keep
        return _cached_signs.__wrapped__(units, flips, seed)
    return _cached_signs(units, flips, seed)


@dataclass(frozen=True)
class Ball:
    """A weighted sum of means, and how far from it the truth may be.

    Arguments:
      mean: sum over groups of weight x mean, shape (points,).
      norm: its root mean square over points, ||d||.
      noise: standard error of `mean` in that norm, s2.
      quantile: c; the truth lies within `quantile * noise` of `mean` with 95 % confidence.
      many: what `quantile` tends to for many units.
      along: standard error of `norm` itself: the noise along the measured direction.
      stderr: standard error of each point.
      band: half-width of the simultaneous 95 % band (studentised maximum).
      largest_z: largest |mean| / stderr.
      powers: for every flip the squared norm of the flipped mean, and its product with `mean`, per group;
        shape (2, flips, groups).
    """

    mean: Float[np.ndarray, "points"]
    norm: float
    noise: float
    quantile: float
    many: float
    along: float
    stderr: Float[np.ndarray, "points"]
    band: Float[np.ndarray, "points"]
    largest_z: float
    powers: Float[np.ndarray, "2 flips groups"]


def upper(values: Float[np.ndarray, "flips"], confidence: float = CONFIDENCE) -> float:
    """The 95 % quantile, rounded to the next larger value."""
    return float(np.quantile(values, confidence, method="higher"))


def _ratio(numerator: Float[np.ndarray, "..."], squared: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """numerator / sqrt(squared), with 0 / 0 = 0."""
    root = np.sqrt(np.maximum(squared, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(numerator > 0, numerator / root, 0.0)


def centred(
    values: Float[np.ndarray, "units points"],
) -> tuple[Float[np.ndarray, "points"], Float[np.ndarray, "units points"]]:
    """Mean over units and deviations from it; NaN is missing at random.

    Deviations at a point where units are missing are zero for those and scaled up for the others, so that the
    usual sum of squares over R - 1 and R gives that point's own standard error.
    """
    missing: Bool[np.ndarray, "units points"] = np.isnan(values)
    if not missing.any():
        mean = values.mean(axis=0)
        return mean, values - mean
    total = len(values)
    present = total - missing.sum(axis=0)
    mean = np.where(missing, 0.0, values).sum(axis=0) / present
    scale = np.sqrt(total * (total - 1) / (present * np.maximum(present - 1, 1)))
    return mean, np.where(missing, 0.0, (values - mean) * scale)


def ball(
    groups: Sequence[Float[np.ndarray, "units points"]],
    weights: Sequence[float] = (1.0,),
    *,
    confidence: float = CONFIDENCE,
    flips: int = FLIPS,
    seed: int = 0,
) -> Ball:
    """The 95 % ball around a weighted sum of means.

    Arguments:
      groups: relative residuals of independent units, shape (units, points) each, same points; NaN is missing.
      weights: one a group; (1.0,) for a single mean.
      confidence: of the ball and of the band.
      flips, seed: number and seed of the sign patterns.

    At least two units a group. Time: one product (flips, units) x (units, points) in float64.
    """
    points = groups[0].shape[1]
    counts = [len(g) for g in groups]
    pairs = [centred(g) for g in groups]
    mean = sum((w * m for w, (m, _) in zip(weights, pairs, strict=True)), np.zeros(points))
    residuals = [r for _, r in pairs]
    # variance of a weighted mean: weight^2 / (R (R - 1)) x sum of squares
    factors = [w * w / (n * (n - 1)) for w, n in zip(weights, counts, strict=True)]
    squares = [np.einsum("ux,ux->x", r, r) for r in residuals]
    variance = sum((f * s for f, s in zip(factors, squares, strict=True)), np.zeros(points))
    tiny = RESOLUTION**2

    norm = float(np.sqrt(np.mean(mean**2)))
    direction = mean / max(norm, np.finfo(float).tiny) / points
    along = sum(f * float(np.sum((r @ direction) ** 2)) for f, r in zip(factors, residuals, strict=True))

    pattern = signs(sum(counts), flips, seed)
    edges = np.cumsum([0, *counts])
    t_norm, t_max, norms = (np.empty(len(pattern)) for _ in range(3))
    powers = np.empty((2, len(pattern), len(groups)))
    step = max(ROWS, min(BLOCK // points, (PRODUCT - 1) // (points * max(counts))))
    for start in range(0, len(pattern), step):
        block = slice(start, start + step)
        flipped = np.zeros((len(pattern[block]), points))
        spread = np.repeat(variance[None], len(flipped), axis=0)
        for k, (r, w, f, n) in enumerate(zip(residuals, weights, factors, counts, strict=True)):
            part = pattern[block, edges[k] : edges[k + 1]] @ (r / n)
            powers[0, block, k] = np.einsum("fx,fx->f", part, part) / points
            powers[1, block, k] = part @ (pairs[k][0] / points)
            flipped += w * part
            part *= part
            part *= f * n
            spread -= part
        np.abs(flipped, out=flipped)
        norms[block] = np.sqrt(np.einsum("fx,fx->f", flipped, flipped) / points)
        t_norm[block] = _ratio(norms[block], spread.mean(axis=1))
        np.maximum(spread, 0.0, out=spread)
        spread += tiny
        np.sqrt(spread, out=spread)
        flipped /= spread
        t_max[block] = flipped.max(axis=1)

    noise = float(np.sqrt(variance.mean()))
    stderr = np.sqrt(variance)
    resolved = np.sqrt(variance + tiny)
    return Ball(
        mean=mean,
        norm=norm,
        noise=noise,
        quantile=upper(t_norm, confidence),
        many=float(_ratio(np.array(upper(norms, confidence)), np.array(noise**2))),
        along=math.sqrt(along),
        stderr=stderr,
        band=upper(t_max, confidence) * stderr,
        largest_z=float(np.max(np.abs(mean) / resolved)),
        powers=powers,
    )
