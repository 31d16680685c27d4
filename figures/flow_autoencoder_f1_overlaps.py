"""F1: overlap, norm, bias and skip while two modes are learned: theory and SGD in 500 dimensions."""

import matplotlib.pyplot as plt
from flow_autoencoder_common import COLOURS, points, predict, save, simulate

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import LADDER

system = FlowAutoencoder(**{**LADDER, "records": 10}, dimension=500, samples=200)
theory, runs = predict(system).curves, simulate(system, 16)
figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.2), layout="constrained")
at = system.coordinates()
for colour, name, label in zip(
    COLOURS, ("overlap", "norm", "bias"), ("overlap $M$", "norm $Q$", "bias θ"), strict=False
):
    axes[0].plot(at["time"], theory[name][0], color=colour, label=label)
    points(axes[0], at["time"], runs[name][:, 0], colour)
axes[0].set(xlabel="training time τ (samples / dimension)")
axes[0].legend(title="line: theory, points: d = 500")
axes[1].plot(at["grid"], theory["skip"], color=COLOURS[0], label="skip $b_t$")
points(axes[1], at["grid"], runs["skip"], COLOURS[0])
axes[1].plot(at["grid"], theory["gain"], color=COLOURS[1], label="gain over the skip")
points(axes[1], at["grid"], runs["gain"], COLOURS[1])
axes[1].set(xlabel="time $t$ of the interpolant")
axes[1].legend(loc="lower right", fontsize=8, handlelength=1.2)
save(figure, __file__)
