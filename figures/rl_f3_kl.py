"""The KL penalty keeps minorities: where training ends against p* ~ p(0) exp(a / beta), and pass@k there."""

import numpy as np
from rl_common import COLOURS, RLPosttraining, both, in_precision, panels, points, save

from theorylab.systems.rl_posttraining.presets import KNOWN
from theorylab.systems.rl_posttraining.theory_closed import fixed_shares

SHARES, ACCURACY = (0.3, 0.5, 0.2), (0.65, 0.5, 0.3)
STRENGTHS = (0.1, 0.2, 0.4, 0.8)
grid = np.geomspace(0.05, 1.2, 80)
with in_precision("float64"):
    ends = np.stack([np.asarray(fixed_shares(SHARES, ACCURACY, kl)) for kl in grid])
figure, axes = panels(2)
for k in range(3):
    axes[0, 0].plot(grid, ends[:, k], color=COLOURS[k], label=f"format {k + 1}, accuracy {ACCURACY[k]}")
passes = []
for kl in STRENGTHS:
    plain = {"shares": SHARES, "accuracy": (ACCURACY,), "advantage": "baseline", "rate": 0.2}
    _, found = both(RLPosttraining(**plain, kl=kl, steps=1500, records=1), 8)
    for k in range(3):
        points(axes[0, 0], kl, found.mean["share"][-1, k], found.stderr["share"][-1, k], COLOURS[k])
    theory, found = both(RLPosttraining(**{**KNOWN, "kl": kl, "steps": 1500, "records": 1}), 8)
    passes.append((theory["passes"][-1], found.mean["passes"][-1], found.stderr["passes"][-1]))
for i, k in enumerate(KNOWN["attempts"]):
    axes[0, 1].plot(STRENGTHS, [one[0][i] for one in passes], color=COLOURS[i], label=f"pass@{k}")
    points(axes[0, 1], STRENGTHS, [one[1][i] for one in passes], [one[2][i] for one in passes], COLOURS[i])
axes[0, 0].set(xscale="log", xlabel=r"KL strength $\beta$", ylabel="final share", ylim=(0, 1))
axes[0, 1].set(
    xscale="log", xlabel=r"KL strength $\beta$", ylabel="final pass@k", title="two formats that know or do not"
)
for axis in axes[0]:
    axis.set(xlim=(0.05, 1.2))
    axis.legend(fontsize=8)
save(figure, __file__)
