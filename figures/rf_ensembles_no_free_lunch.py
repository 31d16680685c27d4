"""No free lunch: at the best ridge the risk grows with the number of models that share a budget."""

import numpy as np
from common import COLOURS, logarithmic, panels, save, size, ticks
from rf_ensembles_common import SPLITS, best, power_law

CLAIM = "rf_ensembles/no-free-lunch"
figure, (axis,) = panels(1, 4.8)
modes, members = power_law(size(3000, 100_000)), np.array(SPLITS)
settings = [(256, 0.3), (2000, 0.0), (50, 1.0), (50, 0.3)]
for colour, (samples, noise) in zip(COLOURS, settings, strict=False):
    risk = best(modes, samples, 256 / members, members, noise).risk
    axis.plot(members, risk, "o-", ms=3, color=colour, label=f"P = {samples}, noise {noise}")
logarithmic(axis, "members K, 256 / K features each", "excess risk at the best ridge, theory")
ticks(axis, SPLITS)
save(figure, __file__)
