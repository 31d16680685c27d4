"""Fresh noisy symbols: the cone opens as far as the noise asks; its accuracy beside the observers'."""

import numpy as np
from equality_common import COLOURS, EqualityReasoning, bars, in_precision, last, plt, save, simulated

from theorylab.systems.equality_reasoning import theory_cone as cone

VARIANCES = np.array([0.5, 1.0, 2.0, 4.0])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
grid = np.geomspace(0.4, 5.0, 100)
systems = [
    EqualityReasoning(
        dimension=32, symbols=float("inf"), noisy="always", noise=v**0.5, width=512, steps=1500, records=1
    )
    for v in VARIANCES
]
runs = [simulated(s, 2) for s in systems]
with in_precision("float64"):
    left.plot(grid, cone.best_ratio(np.sqrt(grid)), "k--", linewidth=1, label="best cone, eq. (15)")
theory = [last(s, 1, particles=256, scrambles=2, examples=128)["ratio"][0] for s in systems]
left.plot(VARIANCES, theory, color=COLOURS[0], label="trained, infinite width")
bars(left, VARIANCES, [r["ratio"] for r in runs], color=COLOURS[0], label="N = 512")
with in_precision("float64"):
    right.plot(grid, cone.best_accuracy(np.sqrt(grid), 32), "k--", linewidth=1, label="best cone, eq. (15)")
    right.plot(grid, cone.bayes_generalizing(np.sqrt(grid), 32), color=COLOURS[1], label="generalising Bayes observer")
many = [
    EqualityReasoning(
        dimension=32, symbols=64, noisy="always", noise=v**0.5, width=512, steps=1500, records=1, tests=1024
    )
    for v in VARIANCES
]
bars(right, VARIANCES, [simulated(s, 2)["accuracy"] for s in many], color=COLOURS[0], label="N = 512, 64 symbols")
left.set(xlabel="noise variance", ylabel="cone ratio", xscale="log")
right.set(xlabel="noise variance", ylabel="accuracy on novel symbols", xscale="log")
for axis in (left, right):
    axis.minorticks_off()
    axis.set_xticks(VARIANCES, [f"{v:g}" for v in VARIANCES])
left.legend()
right.legend()
save(figure, __file__)
