"""The verdicts as a plain table for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from theorylab.report.rows import Row, rows_of

_HEADS = ("system", "case", "observable", "verdict", "deviation [95 %]", "noise floor", "theory", "simulation")
_SHORT = ("observable", "verdict", "deviation [95 %]", "noise", "theory", "simul.")
_RIGHT = frozenset({4, 5, 6, 7})
_ANSI = {"agrees": "32", "converges": "36", "differs": "31;1", "undecided": "33", "failed": "35;1"}
_NARROWEST = 80


def table(results: Sequence[Mapping[str, Any]], width: int | None = None, colour: bool = False) -> str:
    """The verdicts of `results` (loaded `verdict.json`), aligned; below it what an undecided or failed one must say.

    Plain ASCII, for any terminal; "limit" marks a deviation extrapolated to infinite size.

    Arguments:
      width: columns to fill, at least 80; None: the terminal's. Where system and case do not fit as columns they
        become headings.
      colour: colour the words with ANSI sequences.
    """
    width = max(_NARROWEST, width or shutil.get_terminal_size().columns)
    groups = [rows_of(result) for result in results]
    rows = [row for group in groups for row in group]
    if not rows:
        return "no results\n"
    cells = [_cells(row) for row in rows]
    for place in range(len(cells) - 1, 0, -1):  # a name is said once
        if cells[place][0] == cells[place - 1][0]:
            if cells[place][1] == cells[place - 1][1]:
                cells[place][1] = ""
            cells[place][0] = ""
    lines = _laid_out(list(_HEADS), cells, rows, colour)
    if max(len(line) for line in _laid_out(list(_HEADS), cells, rows, False)) > width:
        lines = _headed(rows, width, colour)
    return "\n".join(lines + _remarks(rows, width)) + "\n"


def _cells(row: Row) -> list[str]:
    cells = [str(cell) for cell in astuple(row)[: len(_HEADS)]]
    if row.extrapolated:
        cells[4] = f"limit {cells[4]}"
    return cells


def _laid_out(heads: list[str], cells: Sequence[Sequence[str]], rows: Sequence[Row], colour: bool) -> list[str]:
    first = len(_HEADS) - len(heads)
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]

    def laid(line: Sequence[str], word: str = "") -> str:
        padded = [
            cell.rjust(size) if i + first in _RIGHT else cell.ljust(size)
            for i, (cell, size) in enumerate(zip(line, widths, strict=True))
        ]
        if colour and word:
            padded[3 - first] = f"\x1b[{_ANSI[word]}m{padded[3 - first]}\x1b[0m"
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * size for size in widths)
    return [laid(heads), rule, *(laid(line, row.word) for line, row in zip(cells, rows, strict=True))]


def _headed(rows: Sequence[Row], width: int, colour: bool) -> list[str]:
    """System and case as headings, for a narrow terminal."""
    cells = [_cells(row)[2:] for row in rows]
    rest = 2 + sum(2 + max(map(len, column)) for column in zip(_SHORT[1:], *(line[1:] for line in cells), strict=True))
    for line in cells:
        line[0] = "  " + _cut(line[0], max(8, width - rest))
    laid = _laid_out([f"  {_SHORT[0]}", *_SHORT[1:]], cells, rows, colour)
    lines, before = laid[:2], None
    for row, line in zip(rows, laid[2:], strict=True):
        if (row.system, row.case) != before:
            before = (row.system, row.case)
            lines.append(_cut(f"{row.system} / {row.case}", width))
        lines.append(line)
    return lines


def _remarks(rows: Sequence[Row], width: int) -> list[str]:
    """Why, below the table; what holds for several observables of a case is said once."""
    said: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        if row.remark:
            said.setdefault((row.system, row.case, row.word, row.remark), []).append(row.observable)
    lines: list[str] = []
    for (system, case, word, remark), names in said.items():
        named = " ".join([f"{system} {case}", ", ".join(name for name in names if name.isidentifier())]).strip()
        lines += textwrap.wrap(f"{named}: {word}; {remark}", width, subsequent_indent="  ", break_on_hyphens=False)
    return ["", *lines] if lines else []


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 2] + ".."
