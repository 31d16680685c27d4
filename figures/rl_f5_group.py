"""What a group of G answers makes of an advantage: c_G against sampled groups."""

import numpy as np
from rl_common import COLOURS, in_precision, panels, points, save

from theorylab.systems.rl_posttraining.theory_groups import group_factor

SIZES = (2, 3, 4, 8, 16, 64)
rng, few, grid = np.random.default_rng(0), np.linspace(0.05, 0.95, 10), np.linspace(0, 1, 201)
figure, axes = panels(1)
for colour, size in zip(COLOURS, SIZES, strict=True):
    with in_precision("float64"):
        axes[0, 0].plot(grid, np.asarray(group_factor(grid, size)), color=colour, label=f"G = {size}")
    groups = 200_000 // size
    reward = (rng.random((len(few), groups, size)) < few[:, None, None]).astype(float)
    spread = reward.std(axis=2, keepdims=True)
    gap = reward - reward.mean(axis=2, keepdims=True)
    scored = np.divide(gap, spread, where=spread > 0, out=np.zeros_like(gap))
    one = (scored * reward).mean(axis=2) / (few * (1 - few))[:, None]
    points(axes[0, 0], few, one.mean(axis=1), one.std(axis=1) / groups**0.5, colour)
axes[0, 0].plot(grid[1:-1], 1 / np.sqrt(grid[1:-1] * (1 - grid[1:-1])), "k:", label=r"$G = \infty$")
axes[0, 0].set(xlabel="success rate $r$", ylabel="$c_G(r)$", ylim=(0.9, 5))
axes[0, 0].legend(fontsize=8, ncols=2)
save(figure, __file__)
