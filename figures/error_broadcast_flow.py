"""Error and running correlation of a linear network against time: flow (lines) and training (dots), by memory."""

import dataclasses

from common import COLOURS, bars, panels, save, size

import theorylab as tl
from theorylab.systems.error_broadcast import ErrorBroadcast

CLAIM = "error_broadcast/flow"
base = ErrorBroadcast(steps=size(1000, 4000), records=20)
figure, (left, right) = panels(2, 4.5)
for colour, memory in zip(COLOURS, (1.0, 5.0, 50.0), strict=False):
    system = dataclasses.replace(base, memory=memory)
    found = tl.compare.run(system, runs=size(8, 32)).rungs[-1]
    time = system.coordinates()["time"]
    for axis, name in ((left, "mean_square"), (right, "feedback")):
        axis.plot(time, found.predicted[name], color=colour, label=rf"$\tau$ = {memory:g}")
        bars(axis, time, found.simulated[name], found.stderr[name], colour)
wiener = float(base.noise) ** 2 * base.outputs
left.axhline(wiener, color="black", linewidth=1, linestyle="--", label=r"$\sigma^2p$")
left.set(xlabel="time (rate x steps)", ylabel="mean square error")
right.set(xlabel="time (rate x steps)", ylabel=r"$|R|$", yscale="log", ylim=(0.01, 4))
left.legend(title="line: flow, points: training")
right.legend()
save(figure, __file__)
