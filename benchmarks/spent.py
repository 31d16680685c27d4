"""Where a compiled program spends its time: one call under JAX's profiler, operations sorted into a few kinds."""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

KINDS = ("products", "random", "copies", "rest")
"""Matrix products (with what is fused into them), random numbers, copies and transposes, everything else."""
_CONTAINERS = ("while", "call", "conditional", "tuple")
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = .*? ([a-z][\w\-]*)\(")
_SOURCE = re.compile(r'op_name="([^"]*)"')
_BODY = re.compile(r"calls=%?([\w.\-]+)")
_RANDOM = ("_normal", "_uniform", "random_bits", "threefry", "_randint", "random_fold_in", "random_split")


def spent(call: Callable[[], Any], program: Any) -> dict[str, float]:
    """Shares of the operations' time by kind, adding up to one; empty where the profiler saw no operation.

    Arguments:
      call: runs the program once.
      program: the compiled program, whose text says what each operation is.
    """
    jax.block_until_ready(call())
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(call())
        traces = list(Path(folder).rglob("*.trace.json.gz"))
        events = json.loads(gzip.decompress(traces[0].read_bytes()))["traceEvents"] if traces else []
    kinds = kinds_of(program.as_text())
    taken: Counter[str] = Counter()
    for event in events:
        name = event.get("args", {}).get("hlo_op")
        if event.get("ph") == "X" and name and (kind := kinds.get(name, "rest")):
            taken[kind] += event["dur"]
    total = sum(taken.values())
    return {kind: taken[kind] / total for kind in KINDS} if total else {}


def kinds_of(text: str) -> dict[str, str]:
    """The kind of each instruction of a program's text; "" for those that only hold others."""
    products, inside = set(), ""
    instructions: dict[str, tuple[str, str, str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(" "):
            inside = line.split()[0 if not line.startswith("ENTRY") else 1].lstrip("%")
        found = _INSTRUCTION.match(line)
        if not found:
            continue
        name, opcode = found.groups()
        source, body = _SOURCE.search(line), _BODY.search(line)
        instructions[name] = (opcode, source.group(1) if source else "", body.group(1) if body else "")
        if opcode == "dot":
            products.add(inside)
    return {name: _kind(*instruction, products) for name, instruction in instructions.items()}


def _kind(opcode: str, source: str, body: str, products: set[str]) -> str:
    if opcode in _CONTAINERS:
        return ""
    if opcode in ("dot", "convolution") or body in products or "dot_general" in source:
        return "products"
    if any(word in source for word in _RANDOM):
        return "random"
    return "copies" if opcode in ("copy", "transpose") else "rest"
