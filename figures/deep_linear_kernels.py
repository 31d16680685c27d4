"""Feature kernel, gradient kernel and tangent kernel through training. Lines: theory; points: trained networks."""

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, theory, training

system = network(200, 1, 2, depth=3, noise=0.1**0.5, steps=60)
curves, (mean, error) = theory(system), training(system, runs=48)
time = np.arange(system.steps)

figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
for axis, name, title in zip(
    axes[:2],
    ("feature_kernel", "gradient_kernel"),
    (r"feature kernel $C_h^l$", r"gradient kernel $C_g^l$"),
    strict=True,
):
    for i in range(system.depth):
        axis.plot(time, curves[name][i], color=shade(i, system.depth), label=f"layer {i + 1}")
        points(axis, time, mean[name][i], error[name][i], shade(i, system.depth), every=5)
    axis.set(xlabel=LABELS["step"], title=title)
axes[0].set_yscale("log")
axes[0].legend(fontsize=8)
axes[2].plot(time, curves["ntk"], color=shade(0, 2))
points(axes[2], time, mean["ntk"], error["ntk"], shade(0, 2), every=5)
axes[2].set(xlabel=LABELS["step"], title="tangent kernel trace")
save(figure, "deep_linear_kernels", __doc__)
