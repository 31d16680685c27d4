"""Overlap, norm, bias and skip while two modes are learned: theory and SGD in many dimensions."""

from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import LADDER

CLAIM = "flow_autoencoder/few overlaps"
NAMES = {"overlap": "overlap $M$", "norm": "norm $Q$", "bias": "bias θ"}
dimension = size(300, 1000)
system = FlowAutoencoder(**{**LADDER, "records": 10}, dimension=dimension, samples=200)
theory, runs = predict(system).curves, simulate(system, size(16, 64))
figure, axes = panels(2, 3.8)
at = system.coordinates()
for colour, (name, label) in zip(COLOURS, NAMES.items(), strict=False):
    axes[0].plot(at["time"], theory[name][0], color=colour, label=label)
    points(axes[0], at["time"], runs[name][:, 0], colour)
axes[0].set(xlabel="training time τ (samples / dimension)", ylabel="order parameter")
axes[0].legend(title=f"line: theory, points: d = {dimension}")
for colour, (name, label) in zip(COLOURS, {"skip": "skip $b_t$", "gain": "gain over the skip"}.items(), strict=False):
    axes[1].plot(at["grid"], theory[name], color=colour, label=label)
    points(axes[1], at["grid"], runs[name], colour)
axes[1].set(xlabel="time $t$ of the interpolant")
axes[1].legend(loc="lower right", handlelength=1.2)
save(figure, __file__)
