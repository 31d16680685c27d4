"""One comparison on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from theorylab.report.picture import Detail, picture
from theorylab.report.pieces import badge, finite, labelled, pairs, plural, sentences, shown, spaced, ticks, whole
from theorylab.report.rows import Row, deviation, margin, number, share, time_of

Result = Mapping[str, Any]


def case_section(place: int, result: Result, rows: Sequence[Row], detail: Detail) -> str:
    """One comparison: figure, verdicts in full, parameters, command, citation."""
    words = " ".join(dict.fromkeys(row.word for row in rows))
    parts = [
        f'<section class="case" id="case-{place}" aria-labelledby="case-{place}-title" '
        f'data-kind="comparison" data-system="{escape(str(result["system"]))}" data-words="{words}">',
        f'<p class="kicker">{escape(str(result["system"]))}</p>',
        f'<h2 id="case-{place}-title">{escape(str(result["case"]))}</h2>',
        *(f'<p class="{kind}">{ticks(result[kind])}</p>' for kind in ("about", "title") if result.get(kind)),
    ]
    if result.get("failure"):
        parts.append(f'<p class="failure">{badge("failed")} {escape(str(result["failure"]))}</p>')
    parts.append(_figure(place, result, rows, detail))
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
        parts.append(f"<h3>Facts of the theory</h3>{pairs((spaced(name), shown(v)) for name, v in facts.items())}")
    parts.append(f"<h3>How it was computed</h3>{pairs(_computed(result))}")
    parts.append("</div></div>")
    parts.append(
        "<h3>Reproduce</h3>"
        f'<div class="command"><pre><code>{whole(str(result.get("command", "")))}</code></pre>'
        '<button type="button" class="copy" hidden aria-label="Copy the command">Copy</button></div>'
    )
    parts.append(_citation(result.get("paper") or {}))
    parts.append("</section>")
    return "\n".join(part for part in parts if part)


def _figure(place: int, result: Result, rows: Sequence[Row], detail: Detail) -> str:
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
    return picture(f"figure-{place}", f"case-{place}", Path(source), named, alt, caption, detail)


def _observables(result: Result) -> str:
    """Everything that is said beside a verdict: a row an observable, another for its ladder."""
    rows: list[str] = []
    for one in (result.get("observables") or ()) if not result.get("failure") else ():
        ladder = one.get("ladder")
        at = f" at {ladder['sizes'][-1]}" if ladder else ""
        units = f"{plural(int(one['units']), str(one.get('unit') or 'run'))}" if one.get("units") else ""
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
        reason = sentences(reason, f"about {plural(int(needed), str(source.get('unit') or 'run'))} would decide")
    said = f'<br><span class="soft">{escape(reason)}</span>' if reason else ""
    cells = (
        ("", "", f'<code>{escape(name)}</code><span class="limit">{escape(at)}</span>'),
        ("", "", badge(one["word"])),
        ("n wide", "deviation", escape(deviation(one))),
        ("n", "margin", escape(margin(one.get("margin")))),
        ("n", "noise floor", escape(noise)),
        ("n", "largest |z|", escape(z)),
        ("wide", "rests on", f"{escape(rests)}{said}"),
    )
    return (
        '<tr role="row">'
        + "".join(f'<td role="cell" class="{kind}"{labelled(label)}>{content}</td>' for kind, label, content in cells)
        + "</tr>"
    )


def _parameters(parameters: Mapping[str, Any]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f'<tr role="row"><th role="rowheader" scope="row"><code>{escape(name)}</code></th>'
        f'<td role="cell">{escape(shown(one.get("value")))}</td>'
        f'<td role="cell" class="soft">{ticks(one.get("doc") or "")}</td></tr>'
        for name, one in parameters.items()
    )
    return (
        '<h3>Parameters</h3><div class="scroll" tabindex="0" role="region" aria-label="Parameters">'
        '<table role="table" aria-label="Parameters">'
        '<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Field</th>'
        '<th role="columnheader" scope="col">Value</th><th role="columnheader" scope="col">Meaning</th></tr></thead>'
        f'<tbody role="rowgroup">{rows}</tbody></table></div>'
    )


def _computed(result: Result) -> Iterable[tuple[str, str]]:
    seconds = result.get("seconds") or {}
    for side in ("theory", "simulation"):
        compiled = seconds.get(f"{side}_compile")
        more = f", and {time_of(compiled)} to compile" if finite(compiled) else ""
        yield side, time_of(seconds.get(side)) + more
    ratio = seconds.get("ratio_at_equal_error")
    if finite(ratio):
        yield "ratio", f"{number(ratio, 2)}: simulation’s time over theory’s, at equal error"
    kept = "all of it taken from the store" if result.get("cached") else ""
    runs = f"{result['runs']}, in tiles of {result.get('tile')}" if result.get("runs") else ""
    for name, value in (
        ("preset", result.get("preset")),
        ("runs", runs),
        ("seed", result.get("seed")),
        ("simulation", kept),
        ("device", sentences(result.get("device"), result.get("platform"), joint=", ")),
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
