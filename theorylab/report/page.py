"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from theorylab.engine import files
from theorylab.report.found import SIGNS as CLAIM_SIGNS
from theorylab.report.found import (
    claims_table,
    experiments_table,
    figures_of,
    outcome_section,
    sweep_section,
    sweeps_table,
)
from theorylab.report.notebook import repr_html
from theorylab.report.picture import DETAILS, Detail, prepare
from theorylab.report.pieces import badge, labelled, plural
from theorylab.report.rows import MEANINGS, Row, rows_of
from theorylab.report.section import case_section
from theorylab.report.table import table

Result = Mapping[str, Any]
"""A loaded `verdict.json`, with "figure": the path of its PNG, or None."""


LIMIT = 10_000_000
"""Bytes that a page stays below, if need be with coarser figures."""


def page(
    results: Sequence[Result],
    path: str | Path,
    experiments: Sequence[Result] = (),
    claims: Sequence[Result] = (),
    sweeps: Sequence[Result] = (),
) -> Path:
    """Write the report of `results` to `path`: summary, figures, parameters, commands, citations; figures inside.

    Arguments:
      experiments: loaded `outcome.json`, each with "folder": where its figures are.
      claims: rows of `claims.json`.
      sweeps: loaded `sweep.json`, each with "folder": where its figures are.

    The file is written whole or not at all, the same bytes for the same results. A figure whose file is missing
    is said to be missing. Figures lose colours, then pixels, where the page would exceed `LIMIT`; their own files
    keep both.

    Raises: `Refused` where it cannot be written.
    """
    path = Path(path)
    content = b""
    for detail in DETAILS:
        content = html(results, experiments, claims, sweeps, detail).encode()
        if len(content) < LIMIT:
            break
    files.write_bytes(path, content)
    return path


def html(
    results: Sequence[Result],
    experiments: Sequence[Result] = (),
    claims: Sequence[Result] = (),
    sweeps: Sequence[Result] = (),
    detail: Detail = DETAILS[0],
) -> str:
    """The report as text."""
    rows = [rows_of(result) for result in results]
    figures = [Path(result["figure"]) for result in results if result.get("figure")]
    prepare([*figures, *(source for said in (*experiments, *sweeps) for source in figures_of(said))], detail)
    systems = dict.fromkeys(sorted(str(one["system"]) for one in [*results, *experiments, *claims, *sweeps]))
    return Template(_part("page.html")).substitute(
        css=_part("page.css").strip(),
        js=_part("page.js").strip(),
        legend="\n".join(f"<dt>{badge(word)}</dt><dd>{escape(text)}</dd>" for word, text in MEANINGS.items()),
        count=_count(results, rows),
        contents=_contents(experiments, claims, sweeps),
        systems="".join(f"<option>{escape(name)}</option>" for name in systems),
        words=_choices({row.word for group in rows for row in group}, claims, experiments, sweeps),
        rows="\n".join(_summary(results, rows)),
        claims=claims_table(claims),
        experiments=experiments_table(experiments),
        sweeps=sweeps_table(sweeps),
        sections="\n".join(
            [
                *(case_section(*one, detail) for one in zip(range(len(results)), results, rows, strict=True)),
                *(outcome_section(place, one, detail) for place, one in enumerate(experiments)),
                *(sweep_section(place, one, detail) for place, one in enumerate(sweeps)),
            ]
        ),
    )


def _contents(experiments: Sequence[Result], claims: Sequence[Result], sweeps: Sequence[Result]) -> str:
    """Links to the tables, where there is more than one."""
    there = (("Claims", claims), ("Experiments", experiments), ("Sweeps", sweeps))
    links = [f'<a href="#{name.lower()}">{name}</a>' for name, found in there if found]
    if not links:
        return ""
    return f'<nav aria-label="Tables"><a href="#summary">Verdicts</a> {" ".join(links)}</nav>'


def _choices(
    words: Iterable[str], claims: Sequence[Result], experiments: Sequence[Result], sweeps: Sequence[Result]
) -> str:
    """Options of the second filter: verdicts of comparisons, outcomes of claims, and the rest by kind."""
    outcomes = {row["word"] for row in claims}
    groups = (
        ("Comparisons", "comparison", "all comparisons", [word for word in MEANINGS if word in words]),
        ("Claims", "claim", "all claims", [word for word in CLAIM_SIGNS if word in outcomes]),
        ("Without a verdict", "experiment", "experiments" if experiments else "", []),
        ("Without a verdict", "sweep", "sweeps" if sweeps else "", []),
    )
    made: dict[str, list[str]] = {}
    for title, kind, every, each in groups:
        options = [f'<option value="{kind}">{every}</option>'] if every and (each or kind[0] in "es") else []
        options += [f'<option value="{kind}:{word}">{word}</option>' for word in each]
        made.setdefault(title, []).extend(options)
    return "".join(
        f'<optgroup label="{title}">{"".join(inside)}</optgroup>' for title, inside in made.items() if inside
    )


# -- the summary ---------------------------------------------------------------------------------------------


def _count(results: Sequence[Result], rows: Sequence[Sequence[Row]]) -> str:
    if not results:
        return "No comparisons yet."
    words = [row.word for group in rows for row in group]
    tally = ", ".join(f"{words.count(word)} {word}" for word in MEANINGS if word in words)
    systems = len({result["system"] for result in results})
    return (
        f"{plural(len(words), 'verdict')} on {plural(len(results), 'case')} "
        f"of {plural(systems, 'system')}: {escape(tally)}."
    )


def _summary(results: Sequence[Result], rows: Sequence[Sequence[Row]]) -> Iterable[str]:
    before = None
    for place, (result, group) in enumerate(zip(results, rows, strict=True)):
        for nth, row in enumerate(group):
            again = ' class="again"' if result["system"] == before else ""
            before = result["system"]
            case = escape(row.case)
            case = f'<a href="#case-{place}">{case}</a>' if nth == 0 else f'<span class="again">{case}</span>'
            cells = (
                ("system", "", f"<span{again}>{escape(row.system)}</span>"),
                ("case", "", case),
                ("observable", "", f"<code>{escape(row.observable)}</code>"),
                ("verdict", "", badge(row.word)),
                (
                    "deviation n",
                    "limit" if row.extrapolated else "deviation",
                    escape(row.deviation) + (_LIMIT if row.extrapolated else ""),
                ),
                ("noise n", "noise floor", escape(row.noise)),
                ("theory n", "theory", escape(row.theory)),
                ("simulation n", "simulation", escape(row.simulation)),
            )
            yield (
                f'<tr role="row" data-kind="comparison" data-system="{escape(row.system)}" data-words="{row.word}">'
                + "".join(
                    f'<td role="cell" class="{kind}"{labelled(label)}>{content}</td>' for kind, label, content in cells
                )
                + "</tr>"
            )


_LIMIT = ' <span class="limit">→ ∞</span>'


def _part(name: str) -> str:
    return resources.files("theorylab.report").joinpath(name).read_text(encoding="utf-8")


__all__ = ["html", "page", "repr_html", "table"]
