"""Tables of numbers and words as text for a terminal: experiments, claims."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from theorylab.report.format import NOTHING, significant, value_error

WIDTH = 120


def cell(value: Any) -> str:
    """A value of a table: numbers with four digits, a pair as value and error."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return significant(value, 4)
    return str(value)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns side by side, numbers to the right."""
    texts = [[cell(value) for value in row] for row in rows]
    right = [all(isinstance(row[i], (int, float, type(None))) for row in rows) for i in range(len(columns))]
    widths = [max(len(line[i]) for line in [list(columns), *texts]) for i in range(len(columns))]

    def line(words: Sequence[str]) -> str:
        padded = [w.rjust(n) if r else w.ljust(n) for w, n, r in zip(words, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    return "\n".join([line(columns), "  ".join("-" * n for n in widths), *(line(row) for row in texts)])


def outcome(said: Mapping[str, Any]) -> str:
    """What an experiment found (a loaded outcome.json)."""
    parts = [f"{said['system']} {said['preset']}" + (f": {said['about']}" if said["about"] else "")]
    for table in said["tables"]:
        parts.append(f"{table['title']}\n{aligned(table['columns'], table['rows'])}")
        if table["note"]:
            parts[-1] += "\n" + textwrap.fill(table["note"], WIDTH)
    parts += [textwrap.fill(f"- {sentence}", WIDTH, subsequent_indent="  ") for sentence in said["findings"]]
    return "\n\n".join(parts)


def claims(found: Sequence[Mapping[str, Any]]) -> str:
    """Claims with what was measured (rows of claims.json)."""
    rows = [
        (row["system"], row["claim"], measured(row), textwrap.shorten(row["expected"], 60), row["word"])
        for row in found
    ]
    return aligned(("system", "claim", "measured", "expected", "outcome"), rows)


def measured(row: Mapping[str, Any]) -> str:
    """The number of a claim, with its error."""
    return NOTHING if row["measured"] is None else value_error(row["measured"], row["error"] or 0.0)
