"""Trained without noise, tested with it: the cone formula at the trained ratio, and where it fails."""

import jax
import numpy as np
from equality_common import COLOURS, EqualityReasoning, bars, in_precision, plt, save, simulated

import theorylab as tl
from theorylab.systems.equality_reasoning.theory_cone import cone_accuracy

COUNT, DRAWS = 8, 4
VARIANCES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.8])
theory, runs = [], []
for variance in VARIANCES:
    system = EqualityReasoning(
        dimension=64, symbols=COUNT, width=1024, steps=400, records=1, tests=512, noisy="test", noise=variance**0.5
    )
    chosen = system.numerics(None).replace(particles=1024, scrambles=2)
    theory.append([tl.predict(system, key=jax.random.key(s), numerics=chosen).curves for s in range(DRAWS)])
    runs.append(simulated(system, DRAWS))
ratio = np.mean([one["ratio"][-1] for one in theory[0]])
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
with in_precision("float64"):
    grid = np.geomspace(0.015, 1.0, 100)
    cones = {n: cone_accuracy(ratio, n, np.sqrt(grid)) for n in (COUNT, 64)}
for axis, name, which in ((axes[0], "same", 0), (axes[1], "different", 1)):
    key = f"accuracy_{name}"
    axis.plot(VARIANCES, [np.mean([one[key][-1] for one in row]) for row in theory], color=COLOURS[0], label="theory")
    bars(axis, VARIANCES, [one[key] for one in runs], color=COLOURS[0], label="N = 1024")
    for (n, curves), style in zip(cones.items(), ("--", ":"), strict=True):
        axis.plot(grid, np.broadcast_to(curves[which], grid.shape), f"k{style}", linewidth=1, label=f"cone, n = {n}")
    axis.set(xlabel="variance of the test's noise", xscale="log", title=f"novel {name} pairs")
axes[0].set_ylabel("accuracy")
axes[0].legend(title=f"{COUNT} symbols, ratio {ratio:.2f}")
save(figure, __file__)
