"""Independence is an import rule: theory and simulation of a system never reach each other."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import theorylab

SYSTEMS = sorted(path.parent.name for path in (Path(theorylab.__file__).parent / "systems").glob("*/__init__.py"))


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("theorylab", exclude_type_checking_imports=True, cache_dir=None)


def _side(graph, system: str, prefix: str) -> set[str]:
    package = f"theorylab.systems.{system}"
    return {m for m in graph.find_children(package) if m.rsplit(".", 1)[-1].startswith(prefix)}


def _reached(graph, modules: set[str]) -> set[str]:
    return set(itertools.chain.from_iterable(graph.find_upstream_modules(module) for module in modules))


@pytest.mark.parametrize("system", SYSTEMS)
def test_theory_and_simulation_never_reach_each_other(graph, system):
    theory, simulation = _side(graph, system, "theory"), _side(graph, system, "simulation")
    assert theory
    assert simulation
    assert not _reached(graph, theory) & simulation
    assert not _reached(graph, simulation) & theory


@pytest.mark.parametrize("system", SYSTEMS)
def test_theory_knows_no_network_and_simulation_no_solver(graph, system):
    from_theory = _reached(graph, _side(graph, system, "theory"))
    from_simulation = _reached(graph, _side(graph, system, "simulation"))
    assert not {m for m in from_theory if m.startswith("theorylab.networks")}
    assert not {m for m in from_simulation if m.startswith("theorylab.solvers")}


HEAVY = ("diffrax", "optimistix", "flax", "optax", "matplotlib", "xarray", "sklearn", "scipy", "tyro")


def test_describing_every_system_imports_nothing_heavy():
    """What `--list` needs: the core, the systems' packages, their presets."""
    script = (
        "import sys; from theorylab.core import registry; [registry.load(name) for name in registry.names()];"
        "from theorylab.compare.arguments import listing; listing(); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "theorylab.core.system" in loaded
    heavy = {name for name in loaded if name.split(".")[0] in HEAVY}
    sides = {name for name in loaded if name.startswith("theorylab.systems.") and name.count(".") > 2}
    sides = {name for name in sides if name.rsplit(".", 1)[-1].startswith(("theory", "simulation"))}
    layers = {
        name for name in loaded if name.startswith(("theorylab.solvers", "theorylab.networks", "theorylab.engine"))
    }
    assert not heavy | sides | layers


def test_importing_the_package_imports_no_jax():
    script = "import sys, theorylab; assert 'jax' not in sys.modules, 'jax'"
    subprocess.run([sys.executable, "-c", script], check=True)
