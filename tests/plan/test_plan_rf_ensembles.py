"""Plans of ensembles: how many models should share a budget of features."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from theorylab import plan
from theorylab.core import Refused
from theorylab.data import spectra
from theorylab.systems.rf_ensembles import RFEnsembles, planning

INF = math.inf


def test_one_model_is_advised_and_the_risks_are_the_theory_s() -> None:
    system = RFEnsembles(dimension=3000, samples=256, width=256, members=1)
    answer = plan.run(system, ridge=1e-10)
    assert answer.members == (1, 2, 4, 8, 16, 32, 64, 128, 256)
    values = [0.042567, 0.044430, 0.048401, 0.060799, 0.101698, 0.186431]
    np.testing.assert_allclose(answer.tuned_risk[:6], values, atol=5.1e-7)
    np.testing.assert_allclose(answer.given_risk[1:6], [0.0908, 0.0504, 0.0608, 0.1017, 0.1864], atol=5.1e-5)
    assert (answer.choice, answer.given_choice) == (1, 4)
    assert any("that ridge is wrong for K = 1" in note for note in answer.notes)
    assert "with the ridge tuned for each K: K = 1" in str(answer)
    assert json.loads(json.dumps(answer.to_dict()))["given_choice"] == 4


def test_wide_members_are_called_a_tie() -> None:
    answer = planning.plan(RFEnsembles(dimension=3000, samples=50), parameters=3200)
    assert answer.given_risk is None
    assert any("costs at most 1% of the risk" in note for note in answer.notes)


def files(tmp_path, **arrays):
    found = {}
    for name, array in arrays.items():
        found[name] = str(tmp_path / f"{name}.npy")
        np.save(found[name], array)
    return found


def changed_in(tmp_path):
    folder = tmp_path / "changed"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def points():
    """Points whose empirical covariance is exact, so that the spectrum is known."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((300, 40)))
    values, power, _ = spectra.scaled(spectra.power_law(40, 1.3, 2.04), 1.0)
    unit = basis * math.sqrt(300)
    return unit * np.sqrt(values), unit @ np.sqrt(power), values, power


def test_features_and_their_kernel_give_the_spectrum_they_came_from(tmp_path, points) -> None:
    features, targets, values, power = points
    system = RFEnsembles(samples=60, noise=0.2)
    known = RFEnsembles.from_spectrum(values, power, samples=60, noise=0.2)
    direct = planning.plan(known, parameters=64)
    named = files(tmp_path, features=features, kernel=features @ features.T, targets=targets)
    for kind in ("features", "kernel"):
        answer = planning.plan(system, **{kind: named[kind]}, targets=named["targets"], parameters=64)
        np.testing.assert_allclose(answer.tuned_risk, direct.tuned_risk, rtol=1e-9)
        assert answer.choice == direct.choice


def test_targets_outside_the_features_are_reported_and_cannot_be_learned(tmp_path, points) -> None:
    features, targets, *_ = points
    other = np.random.default_rng(1).standard_normal(300)
    other -= features @ np.linalg.lstsq(features, other, rcond=None)[0]
    other *= math.sqrt(300) / np.linalg.norm(other)
    named = files(tmp_path, features=features, targets=targets + other)
    answer = planning.plan(RFEnsembles(samples=60), **named, parameters=64)
    assert any("50.0% of the targets' power lies outside" in note for note in answer.notes)
    assert answer.tuned_risk.min() > 1
    inside = files(tmp_path, targets=targets)
    noisy = planning.plan(
        RFEnsembles(samples=60, noise=math.sqrt(1.09)), features=named["features"], **inside, parameters=64
    )
    np.testing.assert_allclose(answer.tuned_risk, 1 + noisy.tuned_risk, rtol=1e-9)
    columns = files(tmp_path, targets=np.stack([targets, targets], 1))
    doubled = planning.plan(RFEnsembles(samples=60, noise=0.0), features=named["features"], **columns, parameters=64)
    assert doubled.tuned_risk.max() < 2


