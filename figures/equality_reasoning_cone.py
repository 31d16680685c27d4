"""Trained without noise, tested with it: the cone formula at the trained ratio, and where it fails."""

import jax
import numpy as np
from common import COLOURS, panels, save, size
from equality_reasoning_common import EqualityReasoning, last_bars, simulated

import theorylab as tl
from theorylab.core.casting import in_precision
from theorylab.systems.equality_reasoning.theory_cone import cone_accuracy

COUNT, DRAWS = 8, size(4, 16)
VARIANCES = np.array(size([0.02, 0.1, 0.4, 0.8], [0.02, 0.05, 0.1, 0.2, 0.4, 0.8]))
WIDTH = size(512, 2048)
theory, runs = [], []
for variance in VARIANCES:
    system = EqualityReasoning(
        dimension=64, symbols=COUNT, width=WIDTH, steps=400, records=1, tests=512, noisy="test", noise=variance**0.5
    )
    chosen = system.numerics(None).replace(particles=WIDTH, scrambles=2)
    theory.append([tl.predict(system, key=jax.random.key(s), numerics=chosen).curves for s in range(DRAWS)])
    runs.append(simulated(system, DRAWS))
ratio = np.mean([one["ratio"][-1] for one in theory[0]])
figure, axes = panels(2, 4.5, sharey=True)
with in_precision("float64"):
    grid = np.geomspace(0.015, 1.0, 100)
    cones = {n: cone_accuracy(ratio, n, np.sqrt(grid)) for n in (COUNT, 64)}
for axis, name, which in ((axes[0], "same", 0), (axes[1], "different", 1)):
    key = f"accuracy_{name}"
    for variance, one in zip(VARIANCES, runs, strict=True):
        at = cone_accuracy(ratio, COUNT, np.sqrt(variance))[which]
        print(f"{name} pairs, variance {variance:g}: networks {one[key][0]:.3f}, cone {float(at):.3f}")
    axis.plot(VARIANCES, [np.mean([one[key][-1] for one in row]) for row in theory], color=COLOURS[0], label="theory")
    last_bars(axis, VARIANCES, [one[key] for one in runs], COLOURS[0], label=f"N = {WIDTH}")
    for (n, curves), style in zip(cones.items(), ("--", ":"), strict=True):
        axis.plot(grid, np.broadcast_to(curves[which], grid.shape), f"k{style}", linewidth=1, label=f"cone, n = {n}")
    axis.set(xlabel="variance of the test's noise", xscale="log", title=f"novel {name} pairs")
axes[0].set_ylabel("accuracy")
axes[0].legend(title=f"{COUNT} symbols, ratio {ratio:.2f}")
save(figure, __file__)
