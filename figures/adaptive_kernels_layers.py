"""Deep linear posteriors: the kernel's component along the target grows geometrically with the layer."""

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.adaptive_kernels import AdaptiveKernels, setting

WIDTH = size(64, 128)
y = setting.orthogonal(8)[1]
figure, (axis,) = panels(1, 4.8)
for colour, depth in zip(COLOURS, (1, 4, 16), strict=False):
    system = AdaptiveKernels(
        activation="linear", depth=depth, richness=4.0, data="orthogonal", samples=8, dimension=8, tests=0, width=WIDTH
    )
    layers = np.arange(depth + 1)
    along = np.einsum("i,lij,j->l", y, predict(system).curves["feature_kernel"], y)
    axis.plot(layers / depth, [1, *along], color=colour, label=f"L = {depth}")
    if depth < 16:
        runs = np.einsum("i,rlij,j->rl", y, simulate(system, size(8, 32), tile=8)["feature_kernel"], y)
        points(axis, layers[1:] / depth, runs, colour)
axis.axhline(1, color="k", ls=":", lw=0.8, label="lazy")
title = f"points: networks of width {WIDTH}"
axis.set(yscale="log", xlabel="layer / L", ylabel=r"$y^\top\Phi^l y$", title=title)
axis.legend()
save(figure, __file__)