def test_files_that_do_not_fit_are_refused_with_what_was_found_and_expected(tmp_path, points) -> None:
    features, targets, *_ = points
    system = RFEnsembles()
    good = files(tmp_path, features=features, targets=targets)
    cases = [
        ({"targets": targets[:10]}, r"targets must have shape \(300,\) .* found shape \(10,\), dtype float64"),
        ({"features": targets}, r"features must be a matrix .* found shape \(300,\), dtype float64"),
        (
            {"features": features.astype(complex)},
            r"found shape \(300, 40\), dtype complex128; expected an array of real",
        ),
        ({"targets": np.array(["a"] * 300)}, r"dtype <U1; expected an array of real numbers of shape \(300,\)"),
        ({"targets": targets * np.nan}, "some values are not finite"),
        ({"targets": 0 * targets}, "the targets are all zero"),
        ({"features": 0 * features}, "they are all zero"),
    ]
    for changed, sentence in cases:
        with pytest.raises(Refused, match=sentence):
            planning.plan(system, **{**good, **files(changed_in(tmp_path), **changed)}, parameters=8)
    for kernel, sentence in ((features, "must be square"), (np.triu(np.ones((300, 300))), "must be symmetric")):
        named = files(tmp_path, kernel=kernel)
        with pytest.raises(Refused, match=sentence):
            planning.plan(system, kernel=named["kernel"], targets=good["targets"], parameters=8)
    text = tmp_path / "text.npy"
    text.write_text("1 2 3")
    for path, why in ((text, "it is no .npy file"), (tmp_path / "missing.npy", "FileNotFoundError")):
        with pytest.raises(
            Refused, match=rf"cannot be read.*{why}.* expected an array of real numbers of shape \(n, d\)"
        ):
            planning.plan(system, features=str(path), targets=good["targets"])


def test_the_command_line_plans_from_files_and_refuses_bad_ones(tmp_path, points, capsys) -> None:
    from theorylab.plan.__main__ import main

    features, targets, *_ = points
    named = files(tmp_path, features=features, targets=targets, short=targets[:10])
    command = ["rf_ensembles", "--parameters", "64", "--samples", "60", "--features", named["features"], "--targets"]
    assert main([*command, named["targets"]]) == 0
    assert "with the ridge tuned for each K: K = 1" in capsys.readouterr().out
    assert main([*command, named["short"]]) == 2
    assert "targets must have shape (300,)" in capsys.readouterr().err
    assert main([*command[:-3], "--features", str(tmp_path / "none.npy"), "--targets", named["targets"]]) == 2
    assert "cannot be read (FileNotFoundError" in capsys.readouterr().err


def test_bad_budgets_are_refused() -> None:
    with pytest.raises(Refused, match="parameters must be at least 1, got -3"):
        planning.plan(RFEnsembles(), parameters=-3)
    with pytest.raises(Refused, match="an infinite budget has nothing to split"):
        planning.plan(RFEnsembles(width=INF))
    with pytest.raises(Refused, match="as many features as there are samples, 64"):
        planning.plan(RFEnsembles(samples=64), parameters=128, ridge=0.0)
    with pytest.raises(Refused, match="features or a kernel, not both"):
        planning.plan(RFEnsembles(), features="a.npy", kernel="b.npy")
    with pytest.raises(Refused, match="--targets FILE.npy is needed"):
        planning.plan(RFEnsembles(), features="a.npy")
    with pytest.raises(Refused, match="needs --features"):
        planning.plan(RFEnsembles(), targets="a.npy")


def test_an_odd_budget_is_rounded_down() -> None:
    answer = planning.plan(RFEnsembles(), parameters=100)
    assert answer.widths == (100, 50, 25, 12, 6, 3, 1)
    assert any("rounded down" in note for note in answer.notes)
