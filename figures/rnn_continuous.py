"""Continuous time: the outlier's leak falls as mu^3 = 1 - 9 s / 4, until it reaches the target's."""

import matplotlib.pyplot as plt
import numpy as np
from rnn_common import COLOURS, predict, save, simulate, times

from theorylab.systems.rnn_integrator import RNNIntegrator

figure, axis = plt.subplots(figsize=(5.0, 3.8), layout="constrained")
for colour, timescale in zip(COLOURS, (5.0, 12.0, 30.0), strict=False):
    system = RNNIntegrator(
        timing="continuous", dynamics="flow", train="recurrent", timescale=timescale, horizon=60, rate=2e-4, steps=3600,
        width=16, records=40,
    )  # fmt: skip
    time = times(system)
    axis.plot(time, 1 - predict(system).curves["overlap"], color=colour, label=f"timescale {timescale:g}")
    axis.plot(time, 1 - simulate(system, 1)["overlap"][0], "o", markersize=3, color=colour)
s = np.linspace(0, 4 / 9, 300)
axis.plot(s, np.cbrt(1 - 9 * s / 4), ":", color="k", label="(1 - 9 s / 4)^(1/3)")
axis.set(xlabel="time s (rate × steps)", ylabel="leak of the outlier")
axis.legend(title="line: theory, points: N = 16")
save(figure, __file__)
