"""Wider is better in muP at every step; in NTK parametrization it is not. Lines: theory; points: trained networks."""

import math

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, theory, training

WIDTHS = (0.25, 0.5, 1, 2, 4, 16, math.inf)
SIMULATED = (0.5, 1, 4)

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
for axis, name in zip(axes, ("mup", "ntk"), strict=True):
    for i, nu in enumerate(WIDTHS):
        if name == "ntk" and math.isinf(nu):
            continue
        system = network(100, nu, 4, parametrization=name)
        axis.semilogy(theory(system)["loss"], color=shade(i, len(WIDTHS)), label=f"$N/D={nu}$")
        if nu in SIMULATED:
            mean, error = training(system)
            points(axis, np.arange(system.steps), mean["loss"], error["loss"], shade(i, len(WIDTHS)), every=6)
    axis.set(xlabel=LABELS["step"], title={"mup": "muP", "ntk": "NTK"}[name])
axes[0].set_ylabel(LABELS["loss"])
axes[0].legend(fontsize=7)
save(figure, "deep_linear_width", __doc__)
