"""The documentation does what it says: examples run, links lead somewhere, options and systems are all there."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from theorylab.compare import arguments
from theorylab.compare.__main__ import main
from theorylab.core import registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


def prose(page: Path) -> str:
    """A page without its code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder of its own for what examples write, and no compilation cache of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("THEORYLAB_STORE", raising=False)


# -- examples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "guide.md"], ids=lambda page: page.name)
def test_every_python_example_runs(page):
    namespace: dict[str, object] = {"__name__": page.stem}
    for body in blocks(page, "python"):
        exec(compile(body, str(page), "exec"), namespace)


def test_the_measured_curve_of_the_guide_is_judged_as_it_says(capsys):
    (example,) = blocks(DOCS / "guide.md", "csv")
    Path("my_runs.csv").write_text(example)
    (command,) = [line for line in commands(DOCS / "guide.md") if "--against" in line]
    assert main([*command, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["results"][0]["observables"]
    assert (found["word"], found["reason"]) == ("agrees", "points assumed independent")


def commands(page: Path) -> list[list[str]]:
    """Arguments of every `python -m theorylab.compare` on a page, variables of the shell replaced by 0."""
    text = page.read_text()
    lines = [line for body in blocks(page, "console") for line in body.splitlines()]
    lines += [found for found in re.findall(r"`([^`\n]+)`", FENCE.sub("", text)) if "..." not in found]
    found = []
    for line in lines:
        _, called, rest = line.partition(arguments.PROGRAM)
        if called and not rest.startswith("r"):
            found.append(shlex.split(re.sub(r"\$\w+", "0", rest), comments=True))
    return found


@EACH_PAGE
def test_every_command_line_names_systems_presets_cases_and_options_that_exist(page):
    for argv in commands(page):
        if {"SYSTEM", "online_lms"} & set(argv):
            continue
        options, rest = arguments.parse(argv)
        assert arguments.jobs(options, rest, argv)


@EACH_PAGE
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"[$`]\s?(?:\w+=\S+ )?make ([\w-]+)", page.read_text())) <= targets


# -- a new system --------------------------------------------------------------------------------------------


@pytest.fixture
def new_system(monkeypatch, tmp_path):
    """The page's system as an importable, registered module; its example and its tests as text."""
    system, example, tests = blocks(DOCS / "new_system.md", "python")
    (tmp_path / "online_lms.py").write_text(system)
    (project,) = (tomllib.loads(body) for body in blocks(DOCS / "new_system.md", "toml"))
    points = project["project"]["entry-points"][registry.GROUP]
    # what an installer makes of that pyproject.toml
    installed = tmp_path / "online_lms-0.1.0.dist-info"
    installed.mkdir()
    lines = [f"[{registry.GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: online-lms\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    registry.entry_points.cache_clear()
    yield system, example, tests
    registry.entry_points.cache_clear()
    sys.modules.pop("online_lms", None)


def test_the_new_system_has_under_a_hundred_lines_and_its_example_runs(new_system, capsys):
    system, example, _ = new_system
    assert len(system.splitlines()) < 100
    exec(compile(example, "new_system.md", "exec"), {})
    assert "agrees" in capsys.readouterr().out


def test_the_new_system_is_found_by_name_and_agrees(new_system, capsys):
    assert main(["online_lms", "--json", "--quiet"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["system"], result["case"], result["verdict"]) == ("online_lms", "plateau", "agrees")
    with pytest.raises(SystemExit, match="2"):
        main(["online_lms", "--rate", "2.5"])
    assert "rate must be in (0, 2)" in capsys.readouterr().err


def test_the_tests_of_the_new_system_pass(new_system):
    """They hold that the theory agrees, and that with one coefficient off by 10 % it differs."""
    namespace: dict[str, object] = {}
    exec(compile(new_system[2], "new_system.md", "exec"), namespace)
    claims = {name: test for name, test in namespace.items() if name.startswith("test_")}
    assert any("off_by_10_percent_differs" in name for name in claims)
    for test in claims.values():
        assert callable(test)
        marks = getattr(test, "pytestmark", ())
        for value in [value for mark in marks for value in mark.args[1]] or [None]:
            test() if value is None else test(value)


# -- completeness, links -------------------------------------------------------------------------------------


def test_the_guide_names_every_engine_option():
    guide = (DOCS / "guide.md").read_text()
    options = [option for action in arguments.parser()._actions for option in action.option_strings]
    assert [option for option in options if not re.search(rf"`{option}[` ]", guide)] == []


def test_the_readme_lists_every_system():
    table = (ROOT / "README.md").read_text()
    ours = [name for name, point in registry.entry_points().items() if point.value.startswith("theorylab.")]
    assert [name for name in ours if f"[`{name}`](docs/{name}.md)" not in table] == []
    assert [name for name in ours if registry.load(name).paper.arxiv not in table] == []


def test_the_guarantees_name_tests_that_exist():
    sources = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "guarantees.md").read_text()))
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


@EACH_PAGE
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []
