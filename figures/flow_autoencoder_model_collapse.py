"""Model collapse over generations: fresh, warm, and with half of the data real."""

from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import COLLAPSE

CLAIM = "flow_autoencoder/model collapse"
SHOWN = {
    "fresh, no bias": {},
    "fresh, biases": {"hidden_bias": True},
    "warm, biases": {"hidden_bias": True, "inherit": True},
    "fresh, biases, half real": {"hidden_bias": True, "real": 0.5},
}
LABELS = {"separation": "separation E|v · X|", "spread": "standard deviation", "occupancy": "P(v · X > 0)"}
dimension = size(150, 800)
figure, axes = panels(3, 2.8)
for colour, (label, changes) in zip(COLOURS, SHOWN.items(), strict=False):
    system = FlowAutoencoder(**{**COLLAPSE, "dimension": dimension, "samples": 1000, **changes})
    theory, runs = predict(system).curves, simulate(system, size(8, 24), tile=8)
    at = system.coordinates()["generation"]
    for axis, name in zip(axes, LABELS, strict=True):
        axis.plot(at, theory[name][0], color=colour, label=label)
        points(axis, at, runs[name][:, 0], colour)
for axis, label in zip(axes, LABELS.values(), strict=True):
    axis.set(xlabel="generation", ylabel=label, xticks=at)
axes[0].set(ylim=(0, None))
axes[1].set(ylim=(0, None))
title = f"line: theory, points: d = {dimension}"
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, title=title)
save(figure, __file__)
