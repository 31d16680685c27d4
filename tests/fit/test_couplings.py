"""Couplings from measured curves: known ones come back, intervals cover, what is not known is said."""

from __future__ import annotations

import csv
import json
import math

import jax
import numpy as np
import pytest
from toy import Toy

import theorylab as tl
from theorylab.compare.measured import Measured
from theorylab.core import NumericalFailure, Refused, registry
from theorylab.fit.__main__ import main
from theorylab.fit.couplings import interpolation, run
from theorylab.systems.sgd_resolvent import SGDResolvent

EXACT = {"width": 10**9}
"""Size at which the toy's simulation has no deviation of its own."""


def simulated(system, runs, seed=0):
    found = tl.simulate(system, runs=runs, key=jax.random.key(seed))
    axis = np.asarray(system.coordinates()["time"])
    return {"loss": Measured(axis, np.asarray(found.curves["loss"], float), None, runs)}


def test_a_known_rate_comes_back_within_its_interval_and_the_theory_agrees_there():
    found = run(Toy(**EXACT), simulated(Toy(rate=0.2, noise=0.05, **EXACT), 16), over=["rate"])
    low, high = found.intervals["rate"]
    assert low < 0.2 < high
    assert high - low < 0.02
    assert found.agreements["loss"].word == "agrees"
    assert found.unit == ("run", 16)
    assert found.notes == ()
    assert found.system.rate == found.estimates["rate"]
    assert "rate" in str(found)


def test_intervals_cover_at_their_level():
    covered, reach = 0, []
    for seed in range(60):
        curve = simulated(Toy(rate=0.2, noise=0.1, **EXACT), 8, seed)
        found = run(Toy(**EXACT), curve, over=["rate"], key=jax.random.key(seed), starts=2)
        low, high = found.intervals["rate"]
        covered += low < 0.2 < high
        reach.append(math.log(found.estimates["rate"] / 0.2) / (0.5 * math.log(high / low)))
    # 60 binomial draws at .95 have standard deviation 1.7
    assert 60 - covered <= 3 + 4 * 1.7
    assert np.std(reach) > 0.25  # nor are they too wide: 1/t(7) = .42


def test_a_curve_without_runs_is_fitted_and_its_points_are_said_to_be_taken_as_independent():
    system = Toy(rate=0.2, **EXACT)
    axis = np.asarray(system.coordinates()["time"])
    exact = np.exp(-0.2 * axis)[None]
    for stderr in (None, np.full(20, 0.01)):
        found = run(Toy(**EXACT), {"loss": Measured(axis, exact, stderr, 0)}, over=["rate"])
        assert found.estimates["rate"] == pytest.approx(0.2, rel=1e-7)
        assert found.unit == ("point", 20)
        assert any("as if they were independent" in note for note in found.notes)


def test_a_coupling_that_the_curve_does_not_depend_on_is_not_determined():
    found = run(Toy(**EXACT), simulated(Toy(rate=0.2, **EXACT), 8), over=["rate", "noise"])
    assert found.undetermined == ("noise",)
    assert "not determined by these curves: noise" in str(found)
    assert found.estimates["rate"] == pytest.approx(0.2, rel=0.1)


def test_shared_disorder_is_the_given_instance():
    system = Toy(rate=0.2, noise=0.01, disorder=True, **EXACT)
    instance = np.float64(1.7)
    axis = np.asarray(system.coordinates()["time"])
    curve = {"loss": Measured(axis, 1.7 * np.exp(-0.2 * axis)[None], None, 0)}
    found = run(Toy(disorder=True, **EXACT), curve, over=["rate"], instance=instance, bootstraps=0)
    assert found.estimates["rate"] == pytest.approx(0.2, rel=1e-7)
    assert found.intervals == {}


