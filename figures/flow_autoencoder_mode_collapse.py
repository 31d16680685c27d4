"""Four modes. One hidden unit loses the minor pair; two recover it, and then over-represent it."""

from common import COLOURS, panels, points, save, simulate, size
from flow_autoencoder_common import generated

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import CROSS

CLAIM = "flow_autoencoder/mode collapse"
dimension = size(200, 800)
figure, (axis,) = panels(1, 4.8)
for colour, units in zip(COLOURS, (1, 2), strict=False):
    fields = {**CROSS, "units": units, "dimension": dimension, "samples": 1000}
    system = FlowAutoencoder(**{**fields, "duration": 80.0, "records": 40})
    label = f"{units} unit" + "s" * (units > 1)
    share = generated(system)["occupancy"][2:].sum(0)
    axis.plot(system.recorded()[1:], share[1:], color=colour, label=label)  # before training there are no modes
    for tau in size((10.0, 40.0), (10.0, 20.0, 40.0, 80.0)):
        runs = simulate(FlowAutoencoder(**{**fields, "duration": tau, "records": 1}), size(6, 24), tile=6)
        points(axis, tau, runs["occupancy"][:, 2:].sum(1), colour)
axis.axhline(0.3, color="0.6", linestyle="--", label="target")
axis.set(xlabel="training time τ (samples / dimension)", ylabel="generated share of the minor pair", ylim=(0, None))
axis.legend(title=f"line: theory, points: d = {dimension}")
save(figure, __file__)
