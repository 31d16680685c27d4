"""How often the better of two formats wins: by the control number of noise, sampled and predicted."""

import jax.numpy as jnp
import numpy as np
from common import COLOURS, bars, panels, predict, save, simulate, size

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import WINNER
from theorylab.systems.rl_posttraining.theory_noise import constant_noise_probability

CLAIM = "rl_posttraining/noise"
RUNS, LINE = size(2048, 8192), np.linspace(0.0, 0.15, 16)
SHOWN = {
    "baseline, rate 4, 8 rollouts": {"advantage": "baseline", "group": 1, "batch": 8, "rate": 4.0},
    "baseline, rate 2, 8 rollouts": {"advantage": "baseline", "group": 1, "batch": 8, "rate": 2.0},
    "grpo, rate 2, 16 rollouts": {"advantage": "grpo", "group": 4, "batch": 4, "rate": 2.0},
}
figure, (axis,) = panels(1, 4.8)
for colour, (label, how) in zip(COLOURS, SHOWN.items(), strict=False):
    systems = [RLPosttraining(**{**WINNER, **how, "accuracy": ((0.5 + g / 2, 0.5 - g / 2),)}) for g in LINE]
    theory = [predict(one) for one in systems]
    numbers = [float(one.facts["control_number"]) for one in theory]
    axis.plot(numbers, [float(one.curves["wins"]) for one in theory], color=colour, label=label)
    few = [i for i in range(0, len(LINE), size(5, 2)) if numbers[i] < 2.5]
    won = np.array([simulate(systems[i], RUNS, tile=1024)["wins"].mean() for i in few])
    bars(axis, [numbers[i] for i in few], won, np.sqrt(won * (1 - won) / RUNS), colour)
with in_precision("float64"):
    grid = np.linspace(0, 2.4, 60)
    # at a given control number only the product with the barrier counts
    level = [float(constant_noise_probability(0.0, 2.0, jnp.array([0.5 + x / 32, 0.5 - x / 32]), 4.0, 1.0,
                                              overshoot=False)) for x in grid]  # fmt: skip
    axis.plot(grid, level, "k:", linewidth=1, label="eq. (27), no overshoot")
axis.set(xlabel=r"control number $\kappa = M\Delta/\eta\bar V$", ylabel="the better format wins", xlim=(-0.05, 2.5))
axis.legend(title="line: theory, points: sampled")
save(figure, __file__)
