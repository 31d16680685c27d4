"""Plans from scaling laws: bits, size, data; whether more training hurts what is then quantized."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest
from precision_tables import INF, synthetic

from theorylab.core import Refused
from theorylab.systems.precision_scaling import fitting, planning
from theorylab.systems.precision_scaling import theory_optima as optima
from theorylab.systems.precision_scaling.theory_laws import published

TRUTH = dataclasses.replace(published(), C_T=0.2, robustness=np.full(3, np.inf))
ALL = ("weights", "activations", "cache")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit of the unified law, bits of two parts, saved as JSON."""
    levels = ((6, 8, INF), (3, 4, 5, 6, 8, INF), (INF,))
    table = synthetic(TRUTH, runs=300, levels=levels, post=(3, 4, 5, INF))
    # robustness against quantization after training is not in this truth: rows in low precision are not quantized
    rows = ~(np.isfinite(table["P_post"]) & (np.isfinite(table["P_w"]) | np.isfinite(table["P_a"])))
    found = fitting.fit({k: v[rows] for k, v in table.items()}, key=jax.random.key(0), compare=False, held_out="none")
    path = tmp_path_factory.mktemp("fit") / "fit.json"
    path.write_text(json.dumps(found.to_dict()))
    return str(path)


def test_the_published_joint_optimum_is_seven_bits_whatever_the_budget():
    small, large = planning.plan(budget=1e19), planning.plan(budget=1e23)
    assert small.values["P"] == large.values["P"] == pytest.approx(7.002, abs=1e-3)
    for answer in (small, large):
        spent = 6 / 16 * answer.values["N"] * answer.values["D"] * answer.values["P"]
        assert spent == pytest.approx(answer.budget, rel=1e-12)
    assert small.free == "joint"
    assert small.intervals == {}
    assert small.hurts is None
    assert "training precision P" in str(small)


def test_given_precision_or_size_leaves_the_others_to_choose():
    size = planning.plan(budget=1e19, precision=8.0)
    expected = optima.allocation(1e19, 8.0, published(offsets=True))
    assert size.values["N"] == pytest.approx(float(expected.N), rel=1e-12)
    assert size.free == "size"
    bits = planning.plan(budget=1e20, parameters=1e8)
    assert bits.free == "precision"
    assert bits.values["N"] == 1e8
    assert bits.values["D"] * bits.values["P"] * 1e8 * 6 / 16 == pytest.approx(1e20, rel=1e-12)
    at = float(optima.precision_at_size(1e8, 1e20, published(offsets=True)))
    assert bits.values["P"] == pytest.approx(at, rel=1e-12)


def test_training_far_beyond_the_critical_data_is_said_to_hurt_and_short_training_not():
    long = planning.plan(budget=1e22, parameters=1e8, post=4.0)
    assert long.values["D"] > long.values["critical"]
    assert long.hurts
    assert "more training hurts the network that is quantized to 4 bits" in str(long)
    short = planning.plan(budget=1e18, parameters=1e8, precision=0.0, post=4.0)
    assert short.values["D"] < short.values["critical"]
    assert not short.hurts
    assert "more training still helps" in str(short)


def test_the_best_network_for_quantization_is_larger_and_trained_on_less():
    answer = planning.plan(budget=1e22, precision=16.0, post=4.0)
    assert answer.values["quantized_N"] > answer.values["N"]
    assert answer.values["quantized_D"] < answer.values["D"]
    assert answer.values["quantized_loss"] < answer.values["quantized"]


def test_a_fit_gives_the_plan_intervals_that_hold_the_truth(fitted):
    parts = ("weights", "activations")
    answer = planning.plan(budget=1e20, precision=8.0, post=4.0, parts=",".join(parts), fit=fitted)
    truth = planning.advice(TRUTH, 1e20, 8.0, 0.0, 4.0, parts)
    for name in ("N", "D", "loss", "quantized", "critical"):
        low, high = answer.intervals[name]
        assert low < truth[name] < high, name
        # the critical data lie beyond most of the runs: their interval is an extrapolation's
        assert high / low < (30 if name == "critical" else 3), name
    assert answer.intervals["P"] == (8.0, 8.0)
    assert answer.chance is not None
    joint = planning.plan(budget=1e20, parts=",".join(parts), fit=fitted)
    low, high = joint.intervals["P"]
    assert low < float(optima.joint_precision(TRUTH, parts)) < high
    assert "[" in str(joint)
    assert json.loads(json.dumps(joint.to_dict()))["intervals"]["P"] == [low, high]


def test_an_interval_is_withheld_where_resamples_have_no_answer():
    values = np.where(np.arange(100) < 20, np.nan, 2.0)
    assert planning.widened(2.0, values, 1.0) is None
    assert planning.widened(math.inf, np.full(100, 2.0), 1.0) is None
    spread = np.exp(np.random.default_rng(0).normal(0, 0.1, 100_000))
    low, high = planning.widened(1.0, spread, 1.5)  # pyright: ignore[reportGeneralTypeIssues]
    # quantiles of 100,000 draws: 1 % of the half-width
    assert math.log(high) == pytest.approx(1.5 * 1.96 * 0.1, rel=0.02)
    assert math.log(low) == pytest.approx(-1.5 * 1.96 * 0.1, rel=0.02)


def test_training_at_the_final_bits_is_said_to_lose_nothing():
    answer = planning.plan(budget=1e20, precision=8.0, post=8.0)
    assert answer.values["critical"] == math.inf
    assert not answer.hurts
    assert any("the law adds nothing there" in note for note in answer.notes)
    assert answer.to_dict()["values"]["critical"] is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": 0.0}, "budget must be positive, got 0"),
        ({"budget": -1.0}, "budget must not be negative"),
        ({"budget": math.inf}, "budget must be finite"),
        ({"precision": -8.0}, "precision must not be negative, got -8"),
        ({"precision": 8.0, "parameters": 1e8}, "give precision or parameters, not both"),
        ({"parts": "weights", "offsets": False}, "with one part in low precision there is no interior joint optimum"),
        ({"parts": "weights,bias"}, "no part 'bias'"),
        ({"parts": ""}, "name at least one part"),
        ({"precision": 3.0}, "P must exceed n gamma"),
        ({"fit": "missing.json"}, "cannot read missing.json as a fit"),
    ],
)
def test_plans_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(Refused, match=sentence):
        planning.plan(**options)


def test_a_fit_without_what_the_plan_needs_is_refused(fitted, tmp_path):
    with pytest.raises(Refused, match="fitted to runs without cache in low precision; choose --parts weights,activ"):
        planning.plan(fit=fitted)
    kept = json.loads(Path(fitted).read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**kept, "system": "sgd_resolvent"}))
    with pytest.raises(Refused, match="is a fit of sgd_resolvent, not of precision_scaling"):
        planning.plan(fit=str(other))
    other.write_text("{}")
    with pytest.raises(Refused, match="as a fit"):
        planning.plan(fit=str(other))
