"""A random bulk speeds learning up: networks of 200 units on the infinite-width limit, for growing g."""

import matplotlib.pyplot as plt
import numpy as np
from rnn_common import COLOURS, predict, save, simulate, times

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import BULK

figure, axis = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
for colour, bulk in zip(COLOURS, (0.0, 0.1, 0.3, 0.5), strict=False):
    system = RNNIntegrator(**BULK, bulk=bulk, width=200)
    runs = 32 if bulk else 1
    loss, time = simulate(system, runs)["loss"], times(system)
    axis.plot(time, predict(system).curves["loss"], color=colour, label=f"g = {bulk}")
    error = loss.std(0, ddof=1) / np.sqrt(runs) if bulk else 0 * time
    axis.errorbar(time, loss.mean(0), error, fmt="o", color=colour, markersize=3)
axis.set(xlabel="time (rate × steps)", ylabel="population loss")
axis.legend(title="line: theory, points: N = 200")
save(figure, __file__)
