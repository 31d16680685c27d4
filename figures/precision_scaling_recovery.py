"""Known constants come back from synthetic runs, with intervals that cover them."""

import jax
import numpy as np
from common import COLOURS, plt, save, size
from precision_scaling_laws_common import PUBLISHED, synthetic

from theorylab.systems.precision_scaling.fitting import fit

REPEATS = size(12, 50)
known = {name: float(getattr(PUBLISHED, name)) for name in ("A", "alpha", "B", "beta", "E")}
known |= {f"gamma_{s}": float(g) for s, g in zip(("w", "a", "kv"), np.asarray(PUBLISHED.gamma), strict=True)}
found = [fit(synthetic(seed), key=jax.random.key(seed), compare=False, held_out="none") for seed in range(REPEATS)]
figure, axes = plt.subplots(2, 4, figsize=(9, 4), layout="constrained")
total = 0
for axis, (name, truth) in zip(axes.flat, known.items(), strict=True):
    ends = np.array([one.intervals[name] for one in found])
    covers = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    total += covers.sum()
    for i, one in enumerate(found):
        colour = COLOURS[0] if covers[i] else COLOURS[1]
        axis.plot([i, i], ends[i], color=colour)
        axis.plot(i, one.estimates[name], "o", color=colour, markersize=3)
    axis.axhline(truth, color="k", linewidth=0.8)
    axis.set(title=f"{name}: {covers.sum()} of {REPEATS}", xticks=[])
figure.suptitle(f"500 runs in 25 cells, noise .004: 95 % intervals cover {100 * total / REPEATS / 8:.0f} %")
save(figure, __file__)
