"""F8: a network for each time: the overlap's profile, and the density that they generate together."""

import matplotlib.pyplot as plt
from flow_autoencoder_common import points, predict, save, simulate, target_density

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import SEPARATE

figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.4), layout="constrained")
for colour, gains, rate in (("#0072B2", "precond", 0.4), ("#D55E00", "plain", 0.2)):
    system = FlowAutoencoder(**{**SEPARATE, "dimension": 300}, sharing="nothing", gains=gains, rate=rate)
    theory, runs, at = predict(system).curves, simulate(system, 6), system.coordinates()
    axes[0].plot(at["network"], theory["overlap"][0], color=colour, label=gains)
    points(axes[0], at["network"], runs["overlap"][:, 0], colour)
    axes[1].plot(at["position"], theory["density"][0], color=colour)
    axes[1].plot(at["position"], runs["density"][:, 0].mean(0), "o", color=colour, markersize=3)
axes[1].plot(at["position"], target_density(system, at["position"]), "--", color="0.6", label="target")
axes[0].set(xlabel="time t of the network", ylabel="overlap $M^t$ at τ = 8")
axes[1].set(xlabel="v · X", ylabel="generated density", xlim=(-9, 9))
handles = axes[0].get_legend_handles_labels()[0] + axes[1].get_legend_handles_labels()[0]
labels = ["precond gains", "plain gains", "target"]
figure.legend(handles, labels, loc="outside lower center", ncols=3, title="line: theory, points: d = 300")
save(figure, __file__)
