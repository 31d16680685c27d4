"""The best learning rate saturates with width in muP and keeps moving in NTK parametrization."""

import numpy as np
from common import panels, points, save, shade, size
from deep_linear_dmft_common import RATE, network, training

from theorylab.systems.deep_linear_dmft.planning import last_losses

CLAIM = "deep_linear_dmft/rate transfer"
WIDTHS = size((1, 2, 4, 8, 16), (1, 2, 4, 8, 16, 64))
RATES = np.geomspace(0.01, 0.8, size(48, 120))
TRAINED = {"mup": (0.02, 0.045, 0.07), "ntk": (0.03, 0.06, 0.1)}

figure, axes = panels(2, 4.5, sharey=True)
for axis, name in zip(axes, ("mup", "ntk"), strict=True):
    for i, nu in enumerate(WIDTHS):
        fields = {"richness": 4.0, "steps": 20, "parametrization": name}
        losses = last_losses(network(60, nu, 4, **fields), RATES)
        losses = np.where(losses < 10, losses, np.nan)
        axis.loglog(RATES, losses, color=shade(i, len(WIDTHS)), label=f"$N/D={nu}$")
        if nu in (1, 4):
            runs = [training(network(60, nu, 4, **fields, rate=r), size(16, 64))["loss"] for r in TRAINED[name]]
            points(axis, TRAINED[name], np.stack([run[:, -1] for run in runs], 1), shade(i, len(WIDTHS)))
    axis.set(xlabel=RATE, title={"mup": "muP", "ntk": "NTK"}[name], ylim=(1e-6, 10))
axes[0].set_ylabel("test loss after 19 steps")
axes[0].legend(title="line: theory, points: networks")
save(figure, __file__)
