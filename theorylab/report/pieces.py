"""Small pieces of the page's HTML; everything that is not ours is escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from html import escape
from typing import Any

from theorylab.report.format import NOTHING
from theorylab.report.rows import SIGNS


def badge(word: str) -> str:
    """A verdict's word with its sign."""
    return f'<span class="word {word}"><i aria-hidden="true">{SIGNS.get(word, "")}</i>{escape(word)}</span>'


def labelled(label: str) -> str:
    """What a cell is called where its row is stacked."""
    return f' data-label="{escape(label)}"' if label else ""


def ticks(text: Any) -> str:
    """Escaped text, what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(str(text)))


def whole(command: str) -> str:
    """A command whose words are not broken across lines; copied, it is the same text."""
    return " ".join(f"<span>{escape(word)}</span>" for word in command.split(" "))


def pairs(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values as a list."""
    inside = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="facts">{inside}</dl>'


def shown(value: Any) -> str:
    """A value as it is read."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: NOTHING}[value]
    if isinstance(value, (list, tuple)):
        first = ", ".join(shown(one) for one in value[:12])
        return f"{first}, … ({len(value)} values)" if len(value) > 12 else first
    return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def spaced(name: str) -> str:
    """A name without underscores."""
    return name.replace("_", " ")


def sentences(*parts: Any, joint: str = " ") -> str:
    """What is said, one sentence after the other."""
    said = [str(part).strip() for part in parts if part]
    if joint == " ":
        said = [part if part.endswith((".", "?", "!", ":", ";")) or part is said[-1] else f"{part}." for part in said]
    return joint.join(said)


def plural(count: int, noun: str) -> str:
    """So many of something."""
    first, _, rest = noun.partition(" ")
    return f"{count} {first}{'' if count == 1 else 's'}{' ' + rest if rest else ''}"


def finite(value: Any) -> bool:
    """Whether a value is a number."""
    return isinstance(value, (int, float)) and math.isfinite(value)
