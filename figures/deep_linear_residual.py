"""Branches of scale 1/sqrt(depth): curves converge like 1/depth and the best rate transfers; constant ones do not."""

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, theory, training

from theorylab.systems.deep_linear_dmft.planning import last_losses

BLOCKS = (1, 2, 4, 8)
RATES = np.geomspace(0.002, 0.5, 40)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
for i, blocks in enumerate(BLOCKS):
    colour = shade(i, len(BLOCKS))
    system = network(100, 2, 2, depth=blocks + 1, residual="scaled", rate=0.03, steps=25)
    axes[0].semilogy(theory(system)["loss"], color=colour, label=f"{blocks} branches")
    if blocks in (2, 8):
        mean, error = training(system, runs=32)
        points(axes[0], np.arange(system.steps), mean["loss"], error["loss"], colour, every=3)
    for axis, scale in zip(axes[1:], ("scaled", "constant"), strict=True):
        losses = last_losses(network(100, 8, 4, depth=blocks + 1, residual=scale, steps=12), RATES)
        axis.loglog(RATES, np.where(losses < 10, losses, np.nan), color=colour)
axes[0].set(xlabel=LABELS["step"], ylabel=LABELS["loss"], title=r"scale $1/\sqrt{L-1}$")
for axis, title in zip(axes[1:], (r"scale $1/\sqrt{L-1}$", "scale 1"), strict=True):
    axis.set(xlabel=LABELS["rate"], ylabel="test loss after 11 steps", title=title, ylim=(1e-4, 10))
axes[0].legend(fontsize=8)
save(figure, "deep_linear_residual", __doc__)
