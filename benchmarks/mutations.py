"""Which terms of each theory do the quick presets see? Terms are scaled by 1.1 or left out, and judged as ever.

python benchmarks/mutations.py [SYSTEM ...] [--count 10] [--out docs/mutations.md]

A term is the right operand of a sum, difference or product in a theory's source that runs when the quick preset's
first case is predicted. Each mutant is put before the same stored simulation; detected means that an observable that
agreed "differs" (or the theory fails). Terms that move no judged observable by more than its margin cannot be seen at
this setting, and say so; those that reach none (facts, checks of stability) are counted and not listed. Mutants are
drawn at random, with a fixed seed; none is chosen by its outcome.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import json
import math
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

import theorylab as tl
from theorylab.compare import Options
from theorylab.core import AbstractSystem, registry
from theorylab.engine import instances, programs

UNREACHED = "reaches no judged observable"
FACTORS = {"times 1.1": 1.1, "left out": 0.0}


@dataclass(frozen=True)
class Term:
    """The right operand of an operation, somewhere in a theory."""

    module: str
    line: int
    column: int
    operator: str
    text: str


class _Scale(ast.NodeTransformer):
    def __init__(self, term: Term, factor: float) -> None:
        self.term, self.factor, self.found = term, factor, False

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if (node.right.lineno, node.right.col_offset) == (self.term.line, self.term.column) and not self.found:
            self.found = True
            scaled = ast.BinOp(ast.Constant(self.factor), ast.Mult(), node.right)
            return ast.copy_location(ast.BinOp(node.left, node.op, scaled), node)
        return node


def executed(system: AbstractSystem, instance: Any) -> dict[str, set[int]]:
    """Lines of the system's theory modules that run while its prediction is traced."""
    package = type(system).__module__
    lines: dict[str, set[int]] = {}

    def watch(frame: types.FrameType, event: str, _: Any) -> Any:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(f"{package}.theory"):
            return None
        if event == "line":
            lines.setdefault(module, set()).add(frame.f_lineno)
        return watch

    programs.clear()
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        tl.predict(system, instance=instance)
    finally:
        sys.settrace(before)
    return lines


def terms(lines: dict[str, set[int]]) -> list[Term]:
    """Operands that the executed lines hold; indices, shapes and integers left alone."""
    found = []
    for module, numbers in sorted(lines.items()):
        source = inspect.getsource(importlib.import_module(module))
        tree = ast.parse(source)
        skipped = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Subscript, ast.JoinedStr, ast.arguments, ast.AnnAssign))
            for part in [node.slice if isinstance(node, ast.Subscript) else node]
            for inner in ast.walk(part)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.BinOp) or id(node) in skipped or node.lineno not in numbers:
                continue
            names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
            integer = isinstance(node.right, ast.Constant) and isinstance(node.right.value, int)
            if type(node.op) not in names or integer:
                continue
            text = ast.get_source_segment(source, node.right) or ""
            found.append(
                Term(module, node.right.lineno, node.right.col_offset, names[type(node.op)], " ".join(text.split()))
            )
    return found


@contextmanager
def mutated(term: Term, factor: float) -> Iterator[None]:
    """The module's functions with one operand scaled; put back afterwards."""
    module = importlib.import_module(term.module)
    path = str(module.__file__)
    change = _Scale(term, factor)
    tree = ast.fix_missing_locations(change.visit(ast.parse(Path(path).read_text())))
    if not change.found:
        raise RuntimeError(f"{term} is not in {path}")
    codes = {(c.co_qualname, c.co_firstlineno): c for c in _codes(compile(tree, path, "exec"))}
    kept = []
    for function in _functions(module):
        new = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if new is not None and new.co_freevars == function.__code__.co_freevars:
            kept.append((function, function.__code__))
            function.__code__ = new
    programs.clear()
    try:
        yield
    finally:
        for function, code in kept:
            function.__code__ = code
        programs.clear()


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _functions(module: types.ModuleType) -> Iterator[types.FunctionType]:
    """Functions and methods that a module defines, under whatever decorates them."""
    for value in vars(module).values():
        inner = (
            list(vars(value).values()) if inspect.isclass(value) and value.__module__ == module.__name__ else [value]
        )
        for one in inner:
            bare = getattr(one, "fget", None) or getattr(one, "__func__", None) or one
            while hasattr(bare, "__wrapped__"):
                bare = bare.__wrapped__  # pyright: ignore[reportAttributeAccessIssue]
            if isinstance(bare, types.FunctionType) and bare.__module__ == module.__name__:
                yield bare


