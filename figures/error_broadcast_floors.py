"""How small the running correlation gets: frozen (open loop) and learning readout (closed loop), against lambda."""

import jax
import numpy as np
from error_broadcast_common import COLOURS, ErrorBroadcast, bars, in_precision, plt, save

import theorylab as tl
from theorylab.systems.error_broadcast import theory_floors as floors

RATE, KAPPA = 0.05, 1 / np.arange(1.0, 9.0)
figure, axis = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
for batch, shade in ((16, 0), (64, 1)):
    share = np.geomspace(0.002, 0.5, 60)
    with in_precision("float64"):
        open_loop = [float(floors.open_loop(KAPPA, 1 - b, batch, 1.0)) for b in share]
        closed = [float(floors.closed_loop(KAPPA, 1 - b, batch, 1.0, RATE)) for b in share]
    axis.loglog(share, open_loop, "--", color=COLOURS[shade], label=f"open loop, B = {batch}")
    axis.loglog(share, closed, color=COLOURS[shade], label=f"closed loop, B = {batch}")
    for renewal in (0.01, 0.03, 0.1, 0.3):
        for readout, marker in ((1.0, "o"), (0.0, "s")):
            system = ErrorBroadcast(
                model="floor", width=8, outputs=1, batch=batch, noise=1.0, rate=RATE, memory=RATE / renewal,
                feedback=0.0, readout_rate=readout, steps=1500, records=3,
            )  # fmt: skip
            last = tl.simulate(system, runs=32, key=jax.random.key(0))
            mean, error = last.mean["feedback_power"][-1], last.stderr["feedback_power"][-1]
            bars(axis, renewal, mean, error, color=COLOURS[shade], fmt=marker)
axis.set(xlabel=r"$1-\lambda$", ylabel=r"$\langle|R|^2\rangle$")
axis.legend(fontsize=8)
save(figure, __file__)
