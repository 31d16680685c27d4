"""A comparison as it shows itself in a notebook."""

from __future__ import annotations

import base64
from html import escape

from theorylab.compare.result import Agreement, ComparisonData, Convergence
from theorylab.report.format import NOTHING
from theorylab.report.rows import SIGNS, margin, share, time_of
from theorylab.report.rows import deviation as deviation_of

_CELL = "padding:.2em .8em .2em 0;text-align:left;font-variant-numeric:tabular-nums"


def repr_html(data: ComparisonData) -> str:
    """Verdicts as a compact table, and the figure, as HTML that needs nothing beside it."""
    from theorylab.report.overlay import overlay, png

    head = ("observable", "verdict", "deviation [95 %]", "margin", "noise floor", "rests on")
    lines = [_line(one) for one in _judged(data)]
    failure = f"<p><b>! failed</b> {escape(data.failure)}</p>" if data.failure else ""
    table = (
        '<table style="border-collapse:collapse"><thead><tr>'
        + "".join(f'<th scope="col" style="{_CELL}">{text}</th>' for text in head)
        + "</tr></thead><tbody>"
        + "".join("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in line) + "</tr>" for line in lines)
        + "</tbody></table>"
    )
    named = f"{data.name} · {data.case}"
    took = f"theory {time_of(data.seconds.theory)}, simulation {time_of(data.seconds.simulation)}"
    image = base64.b64encode(png(overlay(data))).decode()
    return (
        f"<div><p><b>{escape(named)}</b> ({escape(took)})</p>{failure}{table if lines else ''}"
        f'<img src="data:image/png;base64,{image}" style="max-width:100%;background:#fff" '
        f'alt="{escape(f"Theory (lines) and simulation (points) of {named}")}"></div>'
    )


def _judged(data: ComparisonData) -> list[tuple[Agreement | Convergence, str, str]]:
    """Each observable's verdicts: extrapolated where there is a ladder, and at the largest size."""
    found: list[tuple[Agreement | Convergence, str, str]] = []
    if data.rungs and not data.failure:
        last = data.rungs[-1]
        for name, one in last.agreements.items():
            ladder = data.ladder.get(name)
            if ladder is not None:
                found.append((ladder, " → ∞", f"sizes {', '.join(map(str, ladder.sizes))}"))
            at = f" at {last.size}" if ladder is not None else ""
            found.append((one, at, f"{one.units} × {one.unit}"))
    return found


def _line(judged: tuple[Agreement | Convergence, str, str]) -> tuple[str, ...]:
    one, at, rests = judged
    said = {"word": one.word, "deviation": one.deviation, "low": one.low, "high": one.high}
    noise = NOTHING if one.word == "failed" else share(one.noise)
    because = f" ({escape(one.reason)})" if one.reason else ""
    if isinstance(one, Agreement) and one.word == "undecided" and one.needed:
        rests += f"; about {one.needed} would decide"
    word = f"<b>{SIGNS[one.word]} {one.word}</b>{because}"
    return (
        f"<code>{escape(one.observable.name)}</code>{at}",
        word,
        escape(deviation_of(said)),
        margin(one.observable.margin),
        noise,
        escape(rests),
    )
