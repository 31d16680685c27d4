"""What the risk is made of: squared bias, variance over data, variance over features."""

import numpy as np
from common import COLOURS, logarithmic, panels, points, save, simulate, size
from rf_ensembles_common import power_law, risks

from theorylab.systems.rf_ensembles import RFEnsembles

CLAIM = "rf_ensembles/risk"
RUNS = size(64, 512)
PARTS = {
    "risk": "risk",
    "bias": "squared bias",
    "data_variance": "variance over data",
    "feature_variance": "variance over features, of one member",
}
figure, axes = panels(2, 4.6)
ridges = np.geomspace(1e-4, 1, 80)
for axis, (samples, width, members) in zip(axes, ((200, 60, 5), (60, 300, 4)), strict=True):
    found = risks(power_law(400), ridges, samples, width, members, 0.3)
    system = RFEnsembles(samples=samples, width=width, members=members, ridges=9)
    runs = simulate(system, RUNS)
    for colour, (name, label) in zip(COLOURS, PARTS.items(), strict=False):
        axis.plot(ridges, getattr(found, name), color=colour, label=label)
        points(axis, np.asarray(system.coordinates()["ridge"]), runs[name], colour)
    axis.set_ylim(1e-3, 1)
    logarithmic(axis, "ridge", "part of the risk", f"P = {samples}, N = {width}, K = {members}; points: {RUNS} runs")
save(figure, __file__)
