"""How often the better of two formats wins: by the control number of noise, sampled and predicted."""

import jax.numpy as jnp
import numpy as np
from rl_common import COLOURS, RLPosttraining, both, in_precision, panels, points, save

import theorylab as tl
from theorylab.systems.rl_posttraining.presets import WINNER
from theorylab.systems.rl_posttraining.theory_noise import constant_noise_probability

RUNS, GAPS = 4096, np.array([0.0, 0.03, 0.06, 0.1, 0.15])
figure, axes = panels(1)
for colour, (rate, advantage, group, batch) in zip(
    COLOURS, ((4.0, "baseline", 1, 8), (2.0, "baseline", 1, 8), (2.0, "grpo", 4, 4)), strict=False
):
    numbers, wins, theory = [], [], []
    for gap in GAPS:
        how = {"advantage": advantage, "group": group, "batch": batch, "rate": rate}
        system = RLPosttraining(**{**WINNER, **how, "accuracy": ((0.5 + gap / 2, 0.5 - gap / 2),)})
        curves, found = both(system, RUNS)
        numbers.append(float(tl.predict(system).facts["control_number"]))
        theory.append(float(curves["wins"]))
        wins.append(float(found.mean["wins"]))
    rate_ = np.array(wins)
    axes[0, 0].plot(numbers, theory, color=colour, label=f"{advantage}, rate {rate:g}, {batch * group} rollouts")
    points(axes[0, 0], numbers, rate_, np.sqrt(rate_ * (1 - rate_) / RUNS), colour)
with in_precision("float64"):
    grid = np.linspace(0, 2.4, 60)
    # at a given control number only the product with the barrier counts
    level = [float(constant_noise_probability(0.0, 2.0, jnp.array([0.5 + x / 32, 0.5 - x / 32]), 4.0, 1.0,
                                              overshoot=False)) for x in grid]  # fmt: skip
    axes[0, 0].plot(grid, level, "k:", linewidth=1, label="eq. (27), no overshoot")
axes[0, 0].set(
    xlabel=r"control number $\kappa = M\Delta/\eta\bar V$", ylabel="the better format wins", xlim=(-0.05, 2.5)
)
axes[0, 0].legend(fontsize=8)
save(figure, __file__)
