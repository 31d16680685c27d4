"""What the risk is made of: squared bias, variance over data, variance over features."""

import numpy as np
from rf_ensembles_common import COLOURS, finish, panels, points, power_law, risks, runs_of, save

from theorylab.systems.rf_ensembles import RFEnsembles

figure, axes = panels(2)
ridges = np.geomspace(1e-4, 1, 80)
for panel, (samples, width, members) in zip(axes[0], ((200, 60, 5), (60, 300, 4)), strict=True):
    found = risks(power_law(400), ridges, samples, width, members, 0.3)
    system = RFEnsembles(samples=samples, width=width, members=members, ridges=9)
    runs = runs_of(system, 64)
    for colour, name in zip(COLOURS, ("risk", "bias", "data_variance", "feature_variance"), strict=False):
        panel.plot(ridges, getattr(found, name), color=colour, label=name.replace("_", " "))
        points(panel, np.asarray(system.coordinates()["ridge"]), runs[name], colour)
    panel.set_ylim(1e-3, 1)
    finish(panel, "ridge", "", f"P = {samples}, N = {width}, K = {members}; points: 64 runs")
save(figure, "parts")
