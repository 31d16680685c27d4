"""F3: the share of generated points in the major mode: learned with biases, one half for ever without."""

import matplotlib.pyplot as plt
from flow_autoencoder_common import COLOURS, generated, save, simulate

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import BIMODAL

figure, axis = plt.subplots(figsize=(4.6, 3.3), layout="constrained")
for colour, bias in zip(COLOURS, (True, False), strict=False):
    fields = {**BIMODAL, "hidden_bias": bias, "dimension": 250}
    system = FlowAutoencoder(**{**fields, "duration": 40.0, "records": 40})
    axis.plot(system.recorded(), generated(system)["occupancy"][0], color=colour, label="biases" if bias else "none")
    for tau in (4.0, 24.0):
        runs = simulate(FlowAutoencoder(**{**fields, "duration": tau, "records": 1}), 8)["occupancy"][:, 0]
        axis.errorbar(tau, runs.mean(), runs.std(ddof=1) / len(runs) ** 0.5, fmt="o", color=colour, markersize=3.5)
axis.axhline(0.7493, color="0.6", linestyle="--", label="target")
axis.set(xlabel="training time τ", ylabel="P(v · X > 0)")
axis.legend(title="line: theory, points: d = 250")
save(figure, __file__)
