"""A user's own curve, read from CSV: every refusal names line and column."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from theorylab.core import Observable, Refused, require


@dataclass(frozen=True)
class Measured:
    """Measured values of one observable.

    Arguments:
      axis: values of the observable's axis, ascending, shape (n,).
      values: every run, shape (runs, n); one row without a run column.
      stderr: standard error of each point, shape (n,); None where the file gives none.
      runs: number of runs; 0 where the file has no run column.
    """

    axis: Float[np.ndarray, " n"]
    values: Float[np.ndarray, "runs n"]
    stderr: Float[np.ndarray, " n"] | None
    runs: int


def read(path: Path, observables: tuple[Observable, ...]) -> dict[str, Measured]:
    """Measured curves by observable.

    The file has a column named like the observable's axis, one or more named like observables (those of one axis),
    and optionally `run` and `stderr` (of the only observable; with several, `NAME_stderr`).

    Raises: `Refused` with line and column for anything else.
    """
    try:
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read {path}: {error}") from error
    require(len(rows) > 1, f"{path} has no rows; it needs a header line and one line a point")
    header = [name.strip() for name in rows[0]]
    known = {one.name: one for one in observables if len(one.dims) == 1}
    present = [known[name] for name in header if name in known]
    require(
        len(present) > 0,
        f"{path}, line 1: no column is named like an observable ({', '.join(known)}); found {', '.join(header)}",
    )
    axis = present[0].dims[0]
    require(axis in header, f"{path}, line 1: the axis column {axis!r} of {present[0].name} is missing")
    for one in present:
        require(one.dims[0] == axis, f"{path}, line 1: {one.name} has the axis {one.dims[0]!r}, not {axis!r}")
    require(len(set(header)) == len(header), f"{path}, line 1: a column name appears twice")
    allowed = {axis, "run", *(o.name for o in present), *(f"{o.name}_stderr" for o in present)}
    if len(present) == 1:
        allowed.add("stderr")
    for place, name in enumerate(header, start=1):
        require(name in allowed, f"{path}, line 1, column {place}: unknown column {name!r}; known: {sorted(allowed)}")
    both = "run" in header and any("stderr" in name for name in header)
    require(not both, f"{path}, line 1: give a run column or standard errors, not both")
    columns = _numbers(path, header, rows[1:])
    return {one.name: _curve(path, columns, axis, one.name, len(present) == 1) for one in present}


def _numbers(path: Path, header: list[str], rows: list[list[str]]) -> dict[str, np.ndarray]:
    columns: dict[str, list[float]] = {name: [] for name in header}
    lines: list[float] = []
    for line, row in enumerate(rows, start=2):
        if not row or all(not cell.strip() for cell in row):
            continue
        require(len(row) == len(header), f"{path}, line {line}: {len(row)} cells, expected {len(header)}")
        lines.append(line)
        for place, (name, cell) in enumerate(zip(header, row, strict=True), start=1):
            where = f"{path}, line {line}, column {place} ({name})"
            try:
                value = float(cell)
            except ValueError as error:
                raise Refused(f"{where}: {cell.strip()!r} is no number") from error
            require(math.isfinite(value), f"{where}: {cell.strip()} is not finite")
            require("stderr" not in name or value > 0, f"{where}: a standard error must be positive, got {value:g}")
            columns[name].append(value)
    require(len(lines) > 0, f"{path} has no rows; it needs one line a point")
    return {**{name: np.array(values) for name, values in columns.items()}, "@line": np.array(lines)}


def _curve(path: Path, columns: dict[str, np.ndarray], axis: str, name: str, alone: bool) -> Measured:
    lines, at, values = columns["@line"].astype(int), columns[axis], columns[name]
    stderr = columns.get(f"{name}_stderr", columns.get("stderr") if alone else None)
    runs = columns.get("run")
    labels = np.zeros_like(at) if runs is None else runs
    grid = np.unique(at)
    table = []
    for label in np.unique(labels):
        own = labels == label
        order = np.argsort(at[own], kind="stable")
        points = at[own][order]
        twice = np.flatnonzero(np.diff(points) == 0)
        if len(twice):
            line = lines[own][order][twice[0] + 1]
            hint = "" if runs is not None else "; repeated measurements need a run column"
            raise Refused(f"{path}, line {line}: {axis} = {points[twice[0]]:g} is there twice{hint}")
        if not np.array_equal(points, grid):
            lacking = np.setdiff1d(grid, points)[0]
            raise Refused(
                f"{path}: run {label:g} has no {axis} = {lacking:g}, which other runs have (line {lines[own][0]})"
            )
        table.append(values[own][order])
    order = np.argsort(at, kind="stable")
    return Measured(
        axis=grid,
        values=np.stack(table),
        stderr=None if stderr is None else stderr[order],
        runs=0 if runs is None else len(table),
    )
