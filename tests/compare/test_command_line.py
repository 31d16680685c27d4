"""The command line: exit codes, JSON, reuse, refusals, measured curves."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from theorylab.compare.__main__ import main
from theorylab.core import registry


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    """The toy as the only installed system, in a folder of its own, without a compilation cache."""
    point = importlib.metadata.EntryPoint("toy", "toy:Toy", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda: {"toy": point})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["toy", "--preset", "one"], 0),
        (["toy"], 1),
        (["toy", "--preset", "noisy", "--runs", "8"], 3),
        (["toy", "--preset", "broken"], 4),
        (["toy", "--preset", "one", "--wrong", "0.3"], 1),
        (["toy", "--case", "wrong", "--wrong", "0.0"], 0),
        (["toy", "--preset", "one", "--sizes", "5", "10", "20"], 0),
        (["toy", "--preset", "one", "--rate", "-1"], 2),
        (["toy", "--preset", "one", "--rate", "x"], 2),
        (["toy", "--preset", "none"], 2),
        (["toy", "--case", "none"], 2),
        (["toi"], 2),
        (["toy", "--runs", "0"], 2),
        (["toy", "--shard", "2/2"], 2),
        (["toy", "--colour", "red"], 2),
        (["--rate", "1"], 2),
        (["toy", "--sizes", "5", "5"], 2),
        (["--against", "x.csv"], 2),
    ],
)
def test_the_exit_code_says_the_outcome(arguments, code, capsys):
    try:
        found = main(arguments)
    except SystemExit as stop:  # tyro ends the process itself
        found = stop.code
    assert found == code
    if code == 2:
        assert capsys.readouterr().err != ""


def test_refusals_leave_nothing_half_written(tmp_path):
    with pytest.raises(SystemExit):
        main(["toy", "--rate", "-1"])
    assert not (tmp_path / "results").exists()


def test_json_is_one_object_and_nothing_else(capsys):
    assert main(["toy", "--json", "--quiet"]) == 1
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert captured.err == ""
    assert said["schema"] == 1
    assert said["exit_code"] == 1
    assert [result["case"] for result in said["results"]] == ["right", "wrong"]
    observable = said["results"][0]["observables"][0]
    assert observable["word"] == "agrees"
    assert observable["low"] <= observable["deviation"] <= observable["high"]
    assert {"theory", "simulation"} <= set(said["results"][0]["seconds"])
    assert {"versions", "device", "platform", "runs", "tile", "key"} <= set(said["results"][0])


def test_a_second_run_computes_nothing_and_says_so(capsys):
    main(["toy", "--preset", "one"])
    capsys.readouterr()
    before = time.perf_counter()
    assert main(["toy", "--preset", "one"]) == 0
    assert time.perf_counter() - before < 20
    captured = capsys.readouterr()
    assert "stored, nothing is computed again" in captured.err
    assert "0 of 1 cases computed now" in captured.out


def test_more_runs_compute_only_what_is_missing(capsys):
    main(["toy", "--preset", "one", "--runs", "32"])
    capsys.readouterr()
    main(["toy", "--preset", "one", "--runs", "96"])
    assert "1 of 3 tiles were stored, 2 to compute" in capsys.readouterr().err


def test_without_a_case_fields_go_to_the_first_and_runs_to_all(capsys):
    main(["toy", "--runs", "16", "--json", "--quiet"])
    assert [r["runs"] for r in json.loads(capsys.readouterr().out)["results"]] == [16, 16]
    main(["toy", "--rate", "0.2", "--json", "--quiet"])
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["case"], r["parameters"]["rate"]["value"]) for r in results] == [("right", 0.2)]


def test_a_sweep_in_a_preset_is_one_comparison_a_value(capsys):
    main(["toy", "--preset", "swept", "--runs", "8", "--json", "--quiet"])
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["case"], r["parameters"]["rate"]["value"]) for r in results] == [
        ("rates-rate_0p1", 0.1),
        ("rates-rate_0p2", 0.2),
    ]
    assert Path("results/toy/sweep_rate.png").exists()


def test_two_shards_and_one_reader_simulate_every_tile_once(capsys):
    main(["toy", "--preset", "one", "--runs", "96", "--shard", "0/2"])
    assert "shard 0/2 is done" in capsys.readouterr().err
    assert main(["toy", "--preset", "one", "--runs", "96", "--shard", "1/2"]) == 0
    assert "2 of 3 tiles were stored, 1 to compute" in capsys.readouterr().err


def test_list_help_version_and_citations(capsys):
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert "toy: Noisy exponential decay." in out
    assert "--preset quick (about 1 s on two cores): right, wrong" in out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("theorylab ")
    assert main(["toy", "--cite"]) == 0
    assert "eprint        = {2501.00001}" in capsys.readouterr().out
    assert main(["toy", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--shard" in out
    assert "Relative deviation of the simulation" in out


def test_warnings_and_notes_are_printed(capsys):
    main(["toy", "--preset", "one", "--rate", "2.0"])
    assert "warning: toy right: fast decay" in capsys.readouterr().out
    main(["toy", "--preset", "noisy", "--runs", "4"])
    assert "toy noisy loss, total: undecided; 4 runs: statistics need at least 6" in capsys.readouterr().out


def test_an_output_folder_that_cannot_be_written_is_refused_before_computing(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert main(["toy", "--out", str(tmp_path / "taken")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


# -- a user's own curve --------------------------------------------------------------------------------------------


def _csv(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


TIMES = np.arange(0, 19.5, 0.5)


def test_a_curve_with_runs_gets_the_usual_verdict(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for factor, code in ((1.0, 0), (1.3, 1)):
        rows = [(run, t, factor * np.exp(-0.1 * t) * (1 + 0.05 * rng.normal())) for run in range(12) for t in TIMES]
        file = _csv(tmp_path / "mine.csv", "run,time,loss", rows)
        assert main(["toy", "--against", file, "--json"]) == code
        found = json.loads(capsys.readouterr().out)["results"][0]["observables"]
        assert [(one["name"], one["units"]) for one in found] == [("loss", 12)]
    assert (tmp_path / "results/toy/against-mine/loss/overlay.png").exists()


def test_a_curve_with_standard_errors_is_judged_under_a_stated_assumption(tmp_path, capsys):
    rows = [(t, np.exp(-0.1 * t), 0.005) for t in TIMES]
    file = _csv(tmp_path / "mine.csv", "time,loss,stderr", rows)
    assert main(["toy", "--against", file]) == 0
    assert "points assumed independent" in capsys.readouterr().out


def test_a_curve_alone_is_drawn_and_not_judged(tmp_path, capsys):
    file = _csv(tmp_path / "mine.csv", "time,loss", [(t, 3.0) for t in TIMES])
    assert main(["toy", "--against", file]) == 0
    assert "drawn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "rows", "sentence"),
    [
        ("time,los", [(0, 1)], "line 1: no column is named like an observable"),
        ("loss", [(1,)], "line 1: the axis column 'time' of loss is missing"),
        ("time,loss,colour", [(0, 1, 2)], "line 1, column 3: unknown column 'colour'"),
        ("time,loss", [(0, 1), (1, "x")], r"line 3, column 2 \(loss\): 'x' is no number"),
        ("time,loss", [(0, 1), (1, "nan")], r"line 3, column 2 \(loss\): nan is not finite"),
        ("time,loss", [(0, 1), (1,)], "line 3: 1 cells, expected 2"),
        ("time,loss", [(0, 1), (0, 2)], "line 3: time = 0 is there twice; repeated measurements need a run column"),
        ("time,loss", [(0, 1), (25, 2)], r"time = 25 is outside the prediction's range \[0, 19\]"),
        ("time,loss,stderr", [(0, 1, 0)], "a standard error must be positive"),
        ("run,time,loss,stderr", [(0, 0, 1, 1)], "give a run column or standard errors, not both"),
        ("run,time,loss", [(0, 0, 1), (0, 1, 1), (1, 0, 1)], "run 1 has no time = 1, which other runs have"),
        ("time,loss", [], "has no rows"),
    ],
)
def test_a_malformed_file_is_refused_with_line_and_column(tmp_path, capsys, header, rows, sentence):
    file = _csv(tmp_path / "bad.csv", header, rows)
    assert main(["toy", "--against", file]) == 2
    assert re.search(sentence, capsys.readouterr().err)


def test_a_failed_prediction_exits_with_4(tmp_path, capsys):
    file = _csv(tmp_path / "mine.csv", "time,loss", [(t, 3.0) for t in TIMES])
    assert main(["toy", "--against", file, "--blow-up", "2"]) == 4
    assert "root finder" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_refused(monkeypatch, capsys):
    for name in ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"):
        monkeypatch.delenv(name, raising=False)
    assert main(["toy", "--distributed"]) == 2
    assert "found no cluster" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_refused(capsys, tmp_path):
    assert main(["toy", "--against", str(tmp_path / "none.csv")]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_the_module_runs_without_a_warning(tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-m", "theorylab.compare", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""
