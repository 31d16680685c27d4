"""Exponents of risk against the budget, N = M^l and K = M^(1 - l): formula, and slopes of the exact risk."""

import numpy as np
from common import COLOURS, panels, save, size

from theorylab.systems.rf_ensembles import theory_scaling

figure, (axis,) = panels(1, 4.8)
growth, few = np.linspace(0.05, 1, 96), size((0.2, 0.4, 0.6, 0.8, 1.0), np.linspace(0.1, 1, 10))
for colour, (capacity, r) in zip(COLOURS, ((1.5, 0.3), (1.5, 0.8), (2.0, 0.8), (1.2, 0.9)), strict=False):
    source = 1 + 2 * capacity * r
    exponents = [theory_scaling.budget_exponent(capacity, source, g) for g in growth]
    axis.plot(growth, exponents, color=colour, label=f"capacity {capacity}, r = {r}")
    slopes = [
        theory_scaling.local_exponents(capacity, source, g, np.array([0.1, 1]) * (1e8 if g >= 0.8 else 1e11))[0]
        for g in few
    ]
    axis.plot(few, slopes, "o", ms=4, color=colour)
axis.set(xlabel="growth l of the width", ylabel="exponent s", title="lines: formula; points: slope of the risk")
axis.legend()
save(figure, __file__)
