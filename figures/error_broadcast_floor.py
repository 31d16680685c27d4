"""How small the running correlation gets: frozen (open loop) and learning readout (closed loop), against lambda."""

import numpy as np
from common import COLOURS, panels, points, save, simulate, size

from theorylab.core.casting import in_precision
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast import theory_floors as floors

CLAIM = "error_broadcast/floor"
RATE, KAPPA = 0.05, 1 / np.arange(1.0, 9.0)
figure, (axis,) = panels(1, 5.6)
share = np.geomspace(0.002, 0.5, 60)
for batch, colour in zip((16, 64), COLOURS, strict=False):
    with in_precision("float64"):
        open_loop = [float(floors.open_loop(KAPPA, 1 - b, batch, 1.0)) for b in share]
        closed = [float(floors.closed_loop(KAPPA, 1 - b, batch, 1.0, RATE)) for b in share]
    axis.loglog(share, open_loop, "--", color=colour, label=f"open loop, B = {batch}")
    axis.loglog(share, closed, color=colour, label=f"closed loop, B = {batch}")
    for renewal in (0.01, 0.03, 0.1, 0.3):
        for readout, marker in ((1.0, "o"), (0.0, "s")):
            system = ErrorBroadcast(
                model="floor", width=8, outputs=1, batch=batch, noise=1.0, rate=RATE, memory=RATE / renewal,
                feedback=0.0, readout_rate=readout, steps=1500, records=3,
            )  # fmt: skip
            runs = simulate(system, size(32, 256))["feedback_power"]
            points(axis, renewal, runs[:, -1], colour, fmt=marker)
axis.set(xlabel=r"$1-\lambda$", ylabel=r"$\langle|R|^2\rangle$")
axis.legend(title="line: theory, points: runs")
save(figure, __file__)
