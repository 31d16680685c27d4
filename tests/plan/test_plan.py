"""Plans: learning rates that the theory advises."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from theorylab import plan
from theorylab.core import NumericalFailure, Refused
from theorylab.plan.__main__ import main
from theorylab.systems.deep_linear_dmft import DeepLinearDMFT, planning

GRID = np.geomspace(0.01, 0.8, 60)
# nu, parametrization: best rate and largest stable one (loss below 10 after 19 steps) on the grid.
TRANSFER = {
    (1, "mup"): (0.074, 0.168),
    (8, "mup"): (0.069, 0.181),
    (64, "mup"): (0.069, 0.195),
    (8, "ntk"): (0.181, 0.410),
    (64, "ntk"): (0.244, 0.640),
}


def network(nu=1, **fields):
    return DeepLinearDMFT(
        **{"dimension": 100, "width": 100 * nu, "samples": 400, "steps": 20, "richness": 4.0, **fields}
    )


@pytest.mark.parametrize(("nu", "name"), TRANSFER)
def test_best_rate_transfers_across_width_in_mup_only(nu, name):
    losses = planning.last_losses(network(nu, parametrization=name), GRID)
    best, stable = TRANSFER[nu, name]
    assert GRID[np.argmin(losses)] == pytest.approx(best, abs=6e-4)
    assert GRID[np.nonzero(losses < 10)[0][-1]] == pytest.approx(stable, abs=6e-4)


@pytest.mark.slow
def test_best_rate_transfers_across_depth_with_scaled_branches_only():
    grid = np.geomspace(0.002, 0.8, 60)
    found = {}
    for scale in ("scaled", "constant"):
        for blocks in (1, 4, 8):
            system = network(8, depth=blocks + 1, residual=scale, richness=1.0, steps=12)
            losses = planning.last_losses(system, grid)
            found[scale, blocks] = grid[np.argmin(losses)] if losses.min() < 10 else None
    assert found["scaled", 4] / found["scaled", 8] < 1.2  # two grid points
    assert found["scaled", 1] == found["constant", 1]
    assert found["constant", 4] < 0.1 * found["constant", 1]
    assert found["constant", 8] is None


def test_plan_refines_the_grid_and_bounds_the_rates():
    answer = plan.run(DeepLinearDMFT, width=800, dimension=100, samples=400, steps=20, richness=4.0)
    assert answer.best_rate == pytest.approx(0.0719, rel=0.02)
    assert answer.stable_rate == pytest.approx(0.187, rel=0.02)
    assert answer.lazy_bound == pytest.approx(2 / (3 * 1.5**2), rel=1e-12)
    assert answer.best_loss <= np.min(answer.losses)
    system = network(8)
    assert planning.last_losses(system, np.array([0.98 * answer.stable_rate]))[0] < 10
    assert "best learning rate" in str(answer)
    assert json.loads(json.dumps(answer.to_dict()))["best_rate"] == answer.best_rate


def test_infinite_width_can_be_planned():
    answer = planning.plan(network(math.inf, dimension=100, width=math.inf), points=16)
    assert 0 < answer.best_rate < answer.stable_rate


def test_a_range_in_which_nothing_is_stable_says_so():
    with pytest.raises(NumericalFailure, match="no learning rate from 2 to 5 ends below"):
        planning.plan(network(8), low=2.0, high=5.0, points=8)


def test_bad_plans_are_refused():
    with pytest.raises(Refused, match="must be positive and increasing"):
        planning.plan(network(), low=0.3, high=0.1)
    with pytest.raises(Refused, match="points must be at least 8"):
        planning.plan(network(), points=2)
    with pytest.raises(Refused, match="has no field 'widht'"):
        plan.run(DeepLinearDMFT, widht=100)
    with pytest.raises(Refused, match="a concrete system is planned as it is"):
        plan.run(network(), width=100)
    with pytest.raises(Refused, match="no system is called"):
        plan.run("deep_linaer")


def test_command_line(capsys):
    pytest.importorskip("tyro")
    code = main(["deep_linear_dmft", "--width", "200", "--steps", "20", "--points", "16", "--json"])
    assert code == 0
    assert json.loads(capsys.readouterr().out)["best_rate"] > 0
    assert main(["deep_linear_dmft", "--points", "2"]) == 2
    assert "points must be at least 8" in capsys.readouterr().err
    assert main(["nothing_like_it"]) == 2
    assert main(["--help"]) == 0


def test_rate_of_the_system_does_not_matter():
    one, two = (planning.plan(dataclasses.replace(network(8), rate=rate), points=16) for rate in (0.01, 0.05))
    assert one.best_rate == pytest.approx(two.best_rate, rel=1e-12)
