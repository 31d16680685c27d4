"""Preactivations of a Bayesian network leave the Gaussian: bimodal for erf, heavy-tailed for ReLU.

The heavy tails of ReLU mix slowly: chains ten times as long, at four times the width.
"""

import numpy as np
from adaptive_common import COLOURS, panels, predict, save, simulate

from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory_two_layer

figure, axes = panels(2)
for axis, activation in zip(axes, ("erf", "relu"), strict=True):
    for colour, richness in zip(COLOURS, (0.5, 2.0), strict=False):
        chain = {"width": 128, "moves": 400} if activation == "erf" else {"width": 512, "moves": 4000, "warmup": 2000}
        system = AdaptiveKernels(activation=activation, richness=richness, **chain)
        x = np.asarray(system.coordinates()["preactivation"])
        axis.plot(x, predict(system).curves["density"], color=colour, label=rf"$\gamma_0$ = {richness:g}")
        found = simulate(system, 8)
        mean, error = found.mean["density"], found.stderr["density"]
        axis.errorbar(x, mean, error, fmt="o", ms=2.5, lw=0.8, color=colour)
    axis.plot(x, theory_two_layer.gaussian_density(1.0), "k:", lw=1, label="lazy")
    axis.set(
        xlabel="preactivation of the first training point",
        ylabel="density",
        title=f"{activation}, N = {system.width}",
        yscale="log",
    )
    axis.set_ylim(1e-4, 1)
    axis.legend(fontsize=8, title="line: theory, points: chains", title_fontsize=8)
save(figure, __file__)
