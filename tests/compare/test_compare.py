"""Comparisons: theory beside simulation of any system, saved and loaded without loss."""

from __future__ import annotations

import dataclasses
import json
import math

import jax
import numpy as np
import pytest
from toy import Toy

import theorylab as tl
from theorylab.compare.export import verdict_json

KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def right():
    return tl.compare.run(Toy(), runs=64, key=KEY, case="right")


def test_a_right_theory_agrees_and_a_wrong_one_differs(right):
    assert right.words == {"loss": "agrees", "total": "agrees"}
    wrong = tl.compare.run(Toy(wrong=0.1), runs=64, key=KEY)
    assert wrong.words == {"loss": "differs", "total": "differs"}
    assert wrong.rungs[0].agreements["total"].deviation == pytest.approx(0.101, abs=0.01)


def test_noise_never_turns_into_agreement():
    noisy = tl.compare.run(Toy(noise=3.0), runs=8, key=KEY)
    assert noisy.verdict == "undecided"
    assert noisy.rungs[0].agreements["loss"].needed is None or noisy.rungs[0].agreements["loss"].needed > 8


def test_a_ladder_extrapolates_to_agreement_and_gives_the_exponent():
    climbed = tl.converge(Toy(width=1, noise=0.02), [5, 10, 20, 40], runs=32, key=KEY)
    assert climbed.rungs[-1].size == 40
    assert climbed.words["loss"] == "agrees"
    assert climbed.ladder["loss"].exponent_low <= 1.0 <= climbed.ladder["loss"].exponent_high
    assert climbed.rungs[0].agreements["loss"].word == "differs"
    small = tl.converge(Toy(width=1, noise=0.02), [3, 5, 9], runs=32, key=KEY)
    assert small.words["loss"] == "converges"
    wrong = tl.converge(Toy(width=1, noise=0.02, wrong=0.2), [5, 10, 20, 40], runs=32, key=KEY)
    assert wrong.words["loss"] == "differs"


def test_instances_are_paired_with_their_own_prediction():
    paired = tl.compare.run(Toy(disorder=True), runs=32, key=KEY)
    agreement = paired.rungs[0].agreements["loss"]
    assert agreement.word == "agrees"
    # the instances vary by 19 %, the paired residual by the noise alone
    assert agreement.noise < 0.05
    few = tl.compare.run(Toy(disorder=True), runs=32, key=KEY, instances=8)
    assert (few.rungs[0].agreements["loss"].units, few.rungs[0].agreements["loss"].unit) == (8, "instance")
    one = tl.compare.run(Toy(disorder=True), runs=32, key=KEY, instances=1)
    assert one.rungs[0].agreements["loss"].unit == "run of this instance"


def test_failures_are_words_and_never_curves():
    diverged = tl.compare.run(Toy(blow_up=1.0), runs=16, key=KEY)
    assert diverged.verdict == "failed"
    assert "at time 7" in diverged.failure
    unsolved = tl.compare.run(Toy(blow_up=2.0), runs=16, key=KEY)
    assert unsolved.verdict == "failed"
    assert "root finder" in unsolved.failure
    assert unsolved.rungs == ()


class Doubtful(Toy):
    def doubts(self, prediction):
        return ("past the edge",) if self.rate > 0.05 else ()


def test_where_the_theory_doubts_itself_nothing_is_said_to_agree(tmp_path):
    found = tl.compare.run(Doubtful(), runs=64, key=KEY)
    assert found.words == {"loss": "undecided", "total": "undecided"}
    assert "past the edge" in found.rungs[0].agreements["loss"].reason
    assert tl.load(found.save(tmp_path), system=Doubtful()).words == found.words
    assert tl.compare.run(Doubtful(rate=0.01), runs=64, key=KEY).verdict == "agrees"
    assert tl.compare.run(Doubtful(wrong=0.2), runs=64, key=KEY).verdict == "differs"
    assert tl.converge(Doubtful(width=1, noise=0.02), [5, 10, 20, 40], runs=32, key=KEY).verdict == "undecided"


def test_bad_requests_are_refused():
    with pytest.raises(tl.Refused, match="runs must be at least 1"):
        tl.compare.run(Toy(), runs=0)
    with pytest.raises(tl.Refused, match="sizes must differ"):
        tl.compare.run(Toy(), sizes=[10, 10])
    with pytest.raises(tl.Refused, match="needs at least two sizes"):
        tl.converge(Toy(), [10])
    with pytest.raises(tl.Refused, match=r"Toy has no field 'width_'"):
        tl.sweep(Toy(), width_=[1])
    with pytest.raises(tl.Refused, match="rate=-1.0: rate must be positive"):
        tl.sweep(Toy(), rate=[0.1, -1.0])
    with pytest.raises(tl.Refused, match="'width' is no coupling of Toy; those are: rate"):
        tl.sensitivity(Toy(), ["width"])


def test_what_is_saved_is_loaded_without_loss(tmp_path, monkeypatch, right):
    folder = right.save(tmp_path / "out")
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "curves.nc", "overlay.png", "overlay.pdf", "verdict.json",
    }  # fmt: skip
    back = tl.load(folder, system=Toy())
    assert back.words == right.words
    assert verdict_json(back)["observables"] == verdict_json(right)["observables"]
    np.testing.assert_array_equal(back.rungs[0].curves["loss"], right.rungs[0].curves["loss"])
    with pytest.raises(tl.Refused, match="no system is called 'Toy'"):
        tl.load(folder)
    (folder / "verdict.json").unlink()
    with pytest.raises(tl.Refused, match="holds no finished comparison"):
        tl.load(folder)


