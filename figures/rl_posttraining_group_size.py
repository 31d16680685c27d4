"""What a group of G answers makes of an advantage: c_G against sampled groups."""

import numpy as np
from common import COLOURS, bars, panels, save, size

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining.theory_groups import group_factor

CLAIM = "rl_posttraining/group-size"
SIZES = (2, 3, 4, 8, 16, 64)
rng, few, grid = np.random.default_rng(0), np.linspace(0.05, 0.95, 10), np.linspace(0, 1, 201)
figure, (axis,) = panels(1, 4.8)
for colour, group in zip(COLOURS, SIZES, strict=True):
    with in_precision("float64"):
        axis.plot(grid, np.asarray(group_factor(grid, group)), color=colour, label=f"G = {group}")
    groups = size(200_000, 2_000_000) // group
    reward = (rng.random((len(few), groups, group)) < few[:, None, None]).astype(float)
    spread = reward.std(axis=2, keepdims=True)
    gap = reward - reward.mean(axis=2, keepdims=True)
    scored = np.divide(gap, spread, where=spread > 0, out=np.zeros_like(gap))
    one = (scored * reward).mean(axis=2) / (few * (1 - few))[:, None]
    bars(axis, few, one.mean(axis=1), one.std(axis=1) / groups**0.5, colour)
axis.plot(grid[1:-1], 1 / np.sqrt(grid[1:-1] * (1 - grid[1:-1])), "k:", label=r"$G = \infty$")
axis.set(xlabel="success rate $r$", ylabel="$c_G(r)$", ylim=(0.9, 5), title="line: theory, points: sampled groups")
axis.legend(ncols=2)
save(figure, __file__)
