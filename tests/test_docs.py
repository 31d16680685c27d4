"""The documentation does what it says: examples run, links lead somewhere, options and systems are all there."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import scripts

from theorylab.compare import arguments
from theorylab.compare.__main__ import main
from theorylab.core import registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
build = scripts.load(DOCS / "build.py", "docs_build")
PAGES = build.documents()
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder of its own for what examples write, and no compilation cache of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("THEORYLAB_STORE", raising=False)


# -- examples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", DOCS / "guide.md", DOCS / "verdicts.md"], ids=lambda page: page.name
)
def test_every_python_example_runs(page):
    namespace: dict[str, object] = {"__name__": page.stem}
    for body in blocks(page, "python"):
        exec(compile(body, str(page), "exec"), namespace)


# what a reader types to install, which this environment has behind it
INSTALLING = ("python3 -m venv .venv", ". .venv/bin/activate", "pip install .")


def steps(page: Path) -> Iterator[tuple[str, str, str]]:
    """What a page tells its reader to do, in order: kind, what to run, and what is printed then."""
    found = [(match[1], match[2]) for match in FENCE.finditer(page.read_text())]
    for place, (language, body) in enumerate(found):
        if language == "python":
            after = found[place + 1] if place + 1 < len(found) else ("", "")
            yield "python", body, after[1] if after[0] == "text" else ""
        elif language == "console":
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield "console", command, printed


def plain(printed: str) -> str:
    """Words and numbers that were printed; running times, the widths of columns that they set, and the digits of
    deviations that are float32's rounding, which differ between versions of JAX, left out."""
    text = re.sub(r"\b\d[\d.]* (?:us|ms|s)\b|\b\d+ (?:min|h) \d+ (?:s|min)\b", "TIME", printed)
    text = re.sub(r"\b\d\.\d+e-0[5-9] %", "ROUNDING", text)
    return "\n".join(" ".join(re.sub(r"-{3,}", "", line).split()) for line in text.splitlines() if line.strip())


def test_the_tutorial_prints_what_it_says(capsys):
    """A reader who does what the page says, in order, sees what the page shows."""
    namespace: dict[str, object] = {"__name__": "tutorial"}
    script = code = None
    for kind, text, expected in steps(DOCS / "tutorial.md"):
        capsys.readouterr()
        if kind == "python" and script is None:  # the page says to save the first one
            script = text
            continue
        if kind == "python":
            exec(compile(text, "tutorial.md", "exec"), namespace)
        elif text == "python train.py":
            assert script is not None
            exec(compile(script, "train.py", "exec"), {"__name__": "__main__"})
        elif text == "echo $?":
            print(code)
        elif text.startswith(arguments.PROGRAM):
            code = main(shlex.split(text.removeprefix(arguments.PROGRAM)))
        else:
            assert text in INSTALLING
        said = plain(capsys.readouterr().out)
        if expected or kind == "console":
            assert said == plain(expected), text
    assert code is not None


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
        if {"SYSTEM", "NAME", "online_lms"} & set(argv):
            continue
        options, rest = arguments.parse(argv)
        if not options.claims:
            assert arguments.jobs(options, rest, argv) or arguments.experiments(options)


@EACH_PAGE
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"[$`]\s?(?:\w+=\S+ )?make ([\w-]+)", page.read_text())) <= targets


# -- a new system --------------------------------------------------------------------------------------------


@pytest.fixture
def new_system(monkeypatch, tmp_path):
    """The page's system as an importable, registered module; its example and its tests as text."""
    system, example, extras, tests = blocks(DOCS / "new_system.md", "python")
    (tmp_path / "lms_extras.py").write_text(extras)
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
    for name in ("online_lms", "lms_extras"):
        sys.modules.pop(name, None)


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


def test_the_experiment_of_the_new_system_resumes_and_its_claim_holds(new_system, tmp_path):
    from theorylab.compare.claims import function_name
    from theorylab.core import Claim
    from theorylab.core.experiment import experiment
    from theorylab.engine.cells import StoredCells

    steep = experiment("lms_extras:steep")
    cells = StoredCells("online_lms", tmp_path / "store")
    outcome = steep(cells)
    assert (cells.measured, cells.reused) == (3, 0)
    again = StoredCells("online_lms", tmp_path / "store")
    assert steep(again).tables == outcome.tables
    assert (again.measured, again.reused) == (0, 3)
    assert outcome.figures["spread"]().axes
    online_lms, extras = (importlib.import_module(name) for name in ("online_lms", "lms_extras"))
    (claim,) = online_lms.OnlineLMS.paper.claims
    assert isinstance(claim, Claim)
    finding = getattr(extras, function_name(claim))()
    assert finding.word == "holds"


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


