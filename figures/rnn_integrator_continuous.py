"""Continuous time: the outlier's leak falls as mu^3 = 1 - 9 s / 4, until it reaches the target's."""

import numpy as np
from common import COLOURS, panels, predict, save, simulate, size

from theorylab.systems.rnn_integrator import RNNIntegrator

WIDTH = size(16, 64)
figure, (axis,) = panels(1, 5)
for colour, timescale in zip(COLOURS, (5.0, 12.0, 30.0), strict=False):
    system = RNNIntegrator(
        timing="continuous", dynamics="flow", train="recurrent", timescale=timescale, horizon=60, rate=2e-4, steps=3600,
        width=WIDTH, records=40,
    )  # fmt: skip
    time = np.asarray(system.coordinates()["time"])
    axis.plot(time, 1 - predict(system).curves["overlap"], color=colour, label=f"timescale {timescale:g}")
    axis.plot(time, 1 - simulate(system, 1)["overlap"][0], "o", markersize=3, color=colour)
s = np.linspace(0, 4 / 9, 300)
axis.plot(s, np.cbrt(1 - 9 * s / 4), ":", color="k", label="(1 - 9 s / 4)^(1/3)")
axis.set(xlabel="time s (rate × steps)", ylabel="leak of the outlier")
axis.legend(title=f"line: theory, points: N = {WIDTH}")
save(figure, __file__)
