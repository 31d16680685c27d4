"""Threes against eights: test loss against the richness of adaptive kernel, real Bayesian network and lazy kernel."""

import numpy as np
from adaptive_common import COLOURS, panels, predict, save, simulate

from theorylab.systems.adaptive_kernels import AdaptiveKernels
from theorylab.systems.adaptive_kernels.presets import DIGITS

RICHNESS = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
figure, axes = panels(2)
found, networks, alignments = [], [], []
for richness in RICHNESS:
    system = AdaptiveKernels(activation="erf", beta=20.0, richness=richness, width=128, warmup=150, moves=150, **DIGITS)
    prediction = predict(system, particles=400)
    found.append((prediction.curves["loss"], prediction.error["loss"]))
    alignments.append(float(prediction.curves["alignment"][0]))
    if richness in (0.3, 1.0):
        ensemble = simulate(system, 4, tile=4)
        networks.append((richness, ensemble.mean["loss"], ensemble.stderr["loss"]))
loss, error = np.array(found).T
axes[0].errorbar(RICHNESS, loss, error, color=COLOURS[0], label="adaptive kernel (aNBK)")
x, mean, spread = np.array(networks).T
axes[0].errorbar(x, mean, spread, fmt="o", ms=4, color=COLOURS[1], label="networks, N = 128")
axes[0].axhline(float(prediction.facts["lazy_loss"]), color="k", ls=":", label="lazy kernel (NNGP)")
axes[0].set(xscale="log", xlabel=r"richness $\gamma_0$", ylabel="test loss, mean square", ylim=(0.1, 0.18))
axes[0].legend(fontsize=8)
axes[1].semilogx(RICHNESS, alignments, "o-", ms=3, color=COLOURS[0])
axes[1].set(xlabel=r"richness $\gamma_0$", ylabel="kernel-target alignment")
save(figure, __file__)
