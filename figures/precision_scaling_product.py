"""Factors multiply: fitted on runs with one part in low precision, the law predicts runs with several."""

import numpy as np
from common import COLOURS, panels, save, size
from precision_scaling_laws_common import synthetic

from theorylab.systems.precision_scaling.fitting import fit

CLAIM = "precision_scaling/effective"
table = synthetic(runs=size(1500, 5000))
low = sum(np.isfinite(table[name]).astype(int) for name in ("P_w", "P_a", "P_kv"))
found = fit(table, held_out=low > 1, bootstraps=0)
held = found.held_out
assert held is not None
figure, axes = panels(2, 4.2)
ends = [table["loss"].min(), table["loss"].max()]
axes[0].plot(ends, ends, "k", linewidth=0.8)
for colour, number in zip(COLOURS, (1, 2, 3), strict=False):
    rows = low == number
    axes[0].plot(table["loss"][rows], np.exp(held.predicted[rows]), ".", color=colour, markersize=3)
    error = np.sqrt(np.mean((held.predicted - np.log(table["loss"]))[rows] ** 2))
    label = f"{number} part{'s' * (number > 1)} low{' (fitted)' * (number == 1)}: rms {error:.4f}"
    axes[0].plot([], [], ".", color=colour, label=label)
axes[0].set(xlabel="synthetic loss, noise .004 [nats/token]", ylabel="predicted loss [nats/token]")
axes[0].legend(loc="lower right")
names = [found.law, *(one.name for one in found.rivals)]
axes[1].barh(range(len(names)), [held.rms, *(one.rms for one in found.rivals)], color=[COLOURS[1]] + [COLOURS[0]] * 9)
axes[1].set(
    yticks=range(len(names)),
    yticklabels=names,
    xscale="log",
    xlim=(2e-3, None),
    xlabel="rms error of ln L, several parts low",
)
axes[1].invert_yaxis()
save(figure, __file__)
