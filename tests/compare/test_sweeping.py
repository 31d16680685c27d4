"""Sweeps of the command line: what is asked, what is refused, shards that share a store."""

from __future__ import annotations

import importlib.metadata
import json

import numpy as np
import pytest
import xarray

from theorylab.compare import arguments
from theorylab.compare.__main__ import main
from theorylab.core import Refused, registry


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    point = importlib.metadata.EntryPoint("toy", "toy:Toy", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda: {"toy": point})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))


def test_values_of_a_sweep():
    found = arguments.swept(["rate=0.1:0.4:lin:4", "noise=1e-3:1e-1:log:3", "width=10,20"])
    np.testing.assert_allclose(found["rate"], [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(found["noise"], [1e-3, 1e-2, 1e-1])
    assert found["width"] == (10.0, 20.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rate", "--sweep takes"),
        ("rate=1:2:3", "--sweep takes"),
        ("rate=1:2:cubic:3", "--sweep takes"),
        ("rate=a,b", "--sweep takes"),
        ("rate=0:1:log:3", "log needs positive ends"),
        ("rate=1:2:lin:1", "COUNT must be at least 2"),
    ],
)
def test_sweeps_that_are_refused(text, sentence):
    with pytest.raises(Refused, match=sentence):
        arguments.swept([text])
    with pytest.raises(Refused, match="names rate twice"):
        arguments.swept(["rate=1,2", "rate=3,4"])


@pytest.mark.parametrize(
    "options", [["--sweep", "none=1,2"], ["--sweep", "rate=-1,1"], ["--theory-only"], ["--sweep", "rate=1"]]
)
def test_usage_errors_of_a_sweep(options, capsys):
    # the last one is no error of usage: one value is a sweep of one setting
    code = main(["toy", "--preset", "one", "--quiet", *options])
    assert code == (0 if options[-1] == "rate=1" else 2)


def test_a_grid_becomes_one_file_with_maps(tmp_path, capsys):
    grid = ["--sweep", "rate=0.1:0.2:lin:3", "--sweep", "width=100,1000", "--preset", "one", "--quiet"]
    assert main(["toy", "--runs", "128", *grid]) == 0
    folder = tmp_path / "results/toy/right-sweep-rate-width"
    data = xarray.open_dataset(folder / "sweep.nc", engine="h5netcdf")
    assert data["loss"].dims == ("rate", "width", "time")
    assert data["width"].dtype.kind == "i"
    np.testing.assert_allclose(data["loss"][:, 0, 5], np.exp(-np.array([0.1, 0.15, 0.2]) * 5), rtol=1e-6)
    assert set(np.ravel(data["total_verdict"])) == {"agrees"}
    assert (folder / "loss_deviation.png").exists()
    assert json.loads((folder / "sweep.json").read_text())["settings"] == 6
    assert "6 settings (3 values of rate x 2 values of width)" in capsys.readouterr().out


def test_two_shards_on_one_machine_fill_the_store_that_the_whole_reads(tmp_path, monkeypatch, capsys):
    grid = ["toy", "--preset", "one", "--runs", "128", "--sweep", "rate=0.1:0.3:lin:4"]
    for part in ("0/2", "1/2"):
        assert main([*grid, "--shard", part, "--quiet"]) == 0
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "results/store").rglob("*.npz")}
    assert len(stored) == 4 * 4  # tiles of 32
    assert not (tmp_path / "results/toy").exists()
    assert main([*grid, "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results/store").rglob("*.npz")} == stored
    assert (tmp_path / "results/toy/right-sweep-rate/sweep.nc").exists()
    capsys.readouterr()


def test_a_sweep_of_predictions_alone_simulates_nothing(tmp_path):
    assert main(["toy", "--preset", "one", "--theory-only", "--quiet", "--sweep", "rate=0.1:0.3:lin:40"]) == 0
    assert not list((tmp_path / "results").rglob("*.npz"))
