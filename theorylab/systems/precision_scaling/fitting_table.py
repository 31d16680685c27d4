"""Training runs as a table: from CSV, columns or rows; whatever is wrong is named by line."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from theorylab.core import Refused, require

NEEDED = ("N", "D", "loss")
PRECISIONS = ("P_w", "P_a", "P_kv")
"""Bits of weights, activations and key-value cache in training."""
POST = "P_post"
"""Bits of the weights after training."""
COLUMNS = (*NEEDED, *PRECISIONS, POST)
HIGH = ("", "none", "inf", "high", "full", "fp16", "bf16", "fp32", "float16", "bfloat16", "float32", "nan")
"""What stands for "not quantized" in a precision column."""
SHOWN = 5
"""Faults that are told one by one."""


@dataclass(frozen=True)
class Runs:
    """Training runs, one row each; a precision is inf where nothing is quantized.

    Arguments:
      N: non-embedding parameters, (n,).
      D: training tokens, (n,).
      loss: nats a token, (n,).
      bits: precision in training of weights, activations, cache, (n, 3).
      post: precision of the weights after training, (n,).
      lines: line of the file, or number of the row, (n,).
      source: what the rows come from, for messages.
    """

    N: Float[np.ndarray, "n"]
    D: Float[np.ndarray, "n"]
    loss: Float[np.ndarray, "n"]
    bits: Float[np.ndarray, "n 3"]
    post: Float[np.ndarray, "n"]
    lines: Int[np.ndarray, "n"]
    source: str = "table"

    def __len__(self) -> int:
        return len(self.N)

    def chosen(self, rows: Bool[np.ndarray, "n"]) -> Runs:
        """Some of the rows."""
        return Runs(
            self.N[rows], self.D[rows], self.loss[rows], self.bits[rows], self.post[rows], self.lines[rows], self.source
        )

    @property
    def cells(self) -> Int[np.ndarray, "n"]:
        """Index of each row's cell: rows of one (N, D) are one cell, since they share what they were trained on."""
        _, index = np.unique(np.stack([self.N, self.D], axis=1), axis=0, return_inverse=True)
        return index.reshape(-1)


def runs(table: Any) -> Runs:
    """Runs from a CSV file's path, from columns {name: values}, from rows [{name: value}, ...], or as they are.

    Columns: N, D, loss and any of P_w, P_a, P_kv, P_post; blank, none or inf stand for high precision. Others are
    ignored, unless their name is nearly one of these.

    Raises: `Refused`, the line and column named, for anything that is no positive number.
    """
    if isinstance(table, Runs):
        return table
    if isinstance(table, (str, Path)):
        return read(Path(table))
    if isinstance(table, Mapping):
        lengths = {name: len(np.atleast_1d(np.asarray(values, object))) for name, values in table.items()}
        require(len(set(lengths.values())) <= 1, f"columns must be equally long, got {lengths}")
        columns = {name: np.atleast_1d(np.asarray(values, object)).tolist() for name, values in table.items()}
        return _checked(columns, list(range(1, 1 + next(iter(lengths.values()), 0))), "table", "row")
    require(isinstance(table, Iterable), f"a table is a path, columns or rows; got {type(table).__name__}")
    rows = list(table)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _checked(columns, list(range(1, len(rows) + 1)), "table", "row")


def read(path: Path) -> Runs:
    """Runs from a CSV file with a header. Raises: `Refused`, with the line and column, for a malformed one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refused(f"cannot read {path}: {error}") from error
    require(len(rows) > 1, f"{path} has no rows; it needs a header line ({', '.join(COLUMNS)}) and one line a run")
    header = [name.strip() for name in rows[0]]
    require(len(set(header)) == len(header), f"{path}, line 1: a column name appears twice: {', '.join(header)}")
    lines, columns, faults = [], {name: [] for name in header}, []
    for line, row in enumerate(rows[1:], start=2):
        if all(not cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            faults.append(f"line {line}: {len(row)} cells, expected {len(header)}")
            continue
        lines.append(line)
        for name, cell in zip(header, row, strict=True):
            columns[name].append(cell.strip())
    return _checked(columns, lines, str(path), "line", faults)


def _checked(
    columns: Mapping[str, Sequence[Any]], lines: list[int], source: str, word: str, faults: list[str] | None = None
) -> Runs:
    faults = list(faults or ())
    for name in columns:
        if name in COLUMNS:
            continue
        plain = {other.lower().replace("_", ""): other for other in COLUMNS}
        near = difflib.get_close_matches(name.lower().replace("_", "").replace(" ", ""), plain, n=1, cutoff=0.8)
        require(
            not near or plain[near[0]] in columns,
            f"{source}, header: unknown column {name!r}; did you mean {plain[near[0]] if near else ''}?",
        )
    lacking = [name for name in NEEDED if name not in columns]
    require(
        not lacking,
        f"{source}, header: column {', '.join(lacking)} is missing; needed are {', '.join(NEEDED)}, "
        f"found {', '.join(columns) or 'none'}",
    )
    values: dict[str, np.ndarray] = {}
    for name in COLUMNS:
        if name not in columns:
            values[name] = np.full(len(lines), np.inf)
            continue
        parsed = []
        for line, cell in zip(lines, columns[name], strict=True):
            value, fault = _number(cell, optional=name not in NEEDED)
            if fault:
                faults.append(f"{word} {line}, {name}: {fault}")
            parsed.append(value)
        values[name] = np.array(parsed, float)
    if faults:
        more = f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise Refused(f"{source}: {'; '.join(faults[:SHOWN])}{more}")
    require(len(lines) > 0, f"{source} has no rows; it needs one {word} a run")
    bits = np.stack([values[name] for name in PRECISIONS], axis=1)
    return Runs(values["N"], values["D"], values["loss"], bits, values[POST], np.array(lines), source)


def _number(cell: Any, optional: bool) -> tuple[float, str]:
    """A cell's value, and what is wrong with it."""
    if optional and (cell is None or str(cell).strip().lower() in HIGH):
        return math.inf, ""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        shown = "is empty" if cell is None or not str(cell).strip() else f"{str(cell).strip()!r} is no number"
        return math.nan, shown
    if not math.isfinite(value):
        return math.nan, f"{value} is not finite"
    if value <= 0:
        return math.nan, f"must be positive, got {value:g}"
    return value, ""
