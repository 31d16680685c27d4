"""A verdict as a row of words and numbers: what the terminal's table, the report and the notebook all show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from theorylab.report.format import NOTHING, percent, percent_interval, seconds, significant

SIGNS = MappingProxyType({"agrees": "✓", "converges": "→", "differs": "≠", "undecided": "?", "failed": "!"})

MEANINGS = MappingProxyType(
    {
        "agrees": "The whole interval lies within the margin.",
        "converges": "Extrapolated to infinite size it lies within the margin; at the largest size simulated, not yet.",
        "differs": "The whole interval lies beyond the margin.",
        "undecided": "The interval holds the margin: too few runs to tell, or fewer than six.",
        "failed": "A solve failed, or a value is not finite: there is no result.",
    }
)


@dataclass(frozen=True)
class Row:
    """One observable's verdict, in words.

    Arguments:
      extrapolated: whether word and deviation are a size ladder's, at infinite size.
      remark: what else must be said: why, or how many runs would decide.
    """

    system: str
    case: str
    observable: str
    word: str
    deviation: str
    noise: str
    theory: str
    simulation: str
    extrapolated: bool = False
    remark: str = ""


def rows_of(result: Mapping[str, Any]) -> list[Row]:
    """The rows of a `verdict.json` (schema 1); one that says "failed" where a case failed before any verdict."""
    system, case = str(result["system"]), str(result["case"])
    times = result.get("seconds") or {}
    theory, simulation = time_of(times.get("theory")), time_of(times.get("simulation"))
    failure = str(result.get("failure") or "")
    judged = result.get("observables") or ()
    if failure or not judged:
        names = [str(one["name"]) for one in judged] or [NOTHING]
        said = failure or "nothing was judged"
        return [Row(system, case, name, "failed", NOTHING, NOTHING, theory, simulation, remark=said) for name in names]
    return [
        Row(
            system,
            case,
            str(one["name"]),
            final(one)["word"],
            deviation(final(one)),
            share(one.get("noise")) if one["word"] != "failed" else NOTHING,
            theory,
            simulation,
            extrapolated=bool(one.get("ladder")),
            remark=_remark(one),
        )
        for one in judged
    ]


def final(observable: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of an observable's entry that carries its verdict: the size ladder's where there is one."""
    return observable.get("ladder") or observable


def deviation(one: Mapping[str, Any]) -> str:
    """Deviation with its interval; "n/a" where there is none."""
    values = (one.get("deviation"), one.get("low"), one.get("high"))
    if one.get("word") == "failed" or not all(_finite(value) for value in values):
        return share(values[0]) if one.get("word") != "failed" else NOTHING
    return percent_interval(*(float(value) for value in values if value is not None))


def share(value: Any) -> str:
    """A fraction in percent; "n/a" for what is not finite."""
    return percent(float(value), 2) if _finite(value) else NOTHING


def margin(value: Any) -> str:
    """A margin in percent, as it was stated; "n/a" for what is not finite."""
    return f"{100 * float(value):.6g} %" if _finite(value) else NOTHING


def time_of(value: Any) -> str:
    """Seconds in words; "n/a" for what is not finite."""
    return seconds(float(value)) if _finite(value) else NOTHING


def number(value: Any, digits: int) -> str:
    """A number to so many significant digits; "n/a" for what is not finite."""
    return significant(float(value), digits) if _finite(value) else NOTHING


def _remark(one: Mapping[str, Any]) -> str:
    said = final(one)
    if said["word"] == "undecided":
        needed = one.get("needed")
        noun = str(one.get("unit") or "run").split()[0]
        would = f"about {needed} {noun}s would decide" if needed else ""
        return "; ".join(part for part in (str(said.get("reason") or ""), would) if part)
    return str(said.get("reason") or "")


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
