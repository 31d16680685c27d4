"""At the end of training every layer's kernel makes the same predictions, by regression with the ridge lambda."""

import numpy as np
from common import COLOURS, panels, save, simulate, size

from theorylab.core.casting import in_precision
from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory, theory_lazy

CLAIM = "adaptive_kernels/tangent-kernel"
system = AdaptiveKernels(
    problem="training", activation="relu", depth=2, richness=1.5, ridge=0.2, width=size(300, 1000), data="waves",
    samples=6, dimension=4, tests=0, rate=0.02, steps=size(3000, 5000), records=1,
)  # fmt: skip
data = system.the_data()
found = {name: curve[0] for name, curve in simulate(system, 1).items()}
features, gradients = (found[f"{name}_kernel"][..., -1] for name in ("feature", "gradient"))
with in_precision("float64"):
    kernel = np.asarray(theory.input_kernel(data))
layers = [gradients[0] * kernel, gradients[1] * features[0], features[1]]
f = found["train_function"][:, -1]
figure, (axis, difference) = panels(2)
for colour, matrix, name in zip(COLOURS, [*layers, sum(layers)], ("l = 0", "l = 1", "l = 2", "sum, 3 λ"), strict=False):
    ridge = 0.6 if name.startswith("sum") else 0.2
    with in_precision("float64"):
        regression = np.asarray(theory_lazy.ridge_predictor(matrix, data.targets, ridge))
    axis.plot(f, regression, "o", ms=4, color=colour, label=name, alpha=0.7)
    difference.plot(f, regression - f, "o", ms=4, color=colour, label=name)
axis.axline((0, 0), slope=1, color="k", lw=0.8)
title = f"two ReLU layers, N = {system.width}"
axis.set(xlabel="output of the trained network", ylabel="kernel regression", title=title)
axis.legend()
difference.axhline(0, color="k", lw=0.8)
difference.set(xlabel="output of the trained network", ylabel="regression - output", title="chatter on kinks is left")
save(figure, __file__)
