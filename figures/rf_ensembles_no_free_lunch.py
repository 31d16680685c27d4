"""No free lunch: at the best ridge the risk grows with the number of models that share a budget."""

import numpy as np
from rf_ensembles_common import COLOURS, SPLITS, best, finish, panels, power_law, save

figure, axes = panels(1)
modes, members = power_law(), np.array(SPLITS)
settings = [(256, 0.3), (2000, 0.0), (50, 1.0), (50, 0.3)]
for colour, (samples, noise) in zip(COLOURS, settings, strict=False):
    risk = best(modes, samples, 256 / members, members, noise).risk
    axes[0, 0].plot(members, risk, "o-", ms=3, color=colour, label=f"P = {samples}, noise {noise}")
finish(axes[0, 0], "members K, 256 / K features each", "excess risk at the best ridge")
save(figure, "no_free_lunch")
