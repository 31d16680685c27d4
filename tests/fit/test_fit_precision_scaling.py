"""`python -m theorylab.fit precision_scaling`: prints, writes, refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from precision_tables import INF, TRUTHS, synthetic

from theorylab import fit
from theorylab.core import Refused
from theorylab.fit.__main__ import main


@pytest.fixture(scope="module")
def table():
    return synthetic(TRUTHS["published"], runs=72, cells=6, levels=((INF,),) * 3)


@pytest.fixture
def runs(tmp_path, table):
    path = tmp_path / "runs.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*(values.tolist() for values in table.values()), strict=True))
    return path


def test_a_fit_is_printed_and_written_with_its_figures(runs, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["precision_scaling", str(runs), "--law", "chinchilla", "--no-compare", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "law chinchilla: 72 runs in 36 cells" in text
    assert "held out:" in text
    kept = json.loads((out / "fit.json").read_text())
    assert kept["constants"]["alpha"]["low"] < 0.4965 < kept["constants"]["alpha"]["high"]
    names = {path.name for path in out.iterdir()}
    assert names == {"fit.json", "predicted_against_measured.png", "loss_against_data.png"}
    assert all((out / name).read_bytes()[:4] == b"\x89PNG" for name in names if name.endswith("png"))


def test_json_alone_goes_to_standard_output_and_equals_the_python_call(runs, table, capsys):
    arguments = ["precision_scaling", str(runs), "--json", "--no-compare", "--held-out", "none", "--floor", "2.7648"]
    assert main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    direct = fit.law("precision_scaling", table, compare=False, held_out="none", floor=2.7648)
    assert printed["coordinates"] == pytest.approx(direct.to_dict()["coordinates"], rel=1e-9)
    assert printed["floor"] == 2.7648


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["precision_scaling"], "the following arguments are required: FILE.csv"),
        (["precision_scaling", "missing.csv"], "cannot read missing.csv"),
        (["precision_scaling", "RUNS", "--law", "kaplan"], "no law 'kaplan'"),
        (["precision_scaling", "RUNS", "--huber", "much"], "huber must be a positive number or auto, got 'much'"),
        (["precision_scaling", "RUNS", "--held-out", "all"], "held_out must be auto or none, got 'all'"),
        (["precision_scaling", "RUNS", "--bootstraps", "many"], "invalid int value: 'many'"),
        (["precision_scaling", "RUNS", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["precision_scalin", "RUNS"], "no system is called 'precision_scalin'"),
    ],
)
def test_bad_usage_is_refused_with_code_2(runs, arguments, sentence, capsys):
    assert main([str(runs) if argument == "RUNS" else argument for argument in arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_malformed_row_is_named_by_line(runs, capsys):
    text = runs.read_text().splitlines()
    text[5] = text[5].rsplit(",", 1)[0] + ",oops"
    runs.write_text("\n".join(text))
    assert main(["precision_scaling", str(runs)]) == 2
    assert "line 6, loss: 'oops' is no number" in capsys.readouterr().err


def test_help_lists_the_options_of_the_system(capsys):
    assert main(["--help"]) == 0
    assert "FILE.csv" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main(["precision_scaling", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(option in text for option in ("--law", "--bootstraps", "--held-out", "--floor", "--no-compare"))


def test_python_calls_with_unknown_options_are_refused(table):
    with pytest.raises(Refused, match="has no option 'laws'; it has: table, law"):
        fit.law("precision_scaling", table, laws="chinchilla")
    with pytest.raises(Refused, match="sgd_resolvent has no law of its own to fit"):
        fit.law("sgd_resolvent", table)
    assert np.isfinite(table["loss"]).all()
