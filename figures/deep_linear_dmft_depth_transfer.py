"""Branches of scale 1/sqrt(depth): curves converge like 1/depth and the best rate transfers; constant ones do not."""

import numpy as np
from common import panels, save, shade, size
from deep_linear_dmft_common import LOSS, RATE, STEP, dots, network, theory, training

from theorylab.systems.deep_linear_dmft.planning import last_losses

CLAIM = "deep_linear_dmft/depth transfer"
BLOCKS = size((1, 2, 4, 8), (1, 2, 4, 8, 16))
RATES = np.geomspace(0.0005, 0.5, size(48, 120))

figure, axes = panels(3, 4.0)
for i, blocks in enumerate(BLOCKS):
    colour = shade(i, len(BLOCKS))
    system = network(size(100, 200), 2, 2, depth=blocks + 1, residual="scaled", rate=0.03, steps=25)
    axes[0].semilogy(theory(system)["loss"], color=colour, label=f"{blocks} branch" + "es" * (blocks > 1))
    if blocks in (2, 8):
        dots(axes[0], training(system, runs=size(16, 64))["loss"], colour, every=3)
    for axis, scale in zip(axes[1:], ("scaled", "constant"), strict=True):
        losses = last_losses(network(100, 8, 4, depth=blocks + 1, residual=scale, steps=12), RATES)
        axis.loglog(RATES, np.where(losses < 10, losses, np.nan), color=colour)
axes[0].set(xlabel=STEP, ylabel=LOSS, title=r"scale $1/\sqrt{L-1}$")
for axis, title in zip(axes[1:], (r"scale $1/\sqrt{L-1}$", "scale 1"), strict=True):
    axis.set(xlabel=RATE, ylabel="test loss after 11 steps", title=title, ylim=(1e-4, 10))
axes[0].legend(title="line: theory, points: networks")
save(figure, __file__)
