"""Threes against eights: test loss against the richness of adaptive kernel, real Bayesian network and lazy kernel."""

import numpy as np
from common import COLOURS, bars, panels, points, predict, save, simulate, size

from theorylab.systems.adaptive_kernels import AdaptiveKernels
from theorylab.systems.adaptive_kernels.presets import DIGITS

CLAIM = "adaptive_kernels/lower-loss"
RICHNESS = size((0.1, 0.3, 1.0, 2.0), (0.1, 0.2, 0.3, 0.5, 1.0, 2.0))
figure, axes = panels(2)
loss, alignments = [], []
for richness in RICHNESS:
    chain = size({"width": 64, "warmup": 100, "moves": 100}, {"width": 128, "warmup": 300, "moves": 300})
    system = AdaptiveKernels(activation="erf", beta=20.0, richness=richness, **chain, **DIGITS)
    prediction = predict(system, particles=size(200, 800))
    loss.append((prediction.curves["loss"], prediction.error["loss"]))
    alignments.append(float(prediction.curves["alignment"][0]))
    if richness in (0.3, 1.0):
        label = f"networks, N = {system.width}" if richness == 1.0 else None
        points(axes[0], richness, simulate(system, size(4, 16), tile=4)["loss"], COLOURS[1], label=label)
bars(axes[0], RICHNESS, *np.array(loss).T, COLOURS[0], fmt="-", label="adaptive kernel (aNBK)")
axes[0].axhline(float(prediction.facts["lazy_loss"]), color="k", ls=":", label="lazy kernel (NNGP)")
axes[0].set(xscale="log", xlabel=r"richness $\gamma_0$", ylabel="test loss, mean square", ylim=(0.1, 0.18))
axes[0].legend()
axes[1].semilogx(RICHNESS, alignments, "o-", ms=3, color=COLOURS[0])
axes[1].set(xlabel=r"richness $\gamma_0$", ylabel="kernel-target alignment, theory")
save(figure, __file__)
