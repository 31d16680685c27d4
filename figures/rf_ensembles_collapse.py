"""Wide members: only the total number of features matters."""

import numpy as np
from rf_ensembles_common import COLOURS, best, finish, panels, power_law, save

figure, axes = panels(1)
modes, total = power_law(), np.geomspace(50, 6400, 40)
for colour, members in zip(COLOURS, (1, 2, 4, 8), strict=False):
    axes[0, 0].plot(total, best(modes, 50, total / members, members, 0.3).risk, color=colour, label=f"K = {members}")
axes[0, 0].axhline(best(modes, 50, np.inf, 1, 0.3).risk[0], color="0.5", lw=1, ls="--", label="kernel regression")
finish(axes[0, 0], "features M = K N in all", "excess risk at the best ridge", "50 samples")
save(figure, "collapse")
