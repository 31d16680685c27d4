"""F5: model collapse over generations: fresh, warm, and with half of the data real."""

import matplotlib.pyplot as plt
from flow_autoencoder_common import COLOURS, points, predict, save, simulate

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import COLLAPSE

SHOWN = (
    ("fresh, no bias", {}),
    ("fresh, biases", {"hidden_bias": True}),
    ("warm, biases", {"hidden_bias": True, "inherit": True}),
    ("fresh, biases, half real", {"hidden_bias": True, "real": 0.5}),
)
figure, axes = plt.subplots(1, 3, figsize=(8.0, 3.3), layout="constrained")
for colour, (label, changes) in zip(COLOURS, SHOWN, strict=False):
    system = FlowAutoencoder(**{**COLLAPSE, "dimension": 250, "samples": 1000, **changes})
    theory, runs = predict(system).curves, simulate(system, 8)
    at = system.coordinates()["generation"]
    for axis, name in zip(axes, ("separation", "spread", "occupancy"), strict=True):
        axis.plot(at, theory[name][0], color=colour, label=label)
        points(axis, at, runs[name][:, 0], colour)
for axis, label in zip(axes, ("separation E|v · X|", "standard deviation", "P(v · X > 0)"), strict=True):
    axis.set(xlabel="generation", ylabel=label, xticks=at)
axes[0].set(ylim=(0, None))
axes[1].set(ylim=(0, None))
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, title="line: theory, points: d = 250"
)
save(figure, __file__)
