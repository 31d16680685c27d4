"""What is drawn of an observable, and which of its axes are axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from theorylab.compare.result import Agreement, Convergence
from theorylab.core import Observable


@dataclass(frozen=True)
class Series:
    """One observable at one size, ready to draw.

    Arguments:
      at: coordinates of the prediction, one array an axis.
      predicted: the prediction.
      measured_at: coordinates of the measured mean.
      mean: measured mean.
      stderr: its standard error; None where it is not known.
      runs: every run, for single numbers; None where it is not known.
      agreement: the verdict; None where nothing was judged.
      size: the rung's size; None where there is none.
    """

    at: tuple[Shaped[np.ndarray, "..."], ...]
    predicted: Shaped[np.ndarray, "..."]
    measured_at: tuple[Shaped[np.ndarray, "..."], ...]
    mean: Shaped[np.ndarray, "..."]
    stderr: Shaped[np.ndarray, "..."] | None = None
    runs: Shaped[np.ndarray, "..."] | None = None
    agreement: Agreement | None = None
    size: int | None = None


def squeezed(
    observable: Observable, series: Sequence[Series], ladder: Convergence | None
) -> tuple[Observable, list[Series], Convergence | None, dict[str, Any]]:
    """The same without the axes that hold a single value, theory and measurement alike, at every size.

    A density keeps its last axis: that is what it is a density over.

    Returns: observable, series, ladder; and the values of the axes that were taken out, by name.
    """
    last = len(observable.dims) - 1
    gone = [
        i
        for i in range(len(observable.dims))
        if not (observable.scale == "density" and i == last)
        and all(
            len(one.at[i]) == len(one.measured_at[i]) == 1 and one.at[i][0] == one.measured_at[i][0] for one in series
        )
    ]
    if not gone:
        return observable, list(series), ladder, {}
    ending = [i - len(observable.dims) for i in gone]  # runs have an axis more in front

    def cut(values: Any) -> Any:
        values = np.asarray(values)
        return np.squeeze(values, tuple(ending)) if values.ndim >= len(observable.dims) else values

    def judged(one: Any) -> Any:
        return None if one is None else dataclasses.replace(one, residual=cut(one.residual), band=cut(one.band))

    def kept(axes: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(axis for i, axis in enumerate(axes) if i not in gone)

    less = [
        dataclasses.replace(
            one,
            at=kept(one.at),
            predicted=cut(one.predicted),
            measured_at=kept(one.measured_at),
            mean=cut(one.mean),
            stderr=None if one.stderr is None else cut(one.stderr),
            runs=None if one.runs is None else cut(one.runs),
            agreement=judged(one.agreement),
        )
        for one in series
    ]
    fixed = {observable.dims[i]: series[-1].at[i][0] for i in gone}
    return dataclasses.replace(observable, dims=kept(observable.dims)), less, judged(ladder), fixed
