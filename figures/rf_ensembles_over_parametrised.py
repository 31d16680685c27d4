"""Wide members: only the total number of features matters."""

import numpy as np
from common import COLOURS, logarithmic, panels, save, size
from rf_ensembles_common import best, power_law

CLAIM = "rf_ensembles/over-parametrised"
figure, (axis,) = panels(1, 4.8)
modes, total = power_law(size(3000, 100_000)), np.geomspace(50, 6400, size(40, 120))
for colour, members in zip(COLOURS, (1, 2, 4, 8), strict=False):
    axis.plot(total, best(modes, 50, total / members, members, 0.3).risk, color=colour, label=f"K = {members}")
axis.axhline(best(modes, 50, np.inf, 1, 0.3).risk[0], color="0.5", lw=1, ls="--", label="kernel regression")
logarithmic(axis, "features M = K N in all", "excess risk at the best ridge", "50 samples, theory")
save(figure, __file__)
