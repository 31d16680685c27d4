"""Which source files and libraries can change a simulation's or a theory's numbers."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from theorylab.core.system import AbstractSystem

SIMULATION_BASE = ("theorylab.core.casting", "theorylab.engine.ensemble", "theorylab.engine.lanes")
"""Modules that touch every simulation's numbers."""
THEORY_BASE = ("theorylab.core.casting", "theorylab.core.numerics", "theorylab.compare")
"""Modules that touch every prediction's or verdict's numbers."""
_OWN = "theorylab"
_NEVER = ("theorylab.core", "theorylab.engine", "theorylab.compare", "theorylab.report")
_NOT_SIMULATION = (*_NEVER, "theorylab.solvers")
_NOT_THEORY = (*_NEVER, "theorylab.networks")
_LIBRARIES = ("jax", "jaxlib")


def simulation_sources(system: type[AbstractSystem]) -> str:
    """Hash of the sources that a simulation of `system` runs: its module, what that reaches of its own top-level
    package and of ours (`networks`, `data`) but `theory*` and `presets`, the engine's ensemble and casting."""
    return _hash(_simulation(system), SIMULATION_BASE)


def theory_sources(system: type[AbstractSystem]) -> str:
    """Hash of the sources that a prediction or a verdict of `system` depends on."""
    reached = _reachable(system.__module__, ("simulation",), _NOT_THEORY, (system.__module__,))
    return _hash(reached, THEORY_BASE)


def module_sources(module: str) -> str:
    """Hash of the sources that a module reaches, theories, presets, the core and the engine left out: what can change
    the numbers of a measurement."""
    return _hash(_alone(module), ())


def module_libraries(module: str) -> dict[str, str]:
    """Versions of JAX and of the libraries that these sources import."""
    return _versions(_alone(module))


def has_sources(system: type[AbstractSystem]) -> bool:
    """Whether the files that define a system are known; not for a class typed into a notebook or a shell."""
    return _path(system.__module__) is not None


def libraries(system: type[AbstractSystem]) -> dict[str, str]:
    """Versions of JAX and of the libraries that a simulation's sources import."""
    return _versions(_simulation(system))


def _versions(paths: Iterable[Path]) -> dict[str, str]:
    names = set(_LIBRARIES)
    for path in paths:
        names |= {name.split(".", maxsplit=1)[0] for name in _imports(path, "")}
    known = importlib.metadata.packages_distributions()
    found = {known[name][0] for name in names - {_OWN} if name in known}
    return {name: importlib.metadata.version(name) for name in sorted(found)}


def package_hash(package: str) -> str:
    """Hash of all files of a package."""
    path = _path(package)
    return _digest(file for file in path.parent.iterdir() if file.is_file()) if path is not None else ""


def _alone(module: str) -> frozenset[Path]:
    path = _path(module)
    start = (module,) if path is None or path.name != "__init__.py" else tuple(_package(module))
    return _reachable(module, ("theory", "presets"), _NEVER, start)


def _simulation(system: type[AbstractSystem]) -> frozenset[Path]:
    return _reachable(system.__module__, ("theory", "presets"), _NOT_SIMULATION, (system.__module__,))


@cache
def _reachable(
    module: str, left_out: tuple[str, ...], stopped: tuple[str, ...], start: tuple[str, ...] = ()
) -> frozenset[Path]:
    """Files of a system's package (or of the modules `start`) and of what they import, but modules whose names begin
    with `left_out` and packages `stopped`."""
    # a script's neighbours are its own code too: their top-level names are not known beforehand
    beside = _path(module) if module == "__main__" else None
    tops = {module.split(".", maxsplit=1)[0], _OWN}
    if beside is not None:
        tops |= {path.stem for path in beside.parent.glob("*.py")}
        tops |= {path.parent.name for path in beside.parent.glob("*/__init__.py")}
    seen: dict[str, Path] = {}
    waiting = list(start or _package(module))
    while waiting:
        name = waiting.pop()
        leaf = name.rsplit(".", 1)[-1]
        ours = name.split(".", maxsplit=1)[0] in tops
        if name in seen or not ours or leaf.startswith(left_out) or name.startswith(stopped):
            continue
        path = _path(name)
        if path is not None:
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
    if module == "__main__":
        origin = getattr(sys.modules["__main__"], "__file__", None)
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            spec = None
        origin = spec.origin if spec is not None else None
    return Path(origin) if origin and origin.endswith(".py") and Path(origin).exists() else None


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


def _hash(paths: frozenset[Path], base: Iterable[str]) -> str:
    every = set(paths)
    for module in base:
        path = _path(module)
        if path is not None:
            every.update([path] if path.name != "__init__.py" else path.parent.glob("*.py"))
    return _digest(every)


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: (p.parent.name, p.name)):
        digest.update(f"{path.parent.name}/{path.name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
