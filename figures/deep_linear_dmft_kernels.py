"""Feature kernel, gradient kernel and tangent kernel through training. Lines: theory; points: trained networks."""

from common import panels, save, shade, size
from deep_linear_dmft_common import STEP, dots, network, theory, training

system = network(size(200, 400), 1, 2, depth=3, noise=0.1**0.5, steps=60)
curves, runs = theory(system), training(system, runs=size(48, 96))

figure, axes = panels(3, 4.0)
kernels = {"feature_kernel": r"feature kernel $C_h^l$", "gradient_kernel": r"gradient kernel $C_g^l$"}
for axis, (name, title) in zip(axes[:2], kernels.items(), strict=True):
    for i in range(system.depth):
        axis.plot(curves[name][i], color=shade(i, system.depth), label=f"layer {i + 1}")
        dots(axis, runs[name][:, i], shade(i, system.depth), every=5)
    axis.set(xlabel=STEP, title=title)
axes[0].set_yscale("log")
axes[0].legend(title="line: theory, points: networks")
axes[2].plot(curves["ntk"], color=shade(0, 2))
dots(axes[2], runs["ntk"], shade(0, 2), every=5)
axes[2].set(xlabel=STEP, title="tangent kernel trace")
save(figure, __file__)
