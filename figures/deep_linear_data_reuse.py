"""Repeated samples overfit: the test loss has a minimum while the training loss falls. Fresh batches have a floor."""

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, theory, training

RATIOS = (0.5, 1, 2, 4)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
for i, alpha in enumerate(RATIOS):
    colour = shade(i, len(RATIOS))
    for data in ("batch", "online"):
        system = network(100, 2, alpha, noise=0.5, steps=150, data=data)
        curves = theory(system)
        mean, error = training(system, runs=32) if alpha < 4 else (None, None)
        panels = [(axes[0], "loss"), (axes[1], "train_loss")] if data == "batch" else [(axes[2], "loss")]
        for axis, name in panels:
            axis.semilogy(curves[name], color=colour, label=f"$P/D={alpha}$")
            if mean is not None:
                points(axis, np.arange(system.steps), mean[name], error[name], colour, every=15)
for axis, title in zip(
    axes, ("repeated samples: test", "repeated samples: training", "fresh batches: test"), strict=True
):
    axis.set(xlabel=LABELS["step"], title=title)
axes[0].set_ylabel("loss (target power 1)")
axes[0].legend(fontsize=8)
save(figure, "deep_linear_data_reuse", __doc__)
