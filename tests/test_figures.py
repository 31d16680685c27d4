"""Every figure script says what it shows, and figures/README.md shows them all beside every claim."""

from __future__ import annotations

import json
from pathlib import Path

import scripts

from theorylab.core import registry

FIGURES = Path(__file__).parents[1] / "figures"
build = scripts.load(FIGURES / "build.py", "figures_build")
SCRIPTS = build.scripts()


def _rows(text: str) -> list[list[str]]:
    """Rows of a page's tables."""
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]


def test_every_script_is_named_after_its_system_and_says_what_it_shows():
    for script in SCRIPTS:
        assert any(script.name.startswith(f"{name}_") for name in registry.names()), script.name
        assert script.about.endswith("."), script.name


def test_every_script_shows_claims_of_its_own_system_or_none():
    said = build.statements()
    for script in SCRIPTS:
        for claim in script.claims:
            assert claim in said, script.name
            assert script.name.startswith(claim.split("/")[0])


def test_every_script_can_be_asked_for_another_folder_and_for_the_size_of_the_paper():
    for script in SCRIPTS:
        text = (FIGURES / f"{script.name}.py").read_text()
        assert "from common import" in text, script.name
        assert "size(" in text or "explored(" in text, script.name


def test_every_script_is_on_the_page_with_its_thumbnails_and_its_cost():
    """Fails for a new script until `make figures` has run it, and the page is committed."""
    rows, costs = _rows(build.README.read_text()), build.costs()
    for script in SCRIPTS:
        mine = [row for row in rows if f"`python figures/{script.name}.py`" in row[1]]
        assert len(mine) == 1, script.name
        images = script.images(build.THUMBNAILS)
        assert images, script.name
        assert all(f"thumbnails/{image.name}" in mine[0][0] for image in images)
        assert costs[script.name]["seconds"] > 0


def test_every_claim_of_every_system_is_on_the_page_with_an_outcome():
    text = build.README.read_text()
    for claim, statement in build.statements().items():
        assert build.cell(statement) in text, claim
    assert "not checked yet" not in text


def test_the_page_keeps_no_figure_whose_script_is_gone():
    names = {script.name for script in SCRIPTS}
    assert set(build.costs()) <= names
    assert {path.stem.split("--")[0] for path in build.THUMBNAILS.glob("*.png")} <= names


def test_thumbnails_are_small():
    sizes = [path.stat().st_size for path in build.THUMBNAILS.glob("*.png")]
    assert max(sizes) <= 40_000
    assert sum(sizes) <= 2_500_000


def test_a_claim_is_read_without_running_the_script(tmp_path):
    path = tmp_path / "toy_figure.py"
    path.write_text('"""One line.\n\nMore."""\n\nCLAIM = ("toy/one", "toy/two")\nraise SystemExit\n')
    assert build.Script.read(path) == build.Script("toy_figure", "One line.", ("toy/one", "toy/two"))


def test_outcomes_are_those_of_the_last_claims_and_hide_no_failure(tmp_path):
    (tmp_path / "toy").mkdir()
    rows = [
        {"system": "toy", "claim": "holds", "measured": 0.123456, "error": 0.0021, "expected": "0.12", "word": "holds"},
        {"system": "toy", "claim": "none", "measured": None, "error": None, "expected": "no root", "word": "failed"},
    ]
    (tmp_path / "toy" / "claims.json").write_text(json.dumps(rows))
    found = build.outcomes(tmp_path)
    assert build.outcome(found["toy/holds"]) == "**holds**: measured 0.1235 ± 0.0021; expected: 0.12"
    assert build.outcome(found["toy/none"]) == "failed: no root"
    assert build.outcome(found.get("toy/other")) == "not checked yet"
