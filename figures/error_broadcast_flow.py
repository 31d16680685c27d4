"""Error and running correlation of a linear network against time: flow (lines) and training (dots), by memory."""

import dataclasses

from error_broadcast_common import COLOURS, ErrorBroadcast, bars, both, plt, save

base = ErrorBroadcast(steps=2000, records=20)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for colour, memory in zip(COLOURS, (1.0, 5.0, 50.0), strict=False):
    system = dataclasses.replace(base, memory=memory)
    predicted, found = both(system, 8)
    time = system.coordinates()["time"]
    for axis, name in ((left, "mean_square"), (right, "feedback")):
        axis.plot(time, predicted[name], color=colour, label=rf"$\tau$ = {memory:g}")
        bars(axis, time, found.simulated[name], found.stderr[name], color=colour)
wiener = float(base.noise) ** 2 * base.outputs
left.axhline(wiener, color="black", linewidth=1, linestyle="--", label=r"$\sigma^2p$")
left.set(xlabel="time (rate x steps)", ylabel="mean square error")
right.set(xlabel="time (rate x steps)", ylabel=r"$|R|$", yscale="log", ylim=(0.01, 4))
left.legend()
right.legend()
save(figure, __file__)
