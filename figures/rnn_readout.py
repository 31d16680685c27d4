"""Without an outlier, memory is limited: lag by lag, time g^-2τ; all lags collapse on 1 - exp(-x)."""

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
from rnn_common import COLOURS, predict, save, simulate, times

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import READOUT

system = RNNIntegrator(**{**READOUT, "width": 400})
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
time = times(system)
left.semilogy(time, predict(system).curves["loss"], color="k", label="theory")
for colour, width in zip(COLOURS, (100, 400), strict=False):
    loss = simulate(dataclasses.replace(system, width=width), 32)["loss"]
    left.errorbar(
        time, loss.mean(0), loss.std(0, ddof=1) / np.sqrt(32), fmt="o", markersize=3, color=colour, label=f"N = {width}"
    )
left.set(xlabel="time (rate × steps)", ylabel="population loss")
left.legend()
target = 0.85 ** np.arange(8)
for colour, steps in zip(COLOURS, (20, 100, 400), strict=False):
    ended = dataclasses.replace(system, steps=steps, records=1)
    learned = simulate(ended, 32)["filter"][:, :8].mean(0) / target
    right.plot(0.8 ** (2 * np.arange(8)) * 0.02 * steps, learned, "o", color=colour, label=f"time {0.02 * steps:g}")
x = np.geomspace(1e-2, 10, 100)
right.semilogx(x, 1 - np.exp(-x), color="k", label="1 - exp(-x)")
right.set(xlabel="x = g^2τ × time", ylabel="k / k* of lags 0 to 7")
right.legend()
save(figure, __file__)
