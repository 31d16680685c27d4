"""Double descent in the width without a ridge: one model diverges at N = P, infinitely many do not."""

import numpy as np
from rf_ensembles_common import COLOURS, finish, panels, points, power_law, risks, runs_of, save

from theorylab.systems.rf_ensembles import RFEnsembles

figure, axes = panels(1)
modes, widths = power_law(400), np.unique(np.round(np.geomspace(10, 1000, 121)))
widths = widths[widths != 100]
for colour, members in zip(COLOURS, (1, 4, np.inf), strict=False):
    risk = risks(modes, 1e-9, 100, widths, members, 0.3).risk
    axes[0, 0].plot(widths, risk, color=colour, label=f"K = {members}")
few = np.array([20, 50, 200, 400])
for place, members in enumerate((1, 4)):
    found = [
        runs_of(RFEnsembles(samples=100, width=int(n), members=members, ridges=1, ridge_low=1e-6), 32)["risk"]
        for n in few
    ]
    points(axes[0, 0], few, np.concatenate(found, 1), COLOURS[place])
axes[0, 0].set_ylim(0.04, 20)
finish(axes[0, 0], "width N of a member", "excess risk", "100 samples, ridge to 0; points: 32 runs")
save(figure, "double_descent")
