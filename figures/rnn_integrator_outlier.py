"""One outlier eigenvalue learns an integrator: plateau, sharp rise, saturation at the pole."""

import numpy as np
from common import COLOURS, panels, predict, save, simulate, size

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import timescale

CLAIM = "rnn_integrator/outlier"
WIDTH = size(64, 256)
figure, (left, right) = panels(2, 4.5)
for colour, pole in zip(COLOURS, (0.8, 0.9, 0.95), strict=False):
    system = RNNIntegrator(
        dynamics="flow", timescale=timescale(pole), horizon=100, scale=0.1, rate=5e-4, steps=8000, width=WIDTH
    )
    theory, runs, time = predict(system), simulate(system, 1), np.asarray(system.coordinates()["time"])
    for axis, name in ((left, "overlap"), (right, "loss")):
        axis.plot(time, theory.curves[name], color=colour, label=f"pole {pole}")
        axis.plot(time, runs[name][0], "o", color=colour, markersize=3)
    left.axhline(pole, color=colour, linewidth=0.5, linestyle=":")
left.set(xlabel="time (rate × steps)", ylabel="outlier eigenvalue")
right.set(xlabel="time (rate × steps)", ylabel="population loss")
left.legend(title=f"line: theory, points: N = {WIDTH}")
save(figure, __file__)