def test_every_relative_link_leads_to_a_file_and_a_heading():
    assert build.broken_links(ROOT) == []


def test_every_equation_that_the_code_cites_is_on_its_page():
    assert build.broken_citations(ROOT) == []


def test_every_page_can_be_reached_from_the_index():
    reached, coming = set(), [DOCS / "README.md"]
    while coming:
        page = coming.pop()
        reached.add(page)
        for target in build.targets(page.read_text()):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.exists() and file not in reached:
                coming.append(file)
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


# -- the API reference, the build ----------------------------------------------------------------------------


def test_the_api_reference_is_what_the_docstrings_say():
    """Where it is not: make docs."""
    assert build.stale(build.pages(ROOT), ROOT) == []


def test_the_api_reference_holds_every_public_name():
    import theorylab
    from theorylab import compare, core

    for package, module in (("theorylab", theorylab), ("compare", compare), ("core", core)):
        text = (DOCS / "api" / f"{package}.md").read_text()
        modules = {"compare", "core", "systems", "fit", "plan"}
        missing = [name for name in module.__all__ if name not in modules and not re.search(rf"\b{name}\b", text)]
        assert missing == []


@pytest.fixture
def project(tmp_path):
    """A project of two pages and one module, whose links and citations are whole."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "theorylab").mkdir()
    (tmp_path / "README.md").write_text("# One\n\n[a](docs/a.md#the-part) ![p](docs/p.png) [far](https://x.y/z#w)\n")
    (tmp_path / "docs" / "a.md").write_text(
        "# A\n\n## The `part`\n\n$$x \\tag{1}$$\n\n`[not](a-link.md)` [up](../README.md)\n"
    )
    (tmp_path / "docs" / "p.png").write_bytes(b"")
    (tmp_path / "theorylab" / "m.py").write_text('"""x; docs/a.md eq. (1)."""\n')
    return tmp_path


def test_whole_links_and_citations_are_not_complained_of(project):
    assert build.broken_links(project) == []
    assert build.broken_citations(project) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("[x](docs/gone.md)", "README.md: docs/gone.md"),
        ("[x](docs/a.md#gone)", "README.md: docs/a.md#gone"),
        ("[x](#gone)", "README.md: #gone"),
        ("![x](docs/gone.png)", "README.md: docs/gone.png"),
        ("[x]: docs/gone.md", "README.md: docs/gone.md"),
        ('<img src="gone.svg">', "README.md: gone.svg"),
    ],
)
def test_a_broken_link_is_found(project, target, said):
    (project / "README.md").write_text(f"# One\n\n{target}\n")
    assert build.broken_links(project) == [said]


def test_a_broken_citation_is_found(project):
    (project / "theorylab" / "m.py").write_text('"""x; docs/a.md eqs. (1), (2)\nand docs/b.md eq. (3)."""\n')
    assert build.broken_citations(project) == ["theorylab/m.py: docs/a.md eq. (2)", "theorylab/m.py: docs/b.md eq. (3)"]


def test_a_stale_reference_fails_the_build_and_is_written_by_it(monkeypatch, tmp_path):
    (tmp_path / "theorylab").symlink_to(ROOT / "theorylab")
    (tmp_path / "docs").mkdir()
    for page in DOCS.glob("*.md"):
        (tmp_path / "docs" / page.name).write_text("".join(f"# {page.stem}\n"))
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "broken_citations", lambda: [])
    monkeypatch.setattr(build, "broken_links", lambda generated: [])
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert build.main(["--check"]) == 1
    assert "stale: docs/api/core.md; run make docs" in said.getvalue()
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    (tmp_path / "docs" / "api" / "old.md").write_text("# gone\n")
    with contextlib.redirect_stderr(io.StringIO()):
        assert build.main(["--check"]) == 1
