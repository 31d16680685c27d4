"""The share of generated points in the major mode: learned with biases, one half for ever without."""

from common import COLOURS, panels, points, save, simulate, size
from flow_autoencoder_common import generated

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import BIMODAL

CLAIM = "flow_autoencoder/mode collapse"
dimension = size(200, 800)
figure, (axis,) = panels(1, 4.8)
for colour, bias in zip(COLOURS, (True, False), strict=False):
    fields = {**BIMODAL, "hidden_bias": bias, "dimension": dimension}
    system = FlowAutoencoder(**{**fields, "duration": 40.0, "records": 40})
    axis.plot(system.recorded(), generated(system)["occupancy"][0], color=colour, label="biases" if bias else "none")
    for tau in size((4.0, 24.0), (4.0, 12.0, 24.0, 40.0)):
        runs = simulate(FlowAutoencoder(**{**fields, "duration": tau, "records": 1}), size(8, 24), tile=8)
        points(axis, tau, runs["occupancy"][:, 0], colour)
axis.axhline(0.7493, color="0.6", linestyle="--", label="target")
axis.set(xlabel="training time τ (samples / dimension)", ylabel="P(v · X > 0)")
axis.legend(title=f"line: theory, points: d = {dimension}")
save(figure, __file__)
