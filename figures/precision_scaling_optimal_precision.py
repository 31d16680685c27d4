"""The best precision: the same for every budget where size is free, growing like its logarithm at a given size."""

import dataclasses

import numpy as np
from common import COLOURS, panels, save, size
from precision_scaling_laws_common import laws

from theorylab.systems.precision_scaling import theory_optima as optima

CLAIM = ("precision_scaling/compute", "precision_scaling/fixed-size")
figure, axes = panels(2, 4.2)
P = np.linspace(5, 16, 200)
offset = laws.published(offsets=True)
for colour, budget in zip(COLOURS, (1e19, 1e20, 1e21, 1e22), strict=False):
    found = np.asarray(optima.allocation(budget, P, offset).loss)
    axes[0].plot(P, found - found.min(), color=colour, label=f"C = {budget:.0e}")
axes[0].axvline(float(optima.joint_precision(offset)), color="k", linewidth=0.8, linestyle="--")
axes[0].set(xlabel="bits P of all parts", ylabel="loss above the best [nats/token]", title="N and D free, published")
axes[0].legend()
equal = dataclasses.replace(laws.published(), gamma=np.full(3, 2.0))
budgets = np.geomspace(1e17, 1e25, size(33, 129))
for colour, parameters in zip(COLOURS, (1e7, 1e8, 1e9), strict=False):
    best = [float(optima.precision_at_size(parameters, budget, equal)) for budget in budgets]
    axes[1].plot(budgets, best, color=colour, label=f"N = {parameters:.0e}")
slope = equal.beta * 2.0
axes[1].plot(budgets, 12 + slope * np.log(budgets / 1e21), "k--", linewidth=0.8, label="slope $\\beta\\gamma$")
axes[1].axhline(float(optima.joint_precision(equal)), color="k", linewidth=0.8, linestyle=":", label="N free")
axes[1].set(xscale="log", xlabel="budget C", ylabel="best bits P", title="N given, $\\gamma$ = 2", ylim=(0, None))
axes[1].legend()
save(figure, __file__)
