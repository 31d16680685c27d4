"""Least mean square error of a sign in Gaussian noise, and what networks reach by backpropagation and EBD."""

import dataclasses

import numpy as np
from common import COLOURS, panels, points, save, simulate, size, ticks

from theorylab.core.casting import in_precision
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast import theory_channel as channel

CLAIM = "error_broadcast/orthogonality"
SNRS = np.array([0.25, 0.5, 1.0, 2.0])
figure, (left, right) = panels(2, 4.5)
grid = np.geomspace(0.2, 5.0, 80)
with in_precision("float64"):
    curve, least = np.asarray(channel.mmse(grid)), np.asarray(channel.mmse(SNRS))
left.semilogx(grid, curve, color="black", label="least error")
for shift, colour, rule in zip((0.97, 1.03), COLOURS, ("bp", "ebd"), strict=False):
    fields = {"model": "channel", "width": 64, "batch": 64, "rate": 0.02, "memory": 200.0, "steps": size(4000, 12000)}
    system = ErrorBroadcast(rule=rule, **fields)
    runs = [simulate(dataclasses.replace(system, snr=snr), size(8, 32), tile=8)["mean_square"] for snr in SNRS]
    found = np.stack(runs, 1)
    points(left, SNRS * shift, found, colour, label=rule.upper())
    points(right, SNRS * shift, found - least, colour, label=rule.upper())
left.set(xlabel=r"signal-to-noise ratio $\gamma$", ylabel="mean square error")
right.set(xlabel=r"signal-to-noise ratio $\gamma$", ylabel="above the least error", xscale="log")
for axis in (left, right):
    ticks(axis, SNRS)
right.axhline(0.0, color="black", linewidth=1)
left.legend()
save(figure, __file__)
