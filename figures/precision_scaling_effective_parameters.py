"""Effective parameters against bits, and sizes that make up for fewer bits."""

import numpy as np
from common import COLOURS, panels, save, size
from precision_scaling_laws_common import PUBLISHED, laws

from theorylab.systems.precision_scaling import theory_optima as optima

CLAIM = "precision_scaling/effective"
P = np.linspace(1, 16, size(300, 1000))
figure, axes = panels(2, 4.2)
for colour, part in zip(COLOURS, laws.PARTS, strict=False):
    axes[0].plot(P, optima.share(P, PUBLISHED, (part,)), color=colour, label=part)
axes[0].plot(P, optima.share(P, PUBLISHED), "k", label="all three: the product")
axes[0].set(xlabel="bits P", ylabel="$N_{eff}/N$", ylim=(0, 1.02))
axes[0].legend()
for colour, parameters in zip(COLOURS, (3e7, 1e8, 3e8, 1e9), strict=False):
    contour = optima.equal_loss_size(P[P > 2], parameters, PUBLISHED)
    axes[1].plot(P[P > 2], contour, color=colour, label=f"N = {parameters:.0e} at 16 bits")
    axes[1].plot(16, parameters, "o", color=colour)
axes[1].set(yscale="log", ylim=(2e7, 6e10), xlabel="bits P of all parts", ylabel="parameters N of equal loss")
axes[1].legend()
save(figure, __file__)
