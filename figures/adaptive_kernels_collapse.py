"""The end of training with weight decay: norm and output against the ridge, and where everything collapses to zero."""

import dataclasses

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.adaptive_kernels import AdaptiveKernels, maps
from theorylab.systems.adaptive_kernels.presets import RING, WAVES

SHOWN = (0, 2, 4)
figure, axes = panels(3)
relu = AdaptiveKernels(problem="converged", activation="relu", width=500, rate=0.02, steps=4000, **RING)
ridges = np.linspace(0.1, 2.9, size(29, 57))
found = [predict(dataclasses.replace(relu, ridge=r)) for r in ridges]
outputs = np.array([one.curves["train_function"] for one in found])
lazy = np.array([one.facts["lazy_train_function"] for one in found])
for i, colour in zip(SHOWN, COLOURS, strict=False):
    axes[0].plot(ridges, outputs[:, i], color=colour, label=f"point {i}")
    axes[0].plot(ridges, lazy[:, i], ":", color=colour, lw=1)
for r in size((0.3, 1.2, 2.4), (0.3, 0.8, 1.5, 2.2, 2.8)):
    runs = simulate(dataclasses.replace(relu, ridge=r), size(2, 16), tile=2)["train_function"]
    for i, colour in zip(SHOWN, COLOURS, strict=False):
        points(axes[0], r, runs[:, i], colour)
axes[0].axvline(float(maps.collapse(relu, np.ones(1))[0]), color="k", lw=0.8, ls="--")
axes[0].set(
    xlabel=r"ridge $\lambda$ ($\gamma_0$ = 1)", ylabel="output", title="one ReLU layer\ndotted: lazy; points: N = 500"
)
axes[0].legend()
for colour, depth in zip(COLOURS, (1, 2, 3), strict=False):
    system = AdaptiveKernels(problem="converged", activation="linear", depth=depth, **WAVES)
    threshold = float(maps.collapse(system, np.ones(1))[0])
    at = threshold * np.linspace(0.02, 0.9999, 40)
    norms = [float(predict(dataclasses.replace(system, ridge=r)).facts["norm"]) for r in at]
    axes[1].plot(at, norms, color=colour, label=f"L = {depth}")
    axes[1].plot([threshold, threshold], [norms[-1], 0], ":", color=colour)
    gammas = np.geomspace(0.1, 10, 40)
    axes[2].loglog(gammas, maps.collapse(system, gammas), color=colour, label=f"linear, L = {depth}")
axes[2].loglog(gammas, maps.collapse(relu, gammas), "k--", label="relu ring, L = 1")
axes[1].set(xlabel=r"ridge $\lambda$ ($\gamma_0$ = 1)", ylabel="|w|", title="linear: continuous, then first order")
axes[2].set(xlabel=r"richness $\gamma_0$", ylabel=r"largest ridge without collapse $\lambda_c$")
for axis in axes[1:]:
    axis.legend()
save(figure, __file__)
