"""Which source files can change a simulation's or a theory's numbers, and their hash."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from theorylab.core.system import AbstractSystem

SIMULATION_BASE = ("theorylab.core.casting", "theorylab.engine.ensemble")
"""Modules that touch every simulation's numbers."""
THEORY_BASE = ("theorylab.core.casting", "theorylab.core.numerics", "theorylab.compare")
"""Modules that touch every prediction's or verdict's numbers."""
_NEVER = ("theorylab.core", "theorylab.engine", "theorylab.compare", "theorylab.report")
_NOT_SIMULATION = (*_NEVER, "theorylab.solvers")
_NOT_THEORY = (*_NEVER, "theorylab.networks")


def simulation_sources(system: type[AbstractSystem]) -> str:
    """Hash of the sources that a simulation of `system` runs: its package but `theory*` and `presets`, what
    that imports from the same top-level package (`networks`, `data`), and the engine's ensemble and casting."""
    return _hash(system, _reachable(system.__module__, ("theory", "presets"), _NOT_SIMULATION), SIMULATION_BASE)


def theory_sources(system: type[AbstractSystem]) -> str:
    """Hash of the sources that a prediction or a verdict of `system` depends on."""
    return _hash(system, _reachable(system.__module__, ("simulation",), _NOT_THEORY), THEORY_BASE)


@cache
def package_hash(package: str) -> str:
    """Hash of all sources of a package."""
    path = _path(package)
    digest = hashlib.sha256()
    for file in sorted(path.parent.iterdir()) if path is not None else ():
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


@cache
def _reachable(module: str, left_out: tuple[str, ...], stopped: tuple[str, ...]) -> frozenset[Path]:
    top = module.split(".", maxsplit=1)[0]
    seen: dict[str, Path] = {}
    waiting = list(_package(module))
    while waiting:
        name = waiting.pop()
        leaf = name.rsplit(".", 1)[-1]
        if name in seen or name.split(".")[0] != top or leaf.startswith(left_out) or name.startswith(stopped):
            continue
        path = _path(name)
        if path is None:
            continue
        seen[name] = path
        waiting += _imports(path, name)
    return frozenset(seen.values())


def _package(module: str) -> Iterable[str]:
    """A system's module, and its neighbours where it is a package."""
    yield module
    path = _path(module)
    if path is not None and path.name == "__init__.py":
        for other in sorted(path.parent.glob("*.py")):
            if other.name != "__init__.py":
                yield f"{module}.{other.stem}"


@cache
def _path(module: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def _imports(path: Path, module: str) -> list[str]:
    """Modules that a file imports anywhere, functions included; what only type checkers see is left out."""
    names: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (path.name == "__init__.py")
                base = ".".join([*parts[:keep], *([base] if base else [])])
            names.append(base)
            names.extend(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return names


def _hash(system: type[AbstractSystem], paths: frozenset[Path], base: Iterable[str]) -> str:
    every = set(paths)
    for module in base:
        path = _path(module)
        if path is not None:
            every.update([path] if path.name != "__init__.py" else path.parent.glob("*.py"))
    digest = hashlib.sha256()
    if not paths:  # a class of a notebook or script has no module file to read
        digest.update(_text(system).encode())
    for path in sorted(every, key=lambda p: (p.parent.name, p.name)):
        digest.update(f"{path.parent.name}/{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _text(system: type[AbstractSystem]) -> str:
    try:
        return inspect.getsource(system)
    except (OSError, TypeError):
        return repr(system)
