"""Mean and standard error over runs, in float64: from all curves, or merged from tiles that are thrown away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]
_COUNT, _MEAN, _SQUARES = "count", "mean/", "squares/"


@dataclass(frozen=True)
class Moments:
    """All curves (or none), their mean and its standard error (NaN for one run)."""

    curves: Arrays
    mean: Arrays
    stderr: Arrays


def of_runs(tiles: Sequence[Arrays], runs: int) -> Moments:
    """Moments of the first `runs` runs of the tiles, whose curves are kept."""
    curves = {name: np.concatenate([tile[name] for tile in tiles])[:runs] for name in tiles[0]}
    parts = of_tile(curves, runs)
    return Moments(curves, *_finish(parts))


def of_tile(curves: Arrays, count: int) -> dict[str, np.ndarray]:
    """Count, mean and summed squared deviations of the first `count` runs."""
    parts: dict[str, np.ndarray] = {_COUNT: np.array(count)}
    with np.errstate(all="ignore"):  # a divergence is reported by name elsewhere
        for name, curve in curves.items():
            kind = np.complex128 if np.iscomplexobj(curve) else np.float64
            values = curve[:count].astype(kind)
            mean = values.mean(axis=0)
            parts[_MEAN + name] = mean
            parts[_SQUARES + name] = (np.abs(values - mean) ** 2).sum(axis=0)
    return parts


def merge(tiles: Sequence[Arrays]) -> Moments:
    """Moments of several tiles from theirs (Chan, Golub and LeVeque 1983)."""
    total = dict(tiles[0])
    with np.errstate(all="ignore"):
        for tile in tiles[1:]:
            n, m = int(total[_COUNT]), int(tile[_COUNT])
            for name in [key.removeprefix(_MEAN) for key in tile if key.startswith(_MEAN)]:
                shift = tile[_MEAN + name] - total[_MEAN + name]
                total[_MEAN + name] = total[_MEAN + name] + shift * (m / (n + m))
                total[_SQUARES + name] = (
                    total[_SQUARES + name] + tile[_SQUARES + name] + np.abs(shift) ** 2 * (n * m / (n + m))
                )
            total[_COUNT] = np.array(n + m)
    return Moments({}, *_finish(total))


def _finish(parts: Arrays) -> tuple[Arrays, Arrays]:
    count = int(parts[_COUNT])
    mean = {key.removeprefix(_MEAN): value for key, value in parts.items() if key.startswith(_MEAN)}
    with np.errstate(all="ignore"):
        stderr = {
            name: np.sqrt(parts[_SQUARES + name] / (count - 1) / count)
            if count > 1
            else np.full(np.shape(value), math.nan)
            for name, value in mean.items()
        }
    return mean, stderr