def test_ladders_and_pairs_are_loaded_without_loss(tmp_path):
    for place, comparison in enumerate(
        [
            tl.converge(Toy(width=1, noise=0.02), [3, 5, 9], runs=8, key=KEY),
            tl.compare.run(Toy(disorder=True), runs=8, key=KEY),
            tl.compare.run(Toy(disorder=True), runs=8, key=KEY, instances=1),
            tl.compare.run(Toy(blow_up=1.0), runs=8, key=KEY),
        ]
    ):
        back = tl.load(comparison.save(tmp_path / str(place)), system=comparison.system)
        assert verdict_json(back)["observables"] == verdict_json(comparison)["observables"]
        assert back.verdict == comparison.verdict


def test_json_holds_no_value_that_json_cannot_say():
    said = json.dumps(verdict_json(tl.compare.run(Toy(noise=3.0), runs=2, key=KEY)), allow_nan=False)
    assert '"undecided"' in said


def test_xarray_has_named_axes(right):
    data = right.to_xarray()
    assert data["loss_runs"].dims == ("run", "time")
    assert data["total_theory"].dims == ()
    assert data.attrs["system"] == "Toy"
    assert data["loss_mean"].dtype == np.float64


def test_results_show_themselves_in_a_notebook(right):
    html = right._repr_html_()
    assert "<table" in html
    assert "data:image/png;base64" in html
    assert "agrees" in str(right)


def test_a_sweep_is_the_predictions_one_by_one_in_any_order():
    rates = [0.5, 0.1, 0.3]
    swept = tl.sweep(Toy(), rate=rates, steps=[10, 12])
    assert [s.rate for s in swept.systems] == [0.5, 0.5, 0.1, 0.1, 0.3, 0.3]
    for system, prediction in zip(swept.systems, swept.predictions, strict=True):
        np.testing.assert_allclose(prediction.curves["loss"], tl.predict(system).curves["loss"], rtol=1e-14)
    with pytest.raises(tl.Refused, match="axes of different lengths"):
        swept.to_xarray()
    exported = tl.sweep(Toy(), rate=rates, blow_up=[0.0, 2.0]).to_xarray()
    assert exported["loss"].dims == ("rate", "blow_up", "time")
    assert np.isnan(exported["loss"].sel(blow_up=2.0)).all()
    assert np.isfinite(exported["loss"].sel(blow_up=0.0)).all()


def test_a_sweep_with_runs_compares_every_setting():
    swept = tl.sweep(Toy(), wrong=[0.0, 0.2], runs=64, key=KEY)
    assert [one.verdict for one in swept.comparisons] == ["agrees", "differs"]
    assert swept.to_xarray()["loss_verdict"].values.tolist() == ["agrees", "differs"]


def test_sensitivity_is_the_derivative():
    found = tl.sensitivity(Toy(), ["rate"])["rate"]["loss"]
    time = np.arange(20)
    np.testing.assert_allclose(found, -time * np.exp(-0.1 * time), rtol=1e-13)
    with jax.enable_x64(True):
        slope = jax.grad(lambda rate: tl.predict(dataclasses.replace(Toy(), rate=rate)).curves["loss"][7])(0.1)
    assert float(slope) == pytest.approx(-7 * math.exp(-0.7), rel=1e-13)


def test_grad_works_where_numerics_are_chosen_from_the_couplings():
    chosen = []

    class Chooser(Toy):
        def numerics(self, instance):
            chosen.append(float(self.rate))
            return super().numerics(instance)

    def last(rate):
        return tl.predict(Chooser(rate=rate)).curves["loss"][7]

    with jax.enable_x64(True):
        assert float(jax.grad(last)(0.1)) == pytest.approx(-7 * math.exp(-0.7), rel=1e-13)
        assert chosen == [0.1]
        with pytest.raises(tl.Refused, match="give numerics=system.numerics"):
            jax.jit(last)(0.1)


def test_a_users_own_simulation_is_not_taken_for_deterministic():
    class Exact(Toy):
        @property
        def deterministic(self):
            return True

    assert tl.compare.run(Exact(noise=0.0), key=KEY).meta["runs"] == 32
    assert tl.compare.run(Exact(noise=0.0), key=KEY).rungs[0].agreements["loss"].units == 1
    own = tl.compare.run(
        Exact(), key=KEY, runs=8, simulate=lambda system, instance, key: system.simulate(instance, key)
    )
    assert own.rungs[0].agreements["loss"].units == 8


def test_a_prediction_in_a_callers_own_float32_says_so():
    with jax.enable_x64(False), pytest.warns(UserWarning, match="enable_x64"):
        jax.grad(lambda rate: tl.predict(dataclasses.replace(Toy(), rate=rate)).curves["loss"][7])(0.1)


def test_a_densitys_verdict_gives_its_kolmogorov_smirnov_distance():
    class Density(Toy):
        @property
        def observables(self):
            return (tl.Observable("loss", "density", scale="density"),)

    found = tl.compare.run(Density(), runs=32, key=KEY).rungs[0].agreements["loss"]
    time = np.arange(20)
    shape = np.exp(-0.1 * time)
    runs = tl.simulate(Density(), runs=32, key=KEY).mean["loss"]
    distance = np.abs(np.cumsum(runs - shape)).max() / shape.sum()
    assert found.reason == f"Kolmogorov-Smirnov distance {distance:.2g}"
