"""The size ladder keeps the verdict's promises for the limit of large size."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

from theorylab.compare.agreement import verdict
from theorylab.compare.convergence import fit_exponent, ladder, limit_weights
from theorylab.compare.residuals import Residuals, residuals
from theorylab.compare.result import Convergence
from theorylab.core import Observable, Refused

POINTS = 40
MARGIN = 0.02
SIZES = (50, 100, 200)
X = np.linspace(0, 1, POINTS)
FACTOR = np.linalg.cholesky(np.exp(-np.abs(X[:, None] - X) / 0.3))
PREDICTED = np.ones(POINTS)
LIMIT = np.sin(2 * X + 0.5)
LIMIT /= np.sqrt(np.mean(LIMIT**2))
BIAS = np.cos(3 * X)
BIAS /= np.sqrt(np.mean(BIAS**2))
LOSS = Observable("loss", "loss", margin=MARGIN)


def climb(
    rng: np.random.Generator,
    units: int | tuple[int, ...],
    limit: float,
    bias: float,
    noise: float,
    *,
    student: bool = False,
    power: float = 1.0,
    rate_exponent: float = 1.0,
    sizes: tuple[int, ...] = SIZES,
    second: float = 0.0,
) -> Convergence:
    """A ladder at a true limit, a bias at the smallest size and a noise floor at the largest, all in margins; noise
    falls as size^-1/2 at equal numbers of units."""
    rungs: list[Residuals] = []
    counts = (units,) * len(sizes) if isinstance(units, int) else units
    for n, count in zip(sizes, counts, strict=True):
        x = n / sizes[0]
        mean = limit * LIMIT + bias * x**-power * BIAS + second * x ** (-2 * power) * BIAS
        error = rng.standard_normal((count, POINTS)) @ FACTOR.T
        if student:
            error *= np.sqrt(3 / rng.chisquare(5, (count, 1)))
        error *= noise * np.sqrt(count * sizes[-1] / n)
        rungs.append(residuals(LOSS, PREDICTED + MARGIN * (mean + error), PREDICTED))
    return ladder(LOSS, rungs, sizes, largest=verdict(rungs[-1]), rate_exponent=rate_exponent)


def at_most(rate: float, repeats: int) -> int:
    """The largest count that a true rate of `rate` makes in all but 1 in 1000 experiments."""
    return int(binom.ppf(0.999, repeats, rate))


@pytest.mark.parametrize("student", [False, True], ids=["gaussian", "student"])
@pytest.mark.parametrize("units", [6, 16, (64, 16, 6)], ids=str)
def test_limit_at_the_margin_is_decided_in_at_most_5_percent(units: int | tuple[int, ...], student: bool) -> None:
    rng, repeats = np.random.default_rng(1), 200
    wrong = Counter(climb(rng, units, 1.0, 3.0, 0.125, student=student).word for _ in range(repeats))
    assert repeats - wrong["undecided"] <= at_most(0.05, repeats), wrong


@pytest.mark.parametrize("units", [6, 16, 64])
def test_vanishing_deviation_converges_and_its_exponent_is_found(units: int) -> None:
    rng, repeats, covered = np.random.default_rng(2), 60, 0
    words: Counter[str] = Counter()
    for _ in range(repeats):
        found = climb(rng, units, 0.0, 8.0, 0.1, student=True)
        words[found.word] += 1
        covered += found.exponent_low <= 1 <= found.exponent_high
    assert words["converges"] >= 0.9 * repeats, words  # 2 margins are left at the largest size: it does not agree
    assert covered >= binom.ppf(0.001, repeats, 0.9)  # percentile intervals of few units: 90-95 %


def test_vanishing_deviation_agrees_where_the_largest_size_does() -> None:
    rng = np.random.default_rng(3)
    words = Counter(climb(rng, 16, 0.0, 1.0, 0.08).word for _ in range(40))
    assert words["agrees"] >= 36, words


def test_wrong_limit_differs() -> None:
    rng = np.random.default_rng(4)
    words = Counter(climb(rng, 8, 2.5, 5.0, 0.2, student=True).word for _ in range(60))
    assert words["differs"] >= 58, words


def test_undecided_ladder_says_how_many_times_the_runs_would_decide() -> None:
    found = climb(np.random.default_rng(5), 12, 0.0, 3.0, 0.5)
    assert found.word == "undecided"
    assert "times the runs at every size would decide" in found.reason


def test_band_of_the_limit_covers_it_everywhere() -> None:
    rng, repeats, covered = np.random.default_rng(6), 100, 0
    for _ in range(repeats):
        found = climb(rng, 8, 1.0, 3.0, 0.5, student=True)
        covered += bool(np.all(np.abs(found.residual - MARGIN * LIMIT) <= found.band))
    assert covered >= binom.ppf(0.001, repeats, 0.91)  # as for one mean: 91-97 %


def test_exact_rungs_give_the_exact_limit_and_exponent() -> None:
    rungs = [
        residuals(LOSS, (PREDICTED + 0.01 * LIMIT + 0.1 * n**-0.5 * BIAS)[None], PREDICTED, deterministic=True)
        for n in SIZES
    ]
    found = ladder(LOSS, rungs, SIZES, largest=verdict(rungs[-1]), rate_exponent=0.5)
    np.testing.assert_allclose(found.residual, 0.01 * LIMIT, atol=1e-14)  # float64 rounding
    assert found.deviation == found.low == found.high == pytest.approx(0.01, rel=1e-12)
    assert found.word == "agrees"
    pure = [residuals(LOSS, (PREDICTED + 3 / n**1.5 * BIAS)[None], PREDICTED, deterministic=True) for n in SIZES]
    found = ladder(LOSS, pure, SIZES, largest=verdict(pure[-1]), rate_exponent=1.5)
    assert found.word == "agrees"
    assert found.exponent == pytest.approx(1.5, abs=0.0051)  # half a step of the grid of exponents
    assert found.exponent_low == found.exponent_high == found.exponent


def test_deviation_that_is_all_noise_has_no_exponent() -> None:
    rng = np.random.default_rng(7)
    found = [climb(rng, 16, 0.0, 0.0, 0.2) for _ in range(40)]
    # two of three rungs beyond their 95 % quantiles: 0.7 % of ladders
    assert sum(np.isfinite(f.exponent) for f in found) <= at_most(0.0073, 40)
    assert all(f.word == "agrees" for f in found)


def test_rungs_off_the_assumed_law_are_pointed_out() -> None:
    rng = np.random.default_rng(8)
    assert "do not lie on" in climb(rng, 64, 0.0, 5.0, 0.02, second=20.0).reason
    quiet = [climb(rng, 16, 0.0, 5.0, 0.05).reason for _ in range(50)]
    assert sum("do not lie on" in reason for reason in quiet) <= at_most(0.01, 50)


def test_limit_weights_sum_to_one_and_cancel_the_finite_size_term() -> None:
    sizes, noise = np.array([50.0, 100.0, 200.0, 400.0]), np.array([0.3, 0.2, 0.0, 0.1])
    for rate_exponent in (0.5, 1.0, 2.0):
        weights = limit_weights(sizes, noise, rate_exponent)
        # the rung without noise weighs up to 1e6 times another: float64 rounding grows by that
        assert weights.sum() == pytest.approx(1, abs=1e-9)
        assert weights @ sizes**-rate_exponent == pytest.approx(0, abs=1e-9)
    # two rungs: Richardson's extrapolation, whatever the noise
    np.testing.assert_allclose(limit_weights(np.array([1.0, 2.0]), np.array([1.0, 3.0]), 1.0), [-1, 2], rtol=1e-12)


def test_exponent_of_exact_powers() -> None:
    sizes = np.array(SIZES, float)
    powers = np.stack([sizes ** (-2 * p) for p in (0.25, 1.0, 2.0)])
    np.testing.assert_allclose(
        fit_exponent(sizes, powers, np.ones(3)), [0.25, 1.0, 2.0], atol=0.0051
    )  # half a step of the grid


def test_what_no_ladder_can_be_fitted_to() -> None:
    rng = np.random.default_rng(9)
    rung = residuals(LOSS, PREDICTED + 0.01 * rng.standard_normal((8, POINTS)), PREDICTED)
    short = residuals(LOSS, PREDICTED[1:] + 0.01 * rng.standard_normal((8, POINTS - 1)), PREDICTED[1:])
    few = residuals(LOSS, PREDICTED + 0.01 * rng.standard_normal((4, POINTS)), PREDICTED)
    broken = residuals(LOSS, np.full((8, POINTS), np.nan), PREDICTED)
    largest = verdict(rung)
    with pytest.raises(Refused, match="two different sizes"):
        ladder(LOSS, [rung, rung], (50, 50), largest=largest)
    with pytest.raises(Refused, match="depend on the size"):
        ladder(LOSS, [short, rung], (50, 100), largest=largest)
    found = ladder(LOSS, [few, rung], (50, 100), largest=largest)
    assert (found.word, found.reason) == ("undecided", "4 runs at size 50: statistics need at least 6")
    found = ladder(LOSS, [broken, rung], (50, 100), largest=largest)
    assert found.word == "failed"
    assert found.reason.startswith("at size 50: simulated loss of run 0 is not finite")


def test_sampled_theory_widens_the_limit() -> None:
    rng = np.random.default_rng(10)
    simulated = [PREDICTED + 1e-4 * rng.standard_normal((8, POINTS)) for _ in SIZES]
    exact = [residuals(LOSS, s, PREDICTED) for s in simulated]
    sampled = [residuals(LOSS, s, PREDICTED, prediction_error=np.full(POINTS, 0.001)) for s in simulated]
    plain, wide = (ladder(LOSS, r, SIZES, largest=verdict(r[-1])) for r in (exact, sampled))
    weights = limit_weights(np.array(SIZES, float), np.array([verdict(r).noise for r in exact]), 1.0)
    assert wide.high - plain.high == pytest.approx(2 * 0.001 * np.sqrt(np.sum(weights**2)), rel=1e-9)
