"""Expert Iteration: from the current policy it collapses, from the base the shift is bounded by the refit."""

import numpy as np
from common import COLOURS, panels, points, save, size
from rl_posttraining_common import ACCURACY, SHARES, both

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import EXPERT
from theorylab.systems.rl_posttraining.theory_maps import expert_shares

CLAIM = "rl_posttraining/expert-mild"
figure, axes = panels(2)
for colour, (restart, refit) in zip(COLOURS, ((False, 1.0), (True, 0.8), (True, 0.5), (True, 0.2)), strict=False):
    system = RLPosttraining(**{**EXPERT, "restart": restart, "refit": refit, "steps": 12, "records": 12})
    theory, runs = both(system, size(16, 64))
    x = np.asarray(system.coordinates()["round"])
    label = f"from the base, refit {refit}" if restart else "from the current policy"
    axes[0].plot(x, theory["share"][:, 0], color=colour, label=label)
    points(axes[0], x, runs["share"][:, :, 0], colour)
    if restart:
        for k in range(3):
            points(axes[1], refit, runs["share"][:, -1, k], COLOURS[k])
grid = np.linspace(0.02, 0.9, 60)
with in_precision("float64"):
    ends = np.stack([np.asarray(expert_shares(12, SHARES, ACCURACY, restart=True, refit=x)) for x in grid])
for k in range(3):
    axes[1].plot(grid, ends[:, k], color=COLOURS[k], label=f"format {k + 1}, accuracy {ACCURACY[k]}")
axes[0].set(xlabel="round", ylabel="share of the most accurate format", ylim=(0.25, 1.02))
axes[1].set(xlabel=r"refit $\lambda$", ylabel="share after 12 rounds from the base", ylim=(0, 1.02))
for axis in axes:
    axis.legend()
save(figure, __file__)
