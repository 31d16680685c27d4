"""One-pass SGD diverges where the noise kernel's mass passes 1: 2 B / tr Sigma at small batch, 2 / edge at large."""

import math

import jax
import numpy as np
from common import panels, save, simulate, size

from theorylab.solvers.resolvent import Modes
from theorylab.systems.sgd_resolvent import SGDResolvent, setting
from theorylab.systems.sgd_resolvent import theory_stability as stability

jax.config.update("jax_enable_x64", True)

base = {"capacity": 0.5, "source": 0.5, "samples": math.inf, "dynamics": "online", "noise": 0.0, "steps": 300}
modes = Modes(*(np.asarray(x) for x in setting.spectrum(SGDResolvent(**base, rate=0.1))))
figure, (panel,) = panels(1, 5)
batches = np.geomspace(1, 256, 60)
panel.plot(batches, [float(stability.one_pass_critical_rate(modes, b)) for b in batches], "k-", label="n = 1")
panel.plot(batches, 2 * batches / float(modes.trace()), "k:", lw=1, label="2 B / tr Sigma")
panel.axhline(2.0, color="k", ls="--", lw=1, label="2 / lambda_max")
for batch in (1, 4, 16, 64):
    critical = float(stability.one_pass_critical_rate(modes, batch))
    for factor in size((0.6, 0.85, 1.15, 1.6), (0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.4, 1.6)):
        if critical * factor < 2:
            found = simulate(SGDResolvent(**base, rate=critical * factor, batch=batch), size(16, 64))["loss"]
            # a loss above its start, or beyond float32, has diverged
            grown = np.mean(~(found[:, -1] < 1.0))
            shade = (float(grown), 0.2, 1 - float(grown))
            panel.plot(batch, critical * factor, "o", color=shade)
panel.plot([], [], "o", color=(1, 0.2, 0), label="runs diverge")
panel.plot([], [], "o", color=(0, 0.2, 1), label="runs converge")
panel.set(xscale="log", yscale="log", xlabel="batch B", ylabel="learning rate", ylim=(0.02, 4))
panel.legend()
save(figure, __file__)