def test_interpolation_is_exact_on_the_axis_and_cubic_between():
    axis = np.array([0.0, 1.0, 2.0, 4.0, 7.0])
    at = np.array([1.0, 3.0, 7.0])
    matrix = interpolation(axis, at)
    assert (matrix[[0, 2]] == np.eye(5)[[1, 4]]).all()
    np.testing.assert_allclose(matrix @ axis**3, at**3, rtol=1e-12)  # a cubic is its own spline
    np.testing.assert_allclose(interpolation(axis[:2], np.array([0.5])) @ [1.0, 3.0], [2.0])


def test_rate_and_noise_of_stochastic_descent_come_back_from_simulated_runs():
    truth = SGDResolvent(rate=0.4, noise=0.5)
    name = truth.observables[0].name
    found = tl.simulate(truth, runs=16, key=jax.random.key(1), instance=None)
    axis = np.asarray(truth.coordinates()[truth.observables[0].dims[0]])
    curve = {name: Measured(axis, np.asarray(found.curves[name], float), None, 16)}
    fitted = run(SGDResolvent(), curve, over=["rate", "noise"])
    for coupling, known in (("rate", 0.4), ("noise", 0.5)):
        low, high = fitted.intervals[coupling]
        # finite size adds to the sampling error that the interval knows
        assert low / 1.05 < known < high * 1.05, coupling


# -- command line and refusals -----------------------------------------------------------------------------


@pytest.fixture
def registered(monkeypatch):
    """The toy by name."""
    monkeypatch.setattr(registry, "load", lambda name: Toy)
    monkeypatch.setattr(registry, "names", lambda: ("toy",))
    monkeypatch.setattr(registry, "name_of", lambda system: "toy")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "curve.csv"
    curve = simulated(Toy(rate=0.2, noise=0.05, **EXACT), 8)["loss"]
    with path.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["time", "run", "loss"])
        for i, values in enumerate(curve.values):
            writer.writerows([t, i, v] for t, v in zip(curve.axis, values, strict=True))
    return path


def test_the_command_line_infers_writes_and_prints(registered, file, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["toy", str(file), "--over", "rate", "--json", "--out", str(out), "--width", "1000000"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["couplings"]["rate"]["low"] < 0.2 < printed["couplings"]["rate"]["high"]
    assert json.loads((out / "fit.json").read_text()) == printed
    assert (out / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert main(["toy", str(file)]) == 2
    assert "--over A B; those are: rate, noise, wrong, blow_up" in capsys.readouterr().err
    assert main(["toy", str(file), "--over", "speed"]) == 2
    assert "'speed' is no coupling of Toy" in capsys.readouterr().err


def test_what_cannot_be_inferred_is_refused():
    curve = simulated(Toy(**EXACT), 8)
    short = {"loss": Measured(np.array([1.0]), np.array([[0.5]]), None, 0)}
    late = {"loss": Measured(np.array([1.0, 99.0]), np.array([[0.5, 0.1]]), None, 0)}
    for measured, over, options, sentence in (
        (curve, [], {}, "name the couplings to infer"),
        (curve, ["rate", "rate"], {}, "a coupling is named twice"),
        (curve, ["width"], {}, "'width' is no coupling of Toy; those are: rate, noise"),
        (curve, ["rate"], {"bootstraps": 3}, "bootstraps must be 0 or at least 50, got 3"),
        (curve, ["rate"], {"starts": 0}, "starts must be at least 1, got 0"),
        ({"speed": curve["loss"]}, ["rate"], {}, "'speed' is no observable of this setting; those are: loss"),
        (short, ["rate", "noise"], {}, "1 measured points are fewer than 2 couplings"),
        (late, ["rate"], {}, r"time = \[99.\] of loss is outside the prediction's range \[0, 19\]"),
    ):
        with pytest.raises(Refused, match=sentence):
            run(Toy(), measured, over, **options)


def test_a_failed_prediction_at_the_fit_is_a_failure():
    with pytest.raises(NumericalFailure, match="root"):
        run(Toy(blow_up=2.0), simulated(Toy(**EXACT), 8), over=["rate"])