def moved(system: AbstractSystem, before: tl.Prediction, after: tl.Prediction) -> float:
    """Largest relative change of a judged observable, over its margin."""
    largest = 0.0
    for observable in system.observables:
        old, new = (np.asarray(one.curves[observable.name], float) for one in (before, after))
        if observable.scale == "log":
            old, new = np.ones_like(old), new / np.where(old == 0, 1, old)
        scale = max(float(np.sqrt(np.nanmean(old**2))), observable.floor or 0.0) or 1.0
        change = float(np.sqrt(np.nanmean((new - old) ** 2))) / scale / observable.margin
        largest = max(largest, change if math.isfinite(change) else math.inf)
    return largest


def table(name: str, count: int, store: Path) -> list[dict[str, Any]]:
    """Mutants of one system, with what became of them."""
    cls = registry.load(name)
    case = cls.presets["quick"].cases[0]
    system = cls.from_case(case)
    key = jax.random.key(0)
    instance = instances.draw_one(system, key) if system.draws else None

    def compared() -> tl.Comparison:
        options = Options(store=store)
        return tl.compare.run(
            system, runs=case.runs, key=key, instances=case.instances, numerics=case.numerics, options=options
        )

    honest = compared()
    every = [(term, word) for term in terms(executed(system, instance)) for word in FACTORS]
    order = np.random.default_rng(0).permutation(len(every))[: 3 * count]
    before = tl.predict(system, instance=instance)
    rows: list[dict[str, Any]] = []
    for term, word in (every[i] for i in order):
        if sum(row["outcome"] != UNREACHED for row in rows) == count:
            break
        row = {"system": name, "place": f"{term.module.rsplit('.', 1)[-1]}:{term.line}"}
        row |= {"term": f"{term.operator} {term.text}", "change": word}
        try:
            with mutated(term, FACTORS[word]):
                after = tl.predict(system, instance=instance)
                shift = math.inf if after.failure() else moved(system, before, after)
                words = dict(compared().words) if shift > 1e-9 else dict(honest.words)
        except Exception as error:  # a mutant may break anything; that is seen at once
            shift, words = math.inf, {"": f"failed ({type(error).__name__})"}
        worse = [
            f"{observable} {now}"
            for observable, now in words.items()
            if now.startswith(("differs", "failed")) and honest.words.get(observable) != now
        ]
        seen = "detected" if worse else "within the margin" if shift <= 1 else "not detected"
        seen = UNREACHED if shift <= 1e-9 else seen
        rows.append(row | {"moved": shift if math.isfinite(shift) else None, "outcome": seen, "words": worse})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def page(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [
        "# Which terms the quick presets see",
        "",
        "Written by `python benchmarks/mutations.py --out docs/mutations.md`.",
    ]
    lines += ["", str(__doc__).split("\n\n", 2)[2].strip(), ""]
    for name in dict.fromkeys(row["system"] for row in rows):
        own = [row for row in rows if row["system"] == name]
        visible = [row for row in own if row["outcome"] in ("detected", "not detected")]
        hidden = sum(row["outcome"] == UNREACHED for row in own)
        found = sum(row["outcome"] == "detected" for row in visible)
        lines += [
            f"## {name}",
            "",
            f"{found} of {len(visible)} visible mutants detected; {len(own)} tried, {hidden} of them reach none.",
            "",
        ]
        lines += ["| place | term | change | moved, margins | outcome |", "| --- | --- | --- | --- | --- |"]
        for row in own:
            if row["outcome"] == UNREACHED:
                continue
            text = row["term"].replace("|", "\\|")
            text = text if len(text) <= 60 else f"{text[:57]}..."
            amount = "fails" if row["moved"] is None else f"{row['moved']:.3g}"
            lines.append(f"| {row['place']} | `{text}` | {row['change']} | {amount} | {row['outcome']} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", default=list(registry.names()))
    parser.add_argument("--count", type=int, default=10, help="mutants a system")
    parser.add_argument("--out", type=Path, default=None, help="Markdown file to write")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.systems:
            rows += table(name, options.count, Path(folder))
    if options.out is not None:
        options.out.write_text(page(rows))


if __name__ == "__main__":
    main()
