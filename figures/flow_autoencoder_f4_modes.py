"""F4: four modes. One hidden unit loses the minor pair; two recover it, and then over-represent it."""

import matplotlib.pyplot as plt
from flow_autoencoder_common import COLOURS, generated, save, simulate

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import CROSS

figure, axis = plt.subplots(figsize=(4.8, 3.4), layout="constrained")
for colour, units in zip(COLOURS, (1, 2), strict=False):
    fields = {**CROSS, "units": units, "dimension": 250, "samples": 1000}
    system = FlowAutoencoder(**{**fields, "duration": 80.0, "records": 40})
    label = f"{units} unit" + "s" * (units > 1)
    axis.plot(system.recorded(), generated(system)["occupancy"][2:].sum(0), color=colour, label=label)
    for tau in (10.0, 40.0):
        runs = simulate(FlowAutoencoder(**{**fields, "duration": tau, "records": 1}), 6)["occupancy"][:, 2:].sum(1)
        axis.errorbar(tau, runs.mean(), runs.std(ddof=1) / len(runs) ** 0.5, fmt="o", color=colour, markersize=4)
axis.axhline(0.3, color="0.6", linestyle="--", label="target")
axis.set(xlabel="training time τ", ylabel="generated share of the minor pair", ylim=(0, None))
axis.legend(title="line: theory, points: d = 250")
save(figure, __file__)
