"""Easy to hard: the rate at which held-out success starts, against the covariance of the accuracies."""

import numpy as np
from rl_common import COLOURS, RLPosttraining, both, in_precision, panels, points, save

from theorylab.systems.rl_posttraining.theory_closed import transfer_rate

EASY, SHARES = (0.8, 0.6, 0.3), (0.3, 0.5, 0.2)
HARD = {"alike": (0.5, 0.3, 0.1), "flat": (0.3, 0.3, 0.3), "reversed": (0.1, 0.3, 0.5), "middle": (0.2, 0.5, 0.1)}
figure, axes = panels(2)
for colour, (name, hard) in zip(COLOURS, HARD.items(), strict=False):
    plain = {"shares": SHARES, "accuracy": (EASY,), "held_out": (hard,), "advantage": "baseline", "rate": 0.1}
    system = RLPosttraining(**plain, steps=400, records=10)
    theory, found = both(system, 16)
    x = np.asarray(system.coordinates()["time"])
    axes[0, 0].plot(x, theory["held_out"], color=colour, label=name)
    points(axes[0, 0], x, found.mean["held_out"], found.stderr["held_out"], colour)
    with in_precision("float64"):
        rate = float(transfer_rate(SHARES, EASY, hard, "euclid"))
    early = RLPosttraining(**plain, steps=10, records=1)
    _, found = both(early, 64)
    gain = (np.asarray(found.curves["held_out"])[:, -1] - np.asarray(found.curves["held_out"])[:, 0]) / 1.0
    points(axes[0, 1], rate, gain.mean(), gain.std() / 8, colour, label=name)
ends = axes[0, 1].get_xlim()
axes[0, 1].plot(ends, ends, "k-", linewidth=1)
axes[0, 0].set(xlabel="time (rate x steps)", ylabel="pass@1 at hard questions")
axes[0, 1].set(xlabel=r"$a^H\cdot F^2a^E$, eq. (16)", ylabel="gain per time over the first unit of time")
axes[0, 1].locator_params(nbins=5)
axes[0, 1].legend(title="hard accuracies", fontsize=8)
save(figure, __file__)
