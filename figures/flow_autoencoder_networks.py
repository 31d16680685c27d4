"""A network for each time: the overlap's profile, and the density that they generate together."""

from common import COLOURS, panels, points, predict, save, simulate, size
from flow_autoencoder_common import target_density

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import SEPARATE

dimension = size(200, 800)
figure, axes = panels(2, 3.6)
for colour, gains, rate in zip(COLOURS, ("precond", "plain"), (0.4, 0.2), strict=False):
    system = FlowAutoencoder(**{**SEPARATE, "dimension": dimension}, sharing="nothing", gains=gains, rate=rate)
    theory, runs, at = predict(system).curves, simulate(system, size(6, 24), tile=6), system.coordinates()
    axes[0].plot(at["network"], theory["overlap"][0], color=colour, label=f"{gains} gains")
    points(axes[0], at["network"], runs["overlap"][:, 0], colour)
    axes[1].plot(at["position"], theory["density"][0], color=colour)
    axes[1].plot(at["position"], runs["density"][:, 0].mean(0), "o", color=colour, markersize=3)
axes[1].plot(at["position"], target_density(system, at["position"]), "--", color="0.6", label="target")
axes[0].set(xlabel="time t of the network", ylabel="overlap $M^t$ at τ = 8")
axes[1].set(xlabel="v · X", ylabel="generated density", xlim=(-9, 9))
title = f"line: theory, points: d = {dimension}"
figure.legend(loc="outside lower center", ncols=3, title=title)
save(figure, __file__)
