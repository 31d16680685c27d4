"""While pass@1 rises, pass@k at large k falls: two formats, each of which knows a question or does not."""

import numpy as np
from common import COLOURS, panels, points, save, size
from rl_posttraining_common import both

from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import KNOWN

CLAIM = "rl_posttraining/pass-at-k"
system = RLPosttraining(**KNOWN)
theory, runs = both(system, size(8, 64))
x = np.asarray(system.coordinates()[system.axis])
figure, (axis,) = panels(1, 4.8)
for i, (attempts, colour) in enumerate(zip(system.attempts, COLOURS, strict=False)):
    axis.plot(x, theory["passes"][:, i], color=colour, label=f"pass@{attempts}")
    points(axis, x, runs["passes"][:, :, i], colour)
axis.set(xlabel=system.axis_labels[system.axis], ylabel="pass@k", ylim=(0.4, 0.85))
axis.legend(loc="lower right", title="line: theory, points: sampled")
save(figure, __file__)
