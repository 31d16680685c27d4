"""Deep linear posteriors: the kernel's component along the target grows geometrically with the layer."""

import numpy as np
from adaptive_common import COLOURS, panels, points, predict, save, simulate

from theorylab.systems.adaptive_kernels import AdaptiveKernels, setting

y = setting.orthogonal(8)[1]
figure, (axis,) = panels(1, 4.6)


def along(curves):
    return np.einsum("i,lij,j->l", y, curves["feature_kernel"], y)


for colour, depth in zip(COLOURS, (1, 4, 16), strict=False):
    system = AdaptiveKernels(
        activation="linear", depth=depth, richness=4.0, data="orthogonal", samples=8, dimension=8, tests=0, width=128
    )
    layers = np.arange(depth + 1)
    axis.plot(layers / depth, [1, *along(predict(system).curves)], color=colour, label=f"L = {depth}")
    if depth < 16:
        points(axis, layers[1:] / depth, simulate(system, 8), along, colour)
axis.axhline(1, color="k", ls=":", lw=0.8, label="lazy")
axis.set(yscale="log", xlabel="layer / L", ylabel=r"$y^\top\Phi^l y$", title="points: networks of width 128")
axis.legend(fontsize=8)
save(figure, __file__)
