"""The report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from theorylab.engine import files
from theorylab.report.format import NOTHING
from theorylab.report.found import claims_table, section
from theorylab.report.notebook import repr_html
from theorylab.report.picture import picture
from theorylab.report.rows import MEANINGS, SIGNS, Row, deviation, margin, number, rows_of, share, time_of
from theorylab.report.table import table

Result = Mapping[str, Any]
"""A loaded `verdict.json`, with "figure": the path of its PNG, or None."""


def page(
    results: Sequence[Result], path: str | Path, experiments: Sequence[Result] = (), claims: Sequence[Result] = ()
) -> Path:
    """Write the report of `results` to `path`: summary, figures, parameters, commands, citations; figures inside.

    Arguments:
      experiments: loaded `outcome.json`, each with "folder": where its figures are.
      claims: rows of `claims.json`.

    The file is written whole or not at all, the same bytes for the same results. A figure whose file is missing
    is said to be missing.

    Raises: `Refused` where it cannot be written.
    """
    path = Path(path)
    files.write_bytes(path, html(results, experiments, claims).encode())
    return path


def html(results: Sequence[Result], experiments: Sequence[Result] = (), claims: Sequence[Result] = ()) -> str:
    """The report as text."""
    rows = [rows_of(result) for result in results]
    systems = dict.fromkeys(sorted(str(one["system"]) for one in [*results, *experiments, *claims]))
    words = {row.word for group in rows for row in group}
    return Template(_part("page.html")).substitute(
        css=_part("page.css").strip(),
        js=_part("page.js").strip(),
        legend="\n".join(f"<dt>{_word(word)}</dt><dd>{escape(text)}</dd>" for word, text in MEANINGS.items()),
        count=_count(results, rows),
        systems="".join(f"<option>{escape(name)}</option>" for name in systems),
        words="".join(f"<option>{word}</option>" for word in MEANINGS if word in words),
        rows="\n".join(_summary(results, rows)),
        claims=claims_table(claims),
        sections="\n".join(
            [
                *(_section(*one) for one in zip(range(len(results)), results, rows, strict=True)),
                *(section(place, one) for place, one in enumerate(experiments)),
            ]
        ),
    )


# -- the summary ---------------------------------------------------------------------------------------------


def _count(results: Sequence[Result], rows: Sequence[Sequence[Row]]) -> str:
    if not results:
        return "No results yet."
    words = [row.word for group in rows for row in group]
    tally = ", ".join(f"{words.count(word)} {word}" for word in MEANINGS if word in words)
    systems = len({result["system"] for result in results})
    return (
        f"{_plural(len(words), 'verdict')} on {_plural(len(results), 'case')} "
        f"of {_plural(systems, 'system')}: {escape(tally)}."
    )


def _summary(results: Sequence[Result], rows: Sequence[Sequence[Row]]) -> Iterable[str]:
    before = None
    for place, (result, group) in enumerate(zip(results, rows, strict=True)):
        for nth, row in enumerate(group):
            again = ' class="again"' if result["system"] == before else ""
            before = result["system"]
            case = f'<a href="#case-{place}">{escape(row.case)}</a>' if nth == 0 else escape(row.case)
            cells = (
                ("system", "", f"<span{again}>{escape(row.system)}</span>"),
                ("case", "", case),
                ("observable", "", f"<code>{escape(row.observable)}</code>"),
                ("verdict", "", _word(row.word)),
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
                f'<tr role="row" data-system="{escape(row.system)}" data-words="{row.word}">'
                + "".join(
                    f'<td role="cell" class="{kind}"{_label(label)}>{content}</td>' for kind, label, content in cells
                )
                + "</tr>"
            )


_LIMIT = ' <span class="limit">→ ∞</span>'


# -- one case ------------------------------------------------------------------------------------------------


def _section(place: int, result: Result, rows: Sequence[Row]) -> str:
    words = " ".join(dict.fromkeys(row.word for row in rows))
    parts = [
        f'<section class="case" id="case-{place}" aria-labelledby="case-{place}-title" '
        f'data-system="{escape(str(result["system"]))}" data-words="{words}">',
        f'<p class="kicker">{escape(str(result["system"]))}</p>',
        f'<h2 id="case-{place}-title">{escape(str(result["case"]))}</h2>',
        *(f'<p class="{kind}">{_ticks(result[kind])}</p>' for kind in ("about", "title") if result.get(kind)),
    ]
    if result.get("failure"):
        parts.append(f'<p class="failure">{_word("failed")} {escape(str(result["failure"]))}</p>')
    parts.append(_figure(place, result, rows))
    parts.append(_observables(result))
    warnings = result.get("warnings") or ()
    if warnings:
        items = "".join(f"<li>{escape(str(warning))}</li>" for warning in warnings)
        parts.append(f'<h3>Warnings</h3><ul class="warnings">{items}</ul>')
    facts = result.get("facts") or {}
    parts.append('<div class="pair"><div>')
    parts.append(_parameters(result.get("parameters") or {}))
    parts.append("</div><div>")
    if facts:
        parts.append(f"<h3>Facts of the theory</h3>{_pairs((_plain(name), _value(v)) for name, v in facts.items())}")
    parts.append(f"<h3>How it was computed</h3>{_pairs(_computed(result))}")
    parts.append("</div></div>")
    parts.append(
        "<h3>Reproduce</h3>"
        f'<div class="command"><pre><code>{_whole(str(result.get("command", "")))}</code></pre>'
        '<button type="button" class="copy" hidden aria-label="Copy the command">Copy</button></div>'
    )
    parts.append(_citation(result.get("paper") or {}))
    parts.append("</section>")
    return "\n".join(part for part in parts if part)


def _figure(place: int, result: Result, rows: Sequence[Row]) -> str:
    source = result.get("figure")
    if not source:
        return ""
    verdicts = "; ".join(f"{row.observable} {row.word}, deviation {row.deviation}" for row in rows)
    named = f"{result['system']}, case {result['case']}"
    alt = f"Theory (lines) and simulation (points) of {named}: {verdicts}. Residuals in strips below."
    caption = (
        "Theory as lines, simulation as points with standard errors; below, residuals in percent with "
        "their simultaneous 95&nbsp;% band, and the margin dashed."
    )
    return picture(f"figure-{place}", f"case-{place}", Path(source), named, alt, caption)


def _observables(result: Result) -> str:
    """Everything that is said beside a verdict: a row an observable, another for its ladder."""
    rows: list[str] = []
    for one in (result.get("observables") or ()) if not result.get("failure") else ():
        ladder = one.get("ladder")
        at = f" at {ladder['sizes'][-1]}" if ladder else ""
        units = f"{_plural(int(one['units']), str(one.get('unit') or 'run'))}" if one.get("units") else ""
        if ladder:
            sizes = ", ".join(str(size) for size in ladder["sizes"])
            exponent = (
                f"{number(ladder.get('exponent'), 3)} "
                f"[{number(ladder.get('exponent_low'), 3)}, {number(ladder.get('exponent_high'), 3)}]"
            )
            said = {**ladder, "margin": one.get("margin")}
            note = f"sizes {sizes}; ‖d‖ falls as size to the power −{exponent}"
            rows.append(_judged(said, one["name"], " → ∞", share(ladder.get("noise")), "", note, ladder))
        rows.append(_judged(one, one["name"], at, share(one.get("noise")), number(one.get("largest_z"), 2), units, one))
    if not rows:
        return ""
    heads = ("Observable", "Verdict", "Deviation [95 %]", "Margin", "Noise floor", "Largest |z|", "Rests on")
    numeric = {2, 3, 4, 5}
    head = "".join(
        f'<th role="columnheader" scope="col"{" class=n" if i in numeric else ""}>{text}</th>'
        for i, text in enumerate(heads)
    )
    return (
        '<table class="stack" role="table" aria-label="Verdicts in full">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )


def _judged(one: Result, name: str, at: str, noise: str, z: str, rests: str, source: Result) -> str:
    reason = str(source.get("reason") or "")
    needed = source.get("needed")
    if needed and one["word"] == "undecided":
        reason = _sentences(reason, f"about {_plural(int(needed), str(source.get('unit') or 'run'))} would decide")
    said = f'<br><span class="soft">{escape(reason)}</span>' if reason else ""
    cells = (
        ("", "", f'<code>{escape(name)}</code><span class="limit">{escape(at)}</span>'),
        ("", "", _word(one["word"])),
        ("n wide", "deviation", escape(deviation(one))),
        ("n", "margin", escape(margin(one.get("margin")))),
        ("n", "noise floor", escape(noise)),
        ("n", "largest |z|", escape(z)),
        ("wide", "rests on", f"{escape(rests)}{said}"),
    )
    return (
        '<tr role="row">'
        + "".join(f'<td role="cell" class="{kind}"{_label(label)}>{content}</td>' for kind, label, content in cells)
        + "</tr>"
    )


def _parameters(parameters: Mapping[str, Any]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f'<tr role="row"><th role="rowheader" scope="row"><code>{escape(name)}</code></th>'
        f'<td role="cell">{escape(_value(one.get("value")))}</td>'
        f'<td role="cell" class="soft">{_ticks(one.get("doc") or "")}</td></tr>'
        for name, one in parameters.items()
    )
    return (
        '<h3>Parameters</h3><div class="scroll"><table role="table" aria-label="Parameters">'
        '<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Field</th>'
        '<th role="columnheader" scope="col">Value</th><th role="columnheader" scope="col">Meaning</th></tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _computed(result: Result) -> Iterable[tuple[str, str]]:
    seconds = result.get("seconds") or {}
    for side in ("theory", "simulation"):
        compiled = seconds.get(f"{side}_compile")
        more = f", and {time_of(compiled)} to compile" if _finite(compiled) else ""
        yield side, time_of(seconds.get(side)) + more
    ratio = seconds.get("ratio_at_equal_error")
    if _finite(ratio):
        yield "ratio", f"{number(ratio, 2)}: simulation’s time over theory’s, at equal error"
    kept = "all of it taken from the store" if result.get("cached") else ""
    runs = f"{result['runs']}, in tiles of {result.get('tile')}" if result.get("runs") else ""
    for name, value in (
        ("preset", result.get("preset")),
        ("runs", runs),
        ("seed", result.get("seed")),
        ("simulation", kept),
        ("device", _sentences(result.get("device"), result.get("platform"), joint=", ")),
        ("versions", ", ".join(f"{name} {value}" for name, value in (result.get("versions") or {}).items())),
    ):
        if value not in (None, ""):
            yield name, str(value)


def _citation(paper: Mapping[str, Any]) -> str:
    if not paper:
        return ""
    url = str(paper.get("url") or "")
    title = f"<cite>{escape(str(paper.get('title', '')))}</cite>"
    # only web addresses become links: an address is data, and "javascript:" is one too
    linked = (
        f'<a href="{escape(url)}" rel="noreferrer">{title}</a>' if url.startswith(("https://", "http://")) else title
    )
    by = f"{', '.join(map(str, paper.get('authors') or ()))} ({paper.get('year', '')}). "
    arxiv = f" arXiv:{paper['arxiv']}" if paper.get("arxiv") else ""
    return (
        f"<h3>Cite</h3><p>{escape(by)}{linked}.{escape(arxiv)}</p>"
        f"<details><summary>BibTeX</summary><pre><code>{escape(str(paper.get('bibtex', '')))}</code></pre></details>"
    )


# -- small pieces --------------------------------------------------------------------------------------------


def _part(name: str) -> str:
    return resources.files("theorylab.report").joinpath(name).read_text(encoding="utf-8")


def _word(word: str) -> str:
    return f'<span class="word {word}"><i aria-hidden="true">{SIGNS.get(word, "")}</i>{escape(word)}</span>'


def _label(label: str) -> str:
    return f' data-label="{escape(label)}"' if label else ""


def _ticks(text: Any) -> str:
    """Escaped text, what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(text)))


def _whole(command: str) -> str:
    """A command whose words are not broken across lines; copied, it is the same text."""
    return " ".join(f"<span>{escape(word)}</span>" for word in command.split(" "))


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    inside = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{inside}</dl>'


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: NOTHING}[value]
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_value(one) for one in value[:12])
        return f"{shown}, … ({len(value)} values)" if len(value) > 12 else shown
    return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _sentences(*parts: Any, joint: str = " ") -> str:
    said = [str(part).strip() for part in parts if part]
    if joint == " ":
        said = [part if part.endswith((".", "?", "!", ":", ";")) or part is said[-1] else f"{part}." for part in said]
    return joint.join(said)


def _plural(count: int, noun: str) -> str:
    first, _, rest = noun.partition(" ")
    return f"{count} {first}{'' if count == 1 else 's'}{' ' + rest if rest else ''}"


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


__all__ = ["html", "page", "repr_html", "table"]
