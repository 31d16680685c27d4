"""A two-layer erf posterior deviates from its infinite-width limit like 1 / N."""

import numpy as np
from adaptive_common import COLOURS, panels, predict, save, simulate

from theorylab.systems.adaptive_kernels import AdaptiveKernels

WIDTHS = np.array([8, 16, 32, 64])
figure, (axis,) = panels(1, 4.6)
prediction = predict(AdaptiveKernels())
for colour, name in zip(COLOURS, ("train_function", "feature_kernel"), strict=False):
    expected, sizes, errors = prediction.curves[name], [], []
    for width in WIDTHS:
        found = simulate(AdaptiveKernels(width=int(width), moves=1000), 64)
        norm = np.linalg.norm(expected)
        sizes.append(np.linalg.norm(found.mean[name] - expected) / norm)
        errors.append(np.linalg.norm(found.stderr[name]) / norm)
    slope = np.polyfit(np.log(WIDTHS), np.log(sizes), 1)[0]
    label = f"{name.replace('_', ' ')}: slope {slope:.2f}"
    axis.errorbar(WIDTHS, sizes, errors, fmt="o-", ms=3, color=colour, label=label)
axis.plot(WIDTHS, sizes[0] * WIDTHS[0] / WIDTHS, "k:", lw=1, label="1 / N")
axis.set(xscale="log", yscale="log", xlabel="width N", ylabel="relative deviation from the theory")
axis.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
axis.minorticks_off()
axis.legend(fontsize=8)
save(figure, __file__)
