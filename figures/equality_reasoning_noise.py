"""Fresh noisy symbols: the cone opens as far as the noise asks; its accuracy beside the observers'."""

import numpy as np
from common import COLOURS, panels, save, size, ticks
from equality_reasoning_common import EqualityReasoning, last, last_bars, simulated

from theorylab.core.casting import in_precision
from theorylab.systems.equality_reasoning import theory_cone as cone

CLAIM = "equality_reasoning/noise"
VARIANCES, RUNS = np.array([0.5, 1.0, 2.0, 4.0]), size(2, 16)
figure, (left, right) = panels(2, 4.5)
grid = np.geomspace(0.4, 5.0, 100)
TRAINED = {"dimension": 32, "noisy": "always", "width": size(256, 512), "steps": size(1000, 3000), "records": 1}
systems = [EqualityReasoning(symbols=float("inf"), noise=v**0.5, **TRAINED) for v in VARIANCES]
many = [EqualityReasoning(symbols=64, noise=v**0.5, tests=1024, **TRAINED) for v in VARIANCES]
with in_precision("float64"):
    left.plot(grid, cone.best_ratio(np.sqrt(grid)), "k--", linewidth=1, label="best cone, eq. (15)")
    right.plot(grid, cone.best_accuracy(np.sqrt(grid), 32), "k--", linewidth=1, label="best cone, eq. (15)")
    right.plot(grid, cone.bayes_generalizing(np.sqrt(grid), 32), color=COLOURS[1], label="generalising Bayes observer")
theory = [last(s, 1, particles=size(256, 1024), scrambles=2, examples=128)["ratio"][0] for s in systems]
left.plot(VARIANCES, theory, color=COLOURS[0], label="trained, infinite width")
label = f"N = {systems[0].width}"
last_bars(left, VARIANCES, [simulated(s, RUNS)["ratio"] for s in systems], COLOURS[0], label=label)
last_bars(right, VARIANCES, [simulated(s, RUNS)["accuracy"] for s in many], COLOURS[0], label=f"{label}, 64 symbols")
left.set(xlabel="noise variance", ylabel="cone ratio", xscale="log")
right.set(xlabel="noise variance", ylabel="accuracy on novel symbols", xscale="log")
for axis in (left, right):
    ticks(axis, VARIANCES)
    axis.legend()
save(figure, __file__)
