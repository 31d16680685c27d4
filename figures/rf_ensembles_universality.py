"""ReLU features on the digits set: ensembles predicted from the kernel's measured spectrum."""

import jax.numpy as jnp
import numpy as np
from common import COLOURS, logarithmic, panels, points, save, simulate, size
from rf_ensembles_common import risks

from theorylab.data import digits
from theorylab.solvers.resolvent import equal_modes
from theorylab.systems.rf_ensembles import RFEnsembles

CLAIM = "rf_ensembles/universality"
figure, axes = panels(2, 4.6)
modes = equal_modes(*(jnp.asarray(x) for x in digits.kernel_spectrum()))
ridges = np.geomspace(1e-5, 0.1, 60)
for axis, width, count in zip(axes, (100, size(300, 1000)), size((8, 4), (64, 32)), strict=True):
    system = RFEnsembles(
        spectrum="digits", dimension=1797, samples=300, width=width, members=4, noise=0.0, ridge_high=0.1, ridges=7
    )
    runs = simulate(system, count, tile=4)
    for colour, members, name in zip(COLOURS, (1, 4), ("member_risk", "risk"), strict=False):
        axis.plot(ridges, risks(modes, ridges, 300, width, members, 0.0).risk, color=colour, label=f"K = {members}")
        points(axis, np.asarray(system.coordinates()["ridge"]), runs[name], colour)
    logarithmic(axis, "ridge", "risk", f"digits, 300 samples, N = {width}; points: {count} runs")
save(figure, __file__)
