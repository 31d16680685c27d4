"""Exponents of measured post-training degradations: a log-linear regression, with what its rivals would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theorylab.core import require

NAMES = ("ln C_T", "gamma_D", "gamma_N", "1/gamma_post")
FULL_COLUMNS = (0, 1, 2, 3)
WITHOUT_DATA = (0, 2, 3)
"""Columns of the rival that says degradation does not depend on the data."""


@dataclass(frozen=True)
class Degradations:
    """delta = C_T D^gamma_D N^-gamma_N e^(-P / gamma_post), fitted to logarithms; docs/precision_scaling.md eq. (18).

    Arguments:
      at, stderr: estimates of `NAMES` and their least-squares standard errors, 0 where a column is left out.
      r2, rms: of ln delta on the fitted rows.
      rows, dropped: how many were fitted, and left out for a degradation that is not positive.
    """

    at: Float[np.ndarray, "4"]
    stderr: Float[np.ndarray, "4"]
    r2: float
    rms: float
    rows: int
    dropped: int

    @property
    def gamma_post(self) -> float:
        """Bits over which a degradation falls by a factor e."""
        return float(1 / self.at[3])

    @property
    def gamma_post_stderr(self) -> float:
        """Its standard error."""
        return float(self.stderr[3] / self.at[3] ** 2)

    def log(self, N: Float[np.ndarray, "n"], D: Float[np.ndarray, "n"], P: Float[np.ndarray, "n"]) -> np.ndarray:
        """ln delta that the fit gives, (n,)."""
        return _design(N, D, P) @ self.at

    def score(
        self,
        N: Float[np.ndarray, "n"],
        D: Float[np.ndarray, "n"],
        P: Float[np.ndarray, "n"],
        delta: Float[np.ndarray, "n"],
    ) -> tuple[float, float]:
        """R^2 and root mean square error of ln delta on other rows, those that are not positive left out."""
        kept = delta > 0
        return _score(np.log(delta[kept]), self.log(N[kept], D[kept], P[kept]))


def fit(
    N: Float[np.ndarray, "n"],
    D: Float[np.ndarray, "n"],
    P: Float[np.ndarray, "n"],
    delta: Float[np.ndarray, "n"],
    columns: tuple[int, ...] = FULL_COLUMNS,
) -> Degradations:
    """Least squares of ln delta on (1, ln D, -ln N, -P); rows with delta <= 0 are dropped and counted.

    Arguments:
      columns: which of `NAMES` are fitted.

    Raises: `Refused` for fewer rows than constants, values not positive, or an axis without variation.
    """
    require(np.all(N > 0) and np.all(D > 0) and np.all(P > 0), "N, D and P must be positive")
    kept = (delta > 0) & np.isfinite(delta)
    dropped = int((~kept).sum())
    require(
        int(kept.sum()) > len(columns),
        f"{len(columns)} constants need more rows: {int(kept.sum())} have a positive degradation, {dropped} do not",
    )
    for index, (name, values) in enumerate((("D", D), ("N", N), ("P", P)), start=1):
        require(index not in columns or np.ptp(values[kept]) > 0, f"{name} does not vary: its exponent has no meaning")
    design, measured = _design(N[kept], D[kept], P[kept])[:, columns], np.log(delta[kept])
    found, *_ = np.linalg.lstsq(design, measured)
    r2, rms = _score(measured, design @ found)
    variance = np.sum((measured - design @ found) ** 2) / (len(measured) - len(columns))
    errors = np.sqrt(np.diagonal(np.linalg.inv(design.T @ design)) * variance)
    at, stderr = np.zeros(4), np.zeros(4)
    at[list(columns)], stderr[list(columns)] = found, errors
    return Degradations(at, stderr, r2, rms, len(measured), dropped)


def _design(N: np.ndarray, D: np.ndarray, P: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(len(N)), np.log(D), -np.log(N), -np.asarray(P, float)], 1)


def _score(measured: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    squares = (measured - predicted) ** 2
    return float(1 - squares.sum() / np.sum((measured - measured.mean()) ** 2)), float(np.sqrt(squares.mean()))
