"""A random bulk speeds learning up: networks of 200 units on the infinite-width limit, for growing g."""

import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import BULK

CLAIM = "rnn_integrator/bulk"
WIDTH = size(200, 800)
figure, (axis,) = panels(1, 5.4)
for colour, bulk in zip(COLOURS, (0.0, 0.1, 0.3, 0.5), strict=False):
    system = RNNIntegrator(**BULK, bulk=bulk, width=WIDTH)
    time = np.asarray(system.coordinates()["time"])
    axis.plot(time, predict(system).curves["loss"], color=colour, label=f"g = {bulk}")
    points(axis, time, simulate(system, size(16, 64) if bulk else 1)["loss"], colour)
axis.set(xlabel="time (rate × steps)", ylabel="population loss")
axis.legend(loc="upper right", title=f"line: theory, points: N = {WIDTH}")
save(figure, __file__)
