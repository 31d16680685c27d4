"""The best learning rate saturates with width in muP and keeps moving in NTK parametrization."""

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, training

from theorylab.systems.deep_linear_dmft.planning import last_losses

WIDTHS = (1, 2, 4, 8, 16, 64)
RATES = np.geomspace(0.01, 0.8, 60)
TRAINED = {"mup": (0.02, 0.045, 0.07), "ntk": (0.03, 0.06, 0.1)}

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for axis, name in zip(axes, ("mup", "ntk"), strict=True):
    for i, nu in enumerate(WIDTHS):
        system = network(60, nu, 4, richness=4.0, steps=20, parametrization=name)
        losses = np.where(last_losses(system, RATES) < 10, last_losses(system, RATES), np.nan)
        axis.loglog(RATES, losses, color=shade(i, len(WIDTHS)), label=f"$N/D={nu}$")
        if nu in (1, 8):
            runs = [
                training(network(60, nu, 4, richness=4.0, steps=20, parametrization=name, rate=r))
                for r in TRAINED[name]
            ]
            mean, error = (np.array([run[k]["loss"][-1] for run in runs]) for k in (0, 1))
            points(axis, np.array(TRAINED[name]), mean, error, shade(i, len(WIDTHS)))
    axis.set(xlabel=LABELS["rate"], title={"mup": "muP", "ntk": "NTK"}[name], ylim=(1e-6, 10))
axes[0].set_ylabel("test loss after 19 steps")
axes[0].legend(fontsize=7)
save(figure, "deep_linear_transfer", __doc__)
