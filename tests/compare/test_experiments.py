"""Presets without a verdict, and claims: kept cells, refusals, what is printed and written."""

from __future__ import annotations

import importlib.metadata
import json

import numpy as np
import pytest
import toy as toys

from theorylab.compare import claims
from theorylab.compare.__main__ import main
from theorylab.core import Claim, Outcome, Preset, Refused, Table, registry
from theorylab.core.experiment import experiment
from theorylab.engine.cells import StoredCells


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    point = importlib.metadata.EntryPoint("toy", "toy:Toy", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda: {"toy": point})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    toys.CALLS.clear()


def test_an_experiment_is_run_as_a_preset_and_its_cells_are_not_measured_twice(tmp_path, capsys):
    assert main(["toy", "--preset", "measured"]) == 0
    printed = capsys.readouterr().out
    assert "squares" in printed
    assert "4.000" in printed
    assert "it grows" in printed
    assert toys.CALLS == [2, 3]
    said = json.loads((tmp_path / "results/toy/measured/outcome.json").read_text())
    assert said["numbers"] == {"best": [4.0, 9.0]}
    assert said["cells"]["measured"] == 2
    assert (tmp_path / "results/toy/measured/squares.png").read_bytes().startswith(b"\x89PNG")
    assert main(["toy", "--preset", "measured", "--quiet"]) == 0
    assert toys.CALLS == [2, 3]
    assert main(["toy", "--preset", "measured", "--quiet", "--force"]) == 0
    assert toys.CALLS == [2, 3, 2, 3]


def test_the_page_shows_experiments_and_claims(tmp_path):
    main(["toy", "--preset", "measured", "--quiet"])
    main(["toy", "--claims", "--quiet"])
    page = (tmp_path / "results/index.html").read_text()
    assert "experiment without a verdict" in page
    assert "data:image/png;base64" in page
    assert "A loss halves" in page


def test_experiments_take_no_options_of_cases(capsys):
    assert main(["toy", "--preset", "measured", "--runs", "3"]) == 2
    assert "is an experiment" in capsys.readouterr().err


def test_claims_are_checked_and_an_undecided_one_is_said(tmp_path, capsys):
    assert main(["toy", "--claims", "--quiet"]) == 3
    printed = capsys.readouterr().out
    assert "half-life" in printed
    assert "holds" in printed
    assert "undecided" in printed
    assert [row["word"] for row in json.loads((tmp_path / "results/toy/claims.json").read_text())] == [
        "holds",
        "undecided",
    ]
    assert main(["toy", "--claims", "--json", "--quiet"]) == 3
    assert json.loads(capsys.readouterr().out)["claims"][0]["measured"] == pytest.approx(np.log(2) / 0.1)


def test_a_claim_without_its_function_is_named():
    with pytest.raises(Refused, match="no function nobody_checks for the claim 'nobody checks'"):
        claims.check_of(toys.Toy, Claim("nobody checks", ""))


def test_cells_are_kept_by_question_and_measured_in_single_precision(tmp_path):
    cells = StoredCells("toy", tmp_path)

    def measure():
        import jax.numpy as jnp

        return {"type": np.asarray(jnp.zeros(1).dtype.itemsize)}

    assert cells({"a": 1}, measure)["type"] == 4
    assert cells({"a": 2}, measure)["type"] == 4
    assert (cells.measured, cells.reused) == (2, 0)
    cells({"a": 1}, measure)
    assert (cells.measured, cells.reused) == (2, 1)


def test_an_interrupted_cell_leaves_nothing_behind_and_the_others_stay(tmp_path):
    cells = StoredCells("toy", tmp_path)
    cells({"a": 1}, lambda: {"x": 1.0})

    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells({"a": 2}, stopped)
    again = StoredCells("toy", tmp_path)
    assert again({"a": 2}, lambda: {"x": 2.0})["x"] == 2.0
    assert again({"a": 1}, lambda: {"x": 3.0})["x"] == 1.0


@pytest.mark.parametrize(("question", "sentence"), [({}, "is empty"), ({"a": np.zeros(2)}, "made of numbers")])
def test_questions_that_cannot_be_asked(tmp_path, question, sentence):
    with pytest.raises(Refused, match=sentence):
        StoredCells("toy", tmp_path)(question, dict)


@pytest.mark.parametrize("path", ["nothing", "toy:none"])
def test_experiments_that_do_not_exist(path):
    with pytest.raises(Refused):
        experiment(path)


def test_a_preset_has_cases_or_an_experiment():
    with pytest.raises(Refused, match="at least one case, or an experiment"):
        Preset(seconds=1)
    with pytest.raises(Refused, match="2 entries, its columns are 1"):
        Outcome((Table("t", ("a",), ((1, 2),)),))
