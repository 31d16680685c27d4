"""Risk against the ridge at a fixed budget: the best ridge favours one model, a wrong one need not."""

import numpy as np
from common import COLOURS, logarithmic, panels, points, save, simulate, size
from rf_ensembles_common import SPLITS, best, power_law, risks

from theorylab.systems.rf_ensembles import RFEnsembles

CLAIM = "rf_ensembles/no-free-lunch"
RUNS = size(64, 512)
figure, axes = panels(2, 4.6)
modes, ridges = power_law(), np.geomspace(1e-6, 1, 80)
for colour, members in zip(COLOURS, SPLITS, strict=True):
    curve = risks(modes, ridges, 256, 256 / members, members, 0.3).risk
    axes[0].plot(ridges, curve, color=colour, label=f"K = {members}")
    found = best(modes, 256, 256 / members, members, 0.3)
    axes[0].plot(np.maximum(found.ridge, ridges[0]), found.risk, "*", ms=9, color=colour)
axes[0].set_ylim(0.03, 2)
logarithmic(axes[0], "ridge", "excess risk", "256 features, 256 samples; stars: best ridge")

system = RFEnsembles(axis="members", samples=96, width=12, members=8, ridge_low=1e-4, ridges=9)
small, grid = power_law(400), np.geomspace(1e-4, 1, 80)
runs = simulate(system, RUNS)["risk"]
for i, (colour, members) in enumerate(zip(COLOURS, system.splits(), strict=False)):
    axes[1].plot(grid, risks(small, grid, 96, 96 / members, members, 0.3).risk, color=colour, label=f"K = {members}")
    points(axes[1], np.asarray(system.coordinates()["ridge"]), runs[:, i], colour)
logarithmic(axes[1], "ridge", "excess risk", f"96 features, 96 samples; points: {RUNS} runs")
save(figure, __file__)
