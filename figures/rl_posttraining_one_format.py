"""One format takes over: GRPO, PPO and Expert Iteration, sampled (points) and predicted (lines)."""

import numpy as np
from common import COLOURS, panels, points, save, size
from rl_posttraining_common import both

from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import EXPERT, GRPO, PPO

CLAIM = "rl_posttraining/one-format"
SHOWN = {
    "GRPO, 8 answers, 512 rollouts a step": {**GRPO, "steps": 800, "records": 40},
    "PPO, 4 inner steps, clip 0.2": {**PPO, "steps": 40, "records": 40, "batch": 64},
    "Expert Iteration": {**EXPERT, "steps": 12, "records": 12},
}
figure, axes = panels(3, sharey=True)
for axis, (title, fields) in zip(axes, SHOWN.items(), strict=True):
    system = RLPosttraining(**fields)
    theory, runs = both(system, size(16, 64))
    x = np.asarray(system.coordinates()[system.axis])
    for k, colour in zip(range(3), COLOURS, strict=False):
        axis.plot(x, theory["share"][:, k], color=colour, label=f"format {k + 1}")
        points(axis, x[::4], runs["share"][:, ::4, k], colour)
    axis.set(title=title, xlabel=system.axis_labels[system.axis], ylim=(-0.02, 1.02))
axes[0].set_ylabel("share")
axes[0].legend()
save(figure, __file__)
