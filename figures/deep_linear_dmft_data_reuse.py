"""Repeated samples overfit: the test loss has a minimum while the training loss falls. Fresh batches have a floor."""

from common import panels, save, shade, size
from deep_linear_dmft_common import STEP, dots, network, theory, training

CLAIM = "deep_linear_dmft/data reuse"
RATIOS = (0.5, 1, 2, 4)

figure, axes = panels(3, 4.0)
for i, alpha in enumerate(RATIOS):
    colour = shade(i, len(RATIOS))
    for data in ("batch", "online"):
        system = network(size(100, 200), 2, alpha, noise=0.5, steps=size(80, 150), data=data)
        curves = theory(system)
        runs = training(system, runs=size(16, 64)) if alpha < 4 else None
        pairs = [(axes[0], "loss"), (axes[1], "train_loss")] if data == "batch" else [(axes[2], "loss")]
        for axis, name in pairs:
            axis.semilogy(curves[name], color=colour, label=f"$P/D={alpha}$")
            if runs is not None:
                dots(axis, runs[name], colour, every=10)
titles = ("repeated samples: test", "repeated samples: training", "fresh batches: test")
for axis, title in zip(axes, titles, strict=True):
    axis.set(xlabel=STEP, title=title)
axes[0].set_ylabel("loss (target power 1)")
axes[2].legend(title="line: theory, points: networks")
save(figure, __file__)
