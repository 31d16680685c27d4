"""Experiments and claims on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from theorylab.report.picture import picture
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


def section(place: int, said: Mapping[str, Any]) -> str:
    """One experiment (a loaded outcome.json with its folder)."""
    here = f"experiment-{place}"
    named = f"{said['system']}, experiment {said['preset']}"
    parts = [
        f'<section class="case" id="{here}" aria-labelledby="{here}-title" '
        f'data-system="{escape(said["system"])}" data-words="">',
        f'<p class="kicker">{escape(said["system"])} · experiment without a verdict</p>',
        f'<h2 id="{here}-title">{escape(said["preset"])}</h2>',
    ]
    if said["about"]:
        parts.append(f'<p class="about">{escape(said["about"])}</p>')
    if said["findings"]:
        parts.append("<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in said["findings"]) + "</ul>")
    for nth, file in enumerate(said["figures"]):
        title = Path(file).stem.replace("_", " ").replace("-", " ")
        alt = f"{title} of {named}; the numbers are in the tables and in outcome.json."
        parts.append(picture(f"{here}-{nth}", here, Path(said["folder"]) / file, named, alt, f"{escape(title)}."))
    for table in said["tables"]:
        parts.append(f"<h3>{escape(table['title'])}</h3>")
        parts.append(html_table(table["title"], table["columns"], table["rows"]))
        if table["note"]:
            parts.append(f'<p class="note">{escape(table["note"])}</p>')
    parts.append(
        "<h3>Reproduce</h3>"
        f'<div class="command"><pre><code>{escape(said["command"])}</code></pre>'
        '<button type="button" class="copy" hidden aria-label="Copy the command">Copy</button></div>'
        f'<p class="note">{said["cells"]["seconds"] / 60:.1f} minutes of measurement on {escape(said["device"])}.</p>'
    )
    return "\n".join([*parts, "</section>"])


def claims_table(claims: Sequence[Mapping[str, Any]]) -> str:
    """The claims of all systems, with what was measured."""
    if not claims:
        return ""
    rows = "".join(
        f'<tr role="row" data-system="{escape(row["system"])}" data-words="">'
        f'<td role="cell">{escape(row["system"])}</td>'
        f'<td role="cell"><strong>{escape(row["claim"])}</strong><br>'
        f'<span class="soft">{escape(row["statement"])}</span></td>'
        f'<td role="cell" class="n">{escape(measured(row))}</td>'
        f'<td role="cell">{escape(row["expected"])}</td>'
        f'<td role="cell"><span class="word {CLASSES.get(row["word"], row["word"])}">'
        f'<i aria-hidden="true">{SIGNS[row["word"]]}</i>{escape(row["word"])}</span></td></tr>'
        for row in claims
    )
    head = "".join(
        f'<th role="columnheader" scope="col"{kind}>{text}</th>'
        for text, kind in (
            ("System", ""),
            ("Claim", ""),
            ("Measured", ' class="n"'),
            ("Expected", ""),
            ("Outcome", ""),
        )
    )
    return (
        '<section aria-labelledby="claims-title"><h2 id="claims-title">Claims</h2>'
        '<div class="scroll" tabindex="0" role="region" aria-label="Claims">'
        '<table class="claims" role="table" aria-labelledby="claims-title">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div></section>'
    )
