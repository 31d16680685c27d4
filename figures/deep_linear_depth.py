"""Loss curves of plain networks with 1, 2, 3 and 5 hidden layers. Lines: theory; points: trained networks."""

import matplotlib.pyplot as plt
import numpy as np
from deep_linear_common import LABELS, network, points, save, shade, theory, training

DEPTHS = (1, 2, 3, 5)

figure, axis = plt.subplots(figsize=(5, 3.6))
for i, depth in enumerate(DEPTHS):
    system = network(150, 1, 2, depth=depth, noise=0.1**0.5)
    axis.semilogy(theory(system)["loss"], color=shade(i, len(DEPTHS)), label=f"$L={depth}$")
    mean, error = training(system, runs=48)
    points(axis, np.arange(system.steps), mean["loss"], error["loss"], shade(i, len(DEPTHS)), every=5)
axis.set(xlabel=LABELS["step"], ylabel=LABELS["loss"])
axis.legend()
save(figure, "deep_linear_depth", __doc__)
