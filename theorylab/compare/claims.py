"""The papers' claims, each checked by a number."""

from __future__ import annotations

import importlib
import importlib.util
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from theorylab.compare.experiments import plain
from theorylab.core import AbstractSystem, Claim, Finding, NumericalFailure, registry, require
from theorylab.engine import files
from theorylab.engine.progress import Progress

CLAIMS = "claims.json"


def function_name(claim: Claim) -> str:
    """Name of the function that checks a claim."""
    return re.sub(r"\W", "_", claim.name)


def check_of(cls: type[AbstractSystem], claim: Claim) -> Callable[[], Finding]:
    """The function that checks a claim: in the module `claims` of a system's package, in its own file otherwise.

    Raises: `Refused` where there is none.
    """
    module = cls.__module__
    if hasattr(importlib.import_module(module), "__path__"):
        module = f"{module}.claims"
        require(importlib.util.find_spec(module) is not None, f"{cls.__name__} checks no claims: there is no {module}")
    check = getattr(importlib.import_module(module), function_name(claim), None)
    require(check is not None, f"{module} has no function {function_name(claim)} for the claim {claim.name!r}")
    assert check is not None
    return check


def checked(name: str, out: Path, progress: Progress) -> list[dict[str, Any]]:
    """Every claim of a system: what was measured, what is expected, and the word. Written to out/NAME/claims.json."""
    cls = registry.load(name)
    found = []
    for claim in cls.paper.claims:
        begun = time.perf_counter()
        try:
            finding = check_of(cls, claim)()
            row = {"measured": finding.measured, "error": finding.error, "expected": finding.expected}
            row |= {"word": finding.word}
        except NumericalFailure as failure:
            row = {"measured": None, "error": None, "expected": str(failure), "word": "failed"}
        row = {"system": name, "claim": claim.name, "statement": claim.statement} | row
        found.append(plain(row | {"seconds": time.perf_counter() - begun}))
        progress.note(f"{name} {claim.name}: {found[-1]['word']}")
    files.write_json(out / name / CLAIMS, found)
    return found


def exit_code(found: Sequence[dict[str, Any]]) -> int:
    """0: all hold; 1: one fails; 3: one is undecided; 4: one could not be computed."""
    words = {row["word"] for row in found}
    return next((code for word, code in (("failed", 4), ("fails", 1), ("undecided", 3)) if word in words), 0)
