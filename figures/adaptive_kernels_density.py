"""Preactivations of a Bayesian network leave the Gaussian: bimodal for erf, heavy-tailed for ReLU.

The heavy tails of ReLU mix slowly: chains ten times as long, at four times the width.
"""

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory_two_layer

CHAINS = {
    "erf": {"width": 128, "moves": 400},
    "relu": size({"width": 256, "moves": 2000, "warmup": 1000}, {"width": 512, "moves": 4000, "warmup": 2000}),
}
figure, axes = panels(2)
for axis, (activation, chain) in zip(axes, CHAINS.items(), strict=True):
    for colour, richness in zip(COLOURS, (0.5, 2.0), strict=False):
        system = AdaptiveKernels(activation=activation, richness=richness, **chain)
        x = np.asarray(system.coordinates()["preactivation"])
        axis.plot(x, predict(system).curves["density"], color=colour, label=rf"$\gamma_0$ = {richness:g}")
        points(axis, x, simulate(system, size(8, 64), tile=8)["density"], colour, markersize=2.5)
    axis.plot(x, theory_two_layer.gaussian_density(1.0), "k:", lw=1, label="lazy")
    axis.set(
        xlabel="preactivation of the first training point",
        ylabel="density",
        title=f"{activation}, N = {system.width}",
        yscale="log",
    )
    axis.set_ylim(1e-4, 1)
    axis.legend(title="line: theory, points: chains")
save(figure, __file__)
