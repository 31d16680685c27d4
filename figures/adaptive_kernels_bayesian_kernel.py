"""Adapted kernels of two erf layers, theory, network and lazy side by side."""

import numpy as np
from common import plt, predict, save, simulate, size

from theorylab.core.casting import in_precision
from theorylab.systems.adaptive_kernels import AdaptiveKernels, theory, theory_lazy
from theorylab.systems.adaptive_kernels.presets import FIGURES

CLAIM = "adaptive_kernels/bayesian-kernel"
system = AdaptiveKernels.from_case(FIGURES.case("two-hidden-posterior"))
with in_precision("float64"):
    lazy = np.asarray(theory_lazy.nngp("erf", theory.input_kernel(system.the_data()), 2))[:, :3, :3]
rows = {
    "adaptive theory": predict(system).curves["feature_kernel"],
    f"networks, N = {system.width}": simulate(system, size(8, 32), tile=8)["feature_kernel"].mean(0),
    "lazy (NNGP)": lazy,
}
figure, axes = plt.subplots(2, 3, figsize=(7, 4.6), layout="constrained")
for column, (name, kernels) in enumerate(rows.items()):
    for layer in range(2):
        axis = axes[layer, column]
        shown = axis.imshow(kernels[layer], cmap="RdBu_r", vmin=-0.45, vmax=0.45)
        for (i, j), value in np.ndenumerate(kernels[layer]):
            axis.text(
                j, i, f"{value:.3f}", ha="center", va="center", fontsize=7, color="w" if abs(value) > 0.3 else "k"
            )
        axis.set(xticks=[], yticks=[], title=name if layer == 0 else "", ylabel=f"layer {layer + 1}" * (column == 0))
figure.colorbar(shown, ax=axes, shrink=0.8, label="feature kernel of three points")
save(figure, __file__)
