"""What the counts of answers say: shares, accuracies, pass@k, majority, with fractions and their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import binomtest

from theorylab.systems.rl_posttraining.estimators import pass_table

ATTEMPTS = (1, 8, 32)


class Curves(NamedTuple):
    """Measurements of several seeds at several steps, on every kind of prompt.

    Arguments:
      shares: of the formats among all answers.
      accuracy: of each format; nan, undefined, where it was never sampled.
      passes: pass@k, unbiased, for k in `attempts`.
      majority: how often the most frequent answer is right, ties shared.
      divergence: KL to the pretrained policy, sampled.
      success: mean reward of every prompt.
      attempts: k of pass@k.
    """

    shares: Float[np.ndarray, "seed record kind format"]
    accuracy: Float[np.ndarray, "seed record kind format"]
    passes: Float[np.ndarray, "seed record kind attempt"]
    majority: Float[np.ndarray, "seed record kind"]
    divergence: Float[np.ndarray, "seed record kind"]
    success: Float[np.ndarray, "seed record kind prompt"]
    attempts: tuple[int, ...]


def curves(counts: Mapping[str, np.ndarray]) -> Curves:
    """Read curves off counts, (seed, record, kind, prompt, ...); pass@k for those k of 1, 8, 32 that the answers
    to a prompt allow (docs/rl_posttraining_language.md eqs. (7), (8))."""
    answered, right = (np.asarray(counts[name], float) for name in ("answered", "right"))
    samples = round(float(answered[0, 0, 0, 0].sum()))
    attempts = tuple(k for k in ATTEMPTS if k <= samples)
    by_format = answered.sum(3)
    accuracy = np.full(by_format.shape, np.nan)
    np.divide(right.sum(3), by_format, out=accuracy, where=by_format > 0)
    hits = np.rint(right.sum(-1)).astype(int)
    return Curves(
        shares=by_format / by_format.sum(-1, keepdims=True),
        accuracy=accuracy,
        passes=pass_table(samples, attempts)[hits].mean(3),
        majority=np.asarray(counts["majority"], float).mean(-1),
        divergence=np.asarray(counts["divergence"], float),
        success=np.asarray(counts["reward"], float),
        attempts=attempts,
    )


class Fraction(NamedTuple):
    """How many of how many, with a 95 % interval (Clopper and Pearson)."""

    hits: int
    total: int
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.hits} of {self.total} ({self.low:.2f} to {self.high:.2f})"


def fraction(holds: Bool[np.ndarray, "seed"]) -> Fraction:
    """How often something holds over seeds."""
    hits, total = int(np.sum(holds)), int(np.size(holds))
    interval = binomtest(hits, total).proportion_ci()
    return Fraction(hits, total, float(interval.low), float(interval.high))


def mean_error(values: Float[np.ndarray, "seed"]) -> str:
    """Mean over seeds and its standard error, in words."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return "undefined"
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
    return f"{values.mean():.3f} ± {error:.3f}"
