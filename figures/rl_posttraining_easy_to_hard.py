"""Easy to hard: the rate at which held-out success starts, against the covariance of the accuracies."""

import numpy as np
from common import COLOURS, panels, points, save, size
from rl_posttraining_common import SHARES, both

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.theory_closed import transfer_rate

CLAIM = "rl_posttraining/easy-to-hard"
EASY = (0.8, 0.6, 0.3)
HARD = {"alike": (0.5, 0.3, 0.1), "flat": (0.3, 0.3, 0.3), "reversed": (0.1, 0.3, 0.5), "middle": (0.2, 0.5, 0.1)}
figure, axes = panels(2)
for colour, (name, hard) in zip(COLOURS, HARD.items(), strict=False):
    plain = {"shares": SHARES, "accuracy": (EASY,), "held_out": (hard,), "advantage": "baseline", "rate": 0.1}
    system = RLPosttraining(**plain, steps=400, records=10)
    theory, runs = both(system, size(16, 64))
    x = np.asarray(system.coordinates()["time"])
    axes[0].plot(x, theory["held_out"], color=colour, label=name)
    points(axes[0], x, runs["held_out"], colour)
    with in_precision("float64"):
        rate = float(transfer_rate(SHARES, EASY, hard, "euclid"))
    _, runs = both(RLPosttraining(**plain, steps=10, records=1), size(64, 512))
    points(axes[1], rate, runs["held_out"][:, -1] - runs["held_out"][:, 0], colour, label=name)
ends = axes[1].get_xlim()
axes[1].plot(ends, ends, "k-", linewidth=1)
axes[0].set(xlabel="time (rate x steps)", ylabel="pass@1 at hard questions", title="line: theory, points: sampled")
axes[1].set(xlabel=r"$a^H\cdot F^2a^E$, eq. (16)", ylabel="gain per time over the first unit of time")
axes[1].locator_params(nbins=5)
axes[1].legend(title="hard accuracies")
save(figure, __file__)
