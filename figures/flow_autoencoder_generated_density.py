"""The generated density along the target's direction at 4, 16 and 40 samples a dimension.

In the title the Kolmogorov-Smirnov distance, at the bins' edges, between the runs together and the theory.
"""

import numpy as np
from common import COLOURS, panels, save, simulate, size
from flow_autoencoder_common import generated, target_density

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import BIMODAL

CLAIM = "flow_autoencoder/generated density"
dimension, times = size(200, 800), (4.0, 16.0, 40.0)
figure, axes = panels(3, 2.6, sharey=True)
system = FlowAutoencoder(**{**BIMODAL, "duration": 40.0, "records": 10, "bins": 80})
theory, x = generated(system)["density"][0], system.coordinates()["position"]
for axis, tau in zip(axes, times, strict=True):
    predicted = theory[:, int(tau / 4)]
    fields = {**BIMODAL, "duration": tau, "records": 1, "dimension": dimension, "samples": 2000, "bins": 80}
    runs = simulate(FlowAutoencoder(**fields), size(8, 24), tile=8)["density"][:, 0].mean(0)
    distance = np.abs(np.cumsum(runs - predicted)).max() * (x[1] - x[0])
    axis.plot(x, target_density(system, x), color="0.6", linestyle="--", label="target")
    axis.plot(x, predicted, color=COLOURS[0], label="theory")
    axis.plot(x, runs, "o", color=COLOURS[1], markersize=3, label=f"d = {dimension}")
    axis.set(xlabel="v · X", title=f"τ = {tau:g}, KS {distance:.3f}", xlim=(-7, 7))
axes[0].set_ylabel("density")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
save(figure, __file__)
