"""Optimised settings: known optima, edges, refusals, and what the simulation says of them."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
import toy

import theorylab as tl
from theorylab.core import NumericalFailure, Refused

SYSTEM = toy.Toy(rate=0.3)


def half_at_five(curves):
    return (curves["loss"][5] - 0.5) ** 2


def test_a_coupling_is_found_to_the_solvers_tolerance_and_simulated():
    found = tl.optimize(SYSTEM, half_at_five, ["rate"], runs=64)
    assert found.found["rate"] == pytest.approx(np.log(2) / 5, rel=1e-4)
    assert found.at_edge == ()
    assert found.comparison is not None
    assert found.comparison.words["loss"] == "agrees"
    # noise of 10 % a point and a bias of 1/1000: E (0.5 x 0.1 z)^2 = 0.0025
    assert found.measured == pytest.approx(0.0025, abs=4 * found.measured_error)
    assert found.gain > 4 * found.gain_error
    assert "rate = 0.1386" in str(found)


def test_every_entry_of_a_schedule_is_searched():
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT

    # every step of a linear regression on the population leaves (1 - rate)^2 of the loss
    system = DeepLinearDMFT(
        depth=0,
        data="population",
        dimension=100,
        steps=4,
        rate=0.5,
        rate_profile=(1.0, 1.0, 1.0, 1.0),
        loss_scale="linear",
    )
    target = np.cumprod(1 - 0.5 * np.array([0.6, 1.4, 0.8])) ** 2

    def distance(curves):
        return ((curves["loss"][1:] - target) ** 2).sum()

    found = tl.optimize(system, distance, {"rate_profile": (0.1, 1.8)}, runs=None)
    np.testing.assert_allclose(found.found["rate_profile"][:3], [0.6, 1.4, 0.8], rtol=1e-3)
    assert "rate_profile = [0.6000" in str(found)


def on_a_grid(system, objective, name, low, high):
    """The smallest predicted objective at 25 values of one coupling: what a search must not be beaten by."""
    settings = [dataclasses.replace(system, **{name: value}) for value in np.geomspace(low, high, 25)]
    return min(float(np.ravel(tl.predict(one).curves[objective])[-1]) for one in settings)


def test_the_best_ridge_and_the_best_split_of_features_are_those_of_the_explicit_form():
    from theorylab.systems.rf_ensembles import theory, theory_tuned

    system = tl.systems.RFEnsembles(ridges=1, ridge_low=1e-3, dimension=200, samples=100, width=60, members=1)
    splits = [(1, 60), (2, 30)]
    found = tl.optimize(system, "risk", {"ridge_low": (1e-5, 1.0), ("members", "width"): splits}, runs=None, starts=4)
    assert (found.found["members"], found.found["width"]) == (1, 60)
    with jax.enable_x64(True):
        modes = theory.modes_of(system)
        best = theory_tuned.tuned(modes, 100.0, 60.0, 1.0, float(system.noise))
    assert found.value == pytest.approx(float(best.risk), rel=1e-7)
    assert found.found["ridge_low"] == pytest.approx(float(best.ridge), rel=2e-3)


@pytest.mark.slow
def test_rate_and_batch_of_online_descent_are_no_worse_than_on_a_grid():
    online = tl.systems.SGDResolvent(
        dynamics="online", samples=float("inf"), dimension=100, batch=8, noise=0.3, steps=100
    )
    found = tl.optimize(online, "loss", over={"rate": (0.02, 1.0), "batch": [4, 8]}, runs=None, starts=4)
    assert found.found["batch"] == 8
    assert found.value <= on_a_grid(online, "loss", "rate", 0.02, 1.0) * (1 + 1e-9)
    assert not found.at_edge


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "objective", "name", "low", "high"),
    [
        (
            tl.systems.ErrorBroadcast(
                model="floor", width=8, outputs=1, batch=16, noise=1.0, steps=200, records=5, rate=0.05, memory=0.5,
                feedback=0.0,
            ),
            "excess", "memory", 0.06, 5.0,
        ),
        (
            tl.systems.AdaptiveKernels(
                problem="posterior", activation="linear", depth=2, width=64, beta=5.0, data="waves", samples=8,
                dimension=12, tests=3,
            ),
            "loss", "richness", 0.1, 5.0,
        ),
    ],
    ids=["forgetting of error_broadcast", "richness of adaptive_kernels"],
)  # fmt: skip
def test_an_optimum_is_no_worse_than_on_a_grid(system, objective, name, low, high):
    found = tl.optimize(system, objective, {name: (low, high)}, runs=None, starts=4)
    assert found.value <= on_a_grid(system, objective, name, low, high) * (1 + 1e-6)


def test_an_optimum_at_the_edge_of_its_range_is_said():
    found = tl.optimize(SYSTEM, "loss", {"rate": (0.1, 0.5)}, runs=None)
    assert found.at_edge == ("rate",)
    assert found.found["rate"] == pytest.approx(0.5, rel=0.02)
    assert tl.optimize(SYSTEM, "loss", {"rate": (0.1, 0.5)}, runs=None, maximise=True).found["rate"] < 0.11


def test_static_fields_are_enumerated_alone_or_together():
    found = tl.optimize(SYSTEM, "loss", {"steps": [8, 12, 10]}, runs=None)
    assert found.found == {"steps": 12}
    assert [chosen["steps"] for chosen, _ in found.enumerated] == [12, 10, 8]
    paired = tl.optimize(SYSTEM, "loss", {("steps", "width"): [(8, 100), (9, 50)]}, runs=None)
    assert paired.found == {"steps": 9, "width": 50}


def test_the_instance_is_the_same_all_along():
    system = toy.Toy(rate=0.3, disorder=True)
    found = tl.optimize(system, lambda curves: (curves["loss"][5] - 0.5) ** 2, ["rate"], runs=None)
    assert found.value == pytest.approx(0.0, abs=1e-9)


def test_bounds_that_hold_more_than_the_system_does_are_searched_where_it_stands():
    found = tl.optimize(SYSTEM, half_at_five, {"rate": (-1.0, 1.0)}, runs=None)
    assert found.found["rate"] == pytest.approx(np.log(2) / 5, rel=1e-3)


def test_settings_that_cannot_be_predicted_are_a_failure():
    with pytest.raises(NumericalFailure, match="no setting between these bounds"):
        tl.optimize(toy.Toy(blow_up=2.0), "loss", ["rate"], runs=None)


@pytest.mark.parametrize(
    ("objective", "over", "sentence"),
    [
        ("loss", [], "say over what"),
        ("loss", "rate", "say over what"),
        ("loss", ["none"], "no field 'none'"),
        ("gain", ["rate"], "no observable 'gain'"),
        ("loss", ["steps"], "give its values"),
        ("loss", ["wrong"], "give bounds"),
        ("loss", {"rate": (1.0, 0.1)}, "low < high"),
        ("loss", {"rate": (0.1,)}, "low < high"),
        ("loss", {("steps", "rate"): [(8, 0.1)]}, "must name static fields"),
        ("loss", {("steps", "width"): [(8,)]}, "tuples of 2"),
        ("loss", {"steps": [2]}, "steps must be"),
    ],
)
def test_refusals(objective, over, sentence):
    with pytest.raises(Refused, match=sentence):
        tl.optimize(SYSTEM, objective, over)
    with pytest.raises(Refused, match="at least 2 for a standard error"):
        tl.optimize(SYSTEM, "loss", {"steps": [8]}, runs=1)
