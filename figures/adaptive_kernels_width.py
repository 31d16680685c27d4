"""A two-layer erf posterior deviates from its infinite-width limit like 1 / N."""

import numpy as np
from common import COLOURS, bars, panels, predict, save, simulate, size, ticks

from theorylab.systems.adaptive_kernels import AdaptiveKernels

CLAIM = "adaptive_kernels/bayesian-kernel"
WIDTHS = np.array([8, 16, 32, 64])
figure, (axis,) = panels(1, 4.6)
prediction = predict(AdaptiveKernels())
runs = [simulate(AdaptiveKernels(width=int(w), moves=size(500, 2000)), size(64, 256), tile=64) for w in WIDTHS]
for colour, name in zip(COLOURS, ("train_function", "feature_kernel"), strict=False):
    expected, norm = prediction.curves[name], np.linalg.norm(prediction.curves[name])
    sizes = [np.linalg.norm(found[name].mean(0) - expected) / norm for found in runs]
    errors = [np.linalg.norm(found[name].std(0, ddof=1)) / len(found[name]) ** 0.5 / norm for found in runs]
    slope = np.polyfit(np.log(WIDTHS), np.log(sizes), 1)[0]
    label = f"{name.replace('_', ' ')}: slope {slope:.2f}"
    bars(axis, WIDTHS, sizes, errors, colour, fmt="o-", label=label)
axis.plot(WIDTHS, sizes[0] * WIDTHS[0] / WIDTHS, "k:", lw=1, label="1 / N")
axis.set(xscale="log", yscale="log", xlabel="width N", ylabel="relative deviation from the theory")
ticks(axis, WIDTHS)
axis.legend()
save(figure, __file__)
