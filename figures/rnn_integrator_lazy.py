"""Without an outlier, memory is limited: lag by lag, time g^-2τ; all lags collapse on 1 - exp(-x)."""

import dataclasses

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import READOUT

CLAIM = "rnn_integrator/lazy"
RUNS, WIDTHS = size(16, 64), size((100, 400), (100, 400, 1600))
system = RNNIntegrator(**{**READOUT, "width": WIDTHS[-1]})
figure, (left, right) = panels(2, 4.5)
time = np.asarray(system.coordinates()["time"])
left.semilogy(time, predict(system).curves["loss"], color="k", label="theory")
for colour, width in zip(COLOURS, WIDTHS, strict=False):
    points(left, time, simulate(dataclasses.replace(system, width=width), RUNS)["loss"], colour, label=f"N = {width}")
left.set(xlabel="time (rate × steps)", ylabel="population loss")
left.legend()
target = 0.85 ** np.arange(8)
for colour, steps in zip(COLOURS, (20, 100, 400), strict=False):
    ended = dataclasses.replace(system, steps=steps, records=1)
    learned = simulate(ended, RUNS)["filter"][:, :8].mean(0) / target
    right.plot(0.8 ** (2 * np.arange(8)) * 0.02 * steps, learned, "o", color=colour, label=f"time {0.02 * steps:g}")
x = np.geomspace(1e-2, 10, 100)
right.semilogx(x, 1 - np.exp(-x), color="k", label="1 - exp(-x)")
right.set(xlabel="x = g^2τ × time", ylabel="k / k* of lags 0 to 7")
right.legend()
save(figure, __file__)
