"""Double descent in the width without a ridge: one model diverges at N = P, infinitely many do not."""

import numpy as np
from common import COLOURS, logarithmic, panels, points, save, simulate, size
from rf_ensembles_common import power_law, risks

from theorylab.systems.rf_ensembles import RFEnsembles

RUNS = size(16, 256)
figure, (axis,) = panels(1, 4.8)
modes, widths = power_law(400), np.round(np.geomspace(10, 1000, size(81, 401)))
widths = np.setdiff1d(np.concatenate([widths, np.arange(85, 116)]), [100])  # the peak is sharp; at 100 it has no height
for colour, members in zip(COLOURS, (1, 4, np.inf), strict=False):
    risk = risks(modes, 1e-9, 100, widths, members, 0.3).risk
    name = r"$\infty$" if np.isinf(members) else members
    axis.plot(widths, risk, color=colour, label=f"K = {name}")
few = np.array(size([20, 50, 200], [20, 50, 200, 400]))
for colour, members in zip(COLOURS, (1, 4), strict=False):
    systems = [RFEnsembles(samples=100, width=int(n), members=members, ridges=1, ridge_low=1e-6) for n in few]
    points(axis, few, np.concatenate([simulate(one, RUNS)["risk"] for one in systems], 1), colour)
axis.set_ylim(0.04, 20)
logarithmic(axis, "width N of a member", "excess risk", f"100 samples, ridge to 0; points: {RUNS} runs")
save(figure, __file__)
