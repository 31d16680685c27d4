"""Experiments, claims and sweeps on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from theorylab.report.format import seconds
from theorylab.report.picture import Detail, picture
from theorylab.report.plain import cell, measured

SIGNS = {"holds": "✓", "fails": "✗", "undecided": "?", "failed": "!"}
"""Sign of each outcome of a claim: never the colour alone."""
CLASSES = {"holds": "agrees", "fails": "differs"}


def html_table(name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table of numbers and words, numbers to the right; it scrolls where it is too wide."""
    right = [all(isinstance(row[i], (int, float, type(None))) for row in rows) for i in range(len(columns))]

    def kind(place: int) -> str:
        return ' class="n"' if right[place] else ""

    head = "".join(
        f'<th role="columnheader" scope="col"{kind(i)}>{escape(text)}</th>' for i, text in enumerate(columns)
    )
    body = "".join(
        '<tr role="row">'
        + "".join(f'<td role="cell"{kind(i)}>{escape(cell(value))}</td>' for i, value in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
        f'<table role="table" aria-label="{escape(name)}"><thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def figures_of(said: Mapping[str, Any]) -> list[Path]:
    """Files of the figures of an experiment or a sweep, in its folder wherever that has been moved to."""
    return [Path(said["folder"]) / Path(file).name for file in said["figures"]]


def table_of(anchor: str, title: str, heads: Sequence[tuple[str, str]], rows: Sequence[str], note: str = "") -> str:
    """A table with a heading that the page's contents lead to; heads with their classes, rows of HTML."""
    head = "".join(f'<th role="columnheader" scope="col"{_class(kind)}>{text}</th>' for text, kind in heads)
    said = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<section class="table" id="{anchor}" aria-labelledby="{anchor}-title"><h2 id="{anchor}-title">{title}</h2>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{anchor}-title">'
        f'<table class="rows stack" role="table" aria-labelledby="{anchor}-title">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table></div>{said}</section>'
    )


def _row(kind: str, system: str, words: str, cells: Sequence[tuple[str, str, str]]) -> str:
    """A row that the filters know; cells with their classes, and the label that they carry where rows are stacked."""
    return (
        f'<tr role="row" data-kind="{kind}" data-system="{escape(system)}" data-words="{words}">'
        + "".join(
            f'<td role="cell"{_class(look)}' + (f' data-label="{label}"' if label else "") + f">{content}</td>"
            for content, look, label in cells
        )
        + "</tr>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _command(command: str) -> str:
    return (
        f'<h3>Reproduce</h3><div class="command"><pre><code>{escape(command)}</code></pre>'
        '<button type="button" class="copy" hidden aria-label="Copy the command">Copy</button></div>'
    )


# -- experiments ---------------------------------------------------------------------------------------------


def experiments_table(experiments: Sequence[Mapping[str, Any]]) -> str:
    """What was measured without a verdict, each with a link to its section."""
    rows = [
        _row(
            "experiment",
            str(said["system"]),
            "",
            (
                (escape(str(said["system"])), "", ""),
                (f'<a href="#experiment-{place}">{escape(str(said["preset"]))}</a>', "", ""),
                (escape(str(said["about"])), "text wide", ""),
                (escape(seconds(said["cells"]["seconds"])), "n", "measured in"),
            ),
        )
        for place, said in enumerate(experiments)
    ]
    heads = (("System", ""), ("Experiment", ""), ("What it shows", ""), ("Measured in", "n"))
    return table_of("experiments", "Experiments", heads, rows) if rows else ""


def outcome_section(place: int, said: Mapping[str, Any], detail: Detail) -> str:
    """One experiment (a loaded outcome.json with its folder)."""
    here = f"experiment-{place}"
    named = f"{said['system']}, experiment {said['preset']}"
    parts = [
        f'<section class="case" id="{here}" aria-labelledby="{here}-title" '
        f'data-kind="experiment" data-system="{escape(said["system"])}" data-words="">',
        f'<p class="kicker">{escape(said["system"])} · experiment without a verdict</p>',
        f'<h2 id="{here}-title">{escape(said["preset"])}</h2>',
    ]
    if said["about"]:
        parts.append(f'<p class="about">{escape(said["about"])}</p>')
    if said["findings"]:
        parts.append("<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in said["findings"]) + "</ul>")
    for nth, source in enumerate(figures_of(said)):
        title = source.stem.replace("_", " ").replace("-", " ")
        alt = f"{title} of {named}; the numbers are in the tables and in outcome.json."
        parts.append(picture(f"{here}-{nth}", here, source, f"{named}: {title}", alt, f"{escape(title)}.", detail))
    for table in said["tables"]:
        parts.append(f"<h3>{escape(table['title'])}</h3>")
        parts.append(html_table(table["title"], table["columns"], table["rows"]))
        if table["note"]:
            parts.append(f'<p class="note">{escape(table["note"])}</p>')
    measured_in = seconds(said["cells"]["seconds"])
    parts.append(_command(said["command"]))
    parts.append(f'<p class="note">{measured_in} of measurement on {escape(said["device"])}.</p>')
    return "\n".join([*parts, "</section>"])


# -- sweeps --------------------------------------------------------------------------------------------------


def sweeps_table(sweeps: Sequence[Mapping[str, Any]]) -> str:
    """Sweeps, each with a link to its maps."""
    rows = [
        _row(
            "sweep",
            str(said["system"]),
            "",
            (
                (escape(str(said["system"])), "", ""),
                (f'<a href="#sweep-{place}">{escape(_over(said))}</a>', "", ""),
                (escape(str(said.get("case", ""))), "", ""),
                (escape(cell(said.get("settings"))), "n", "settings"),
                (escape(_counted(said.get("words") or ())), "text wide", ""),
            ),
        )
        for place, said in enumerate(sweeps)
    ]
    heads = (("System", ""), ("Over", ""), ("Case", ""), ("Settings", "n"), ("Verdicts", ""))
    return table_of("sweeps", "Sweeps", heads, rows) if rows else ""


def sweep_section(place: int, said: Mapping[str, Any], detail: Detail) -> str:
    """One sweep (a loaded sweep.json with its folder): its figures, and what failed in it."""
    here = f"sweep-{place}"
    system, over = str(said["system"]), _over(said)
    named = f"{system}, sweep over {over}"
    parts = [
        f'<section class="case" id="{here}" aria-labelledby="{here}-title" '
        f'data-kind="sweep" data-system="{escape(system)}" data-words="">',
        f'<p class="kicker">{escape(system)} · sweep</p>',
        f'<h2 id="{here}-title">{escape(" · ".join(part for part in (said.get("case"), over) if part))}</h2>',
    ]
    words = _counted(said.get("words") or ())
    if words:
        parts.append(f'<p class="about">{escape(words)}.</p>')
    for nth, source in enumerate(figures_of(said)):
        title = source.stem.replace("_", " ")
        alt = f"{title}, {named}; the numbers are in sweep.nc."
        parts.append(picture(f"{here}-{nth}", here, source, f"{named}: {title}", alt, f"{escape(title)}.", detail))
    failures = said.get("failures") or {}
    if failures:
        items = "".join(f"<li>setting {escape(str(at))}: {escape(str(why))}</li>" for at, why in failures.items())
        parts.append(f'<h3>Failed</h3><ul class="warnings">{items}</ul>')
    if said.get("command"):
        parts.append(_command(str(said["command"])))
    return "\n".join([*parts, "</section>"])


def _over(said: Mapping[str, Any]) -> str:
    return ", ".join(str(name).replace("_", " ") for name in said.get("over") or ())


def _counted(words: Sequence[str]) -> str:
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))


# -- claims --------------------------------------------------------------------------------------------------


def claims_table(claims: Sequence[Mapping[str, Any]]) -> str:
    """The claims of all systems, with what was measured."""
    rows = [
        _row(
            "claim",
            str(row["system"]),
            str(row["word"]),
            (
                (escape(row["system"]), "", ""),
                (
                    f'<strong>{escape(row["claim"])}</strong><br><span class="soft">{escape(row["statement"])}</span>',
                    "text wide",
                    "",
                ),
                (escape(measured(row)), "n", "measured"),
                (escape(row["expected"]), "text", "expected"),
                (
                    f'<span class="word {CLASSES.get(row["word"], row["word"])}">'
                    f'<i aria-hidden="true">{SIGNS[row["word"]]}</i>{escape(row["word"])}</span>',
                    "outcome",
                    "",
                ),
            ),
        )
        for row in claims
    ]
    heads = (("System", ""), ("Claim", ""), ("Measured", "n"), ("Expected", ""), ("Outcome", ""))
    note = "Each claim is a statement of a paper, checked by a number; in parentheses its error, in the last digits."
    return table_of("claims", "Claims", heads, rows, note) if rows else ""
