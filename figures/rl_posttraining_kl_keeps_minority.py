"""The KL penalty keeps minorities: where training ends against p* ~ p(0) exp(a / beta), and pass@k there."""

import numpy as np
from common import COLOURS, panels, points, save, size
from rl_posttraining_common import ACCURACY, SHARES, both

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import KNOWN
from theorylab.systems.rl_posttraining.theory_closed import fixed_shares

CLAIM = "rl_posttraining/kl-keeps-minority"
STRENGTHS, RUNS = size((0.1, 0.2, 0.4, 0.8), (0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)), size(8, 32)
grid = np.geomspace(0.05, 1.2, 80)
with in_precision("float64"):
    ends = np.stack([np.asarray(fixed_shares(SHARES, ACCURACY, kl)) for kl in grid])
figure, axes = panels(2)
for k in range(3):
    axes[0].plot(grid, ends[:, k], color=COLOURS[k], label=f"format {k + 1}, accuracy {ACCURACY[k]}")
predicted, sampled = [], []
for kl in STRENGTHS:
    plain = {"shares": SHARES, "accuracy": (ACCURACY,), "advantage": "baseline", "rate": 0.2}
    _, runs = both(RLPosttraining(**plain, kl=kl, steps=1500, records=1), RUNS)
    for k in range(3):
        points(axes[0], kl, runs["share"][:, -1, k], COLOURS[k])
    theory, runs = both(RLPosttraining(**{**KNOWN, "kl": kl, "steps": 1500, "records": 1}), RUNS)
    predicted.append(theory["passes"][-1])
    sampled.append(runs["passes"][:, -1])
for i, k in enumerate(KNOWN["attempts"]):
    axes[1].plot(STRENGTHS, np.array(predicted)[:, i], color=COLOURS[i], label=f"pass@{k}")
    points(axes[1], STRENGTHS, np.stack(sampled, 1)[:, :, i], COLOURS[i])
axes[0].set(ylabel="final share", ylim=(0, 1), title="line: theory, points: sampled")
axes[1].set(ylabel="final pass@k", title="two formats that know or do not")
for axis in axes:
    axis.set(xscale="log", xlabel=r"KL strength $\beta$", xlim=(0.05, 1.2))
    axis.legend()
save(figure, __file__)
