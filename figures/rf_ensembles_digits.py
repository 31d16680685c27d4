"""ReLU features on the digits set: ensembles predicted from the kernel's measured spectrum."""

import jax.numpy as jnp
import numpy as np
from rf_ensembles_common import COLOURS, finish, panels, points, risks, runs_of, save

from theorylab.data import digits
from theorylab.solvers.resolvent import equal_modes
from theorylab.systems.rf_ensembles import RFEnsembles

figure, axes = panels(2)
modes = equal_modes(*(jnp.asarray(x) for x in digits.kernel_spectrum()))
ridges = np.geomspace(1e-5, 0.1, 60)
for panel, width, count in zip(axes[0], (100, 1000), (16, 4), strict=True):
    system = RFEnsembles(
        spectrum="digits", dimension=1797, samples=300, width=width, members=4, noise=0.0, ridge_high=0.1, ridges=7
    )
    runs = runs_of(system, count)
    for colour, members, name in zip(COLOURS, (1, 4), ("member_risk", "risk"), strict=False):
        panel.plot(ridges, risks(modes, ridges, 300, width, members, 0.0).risk, color=colour, label=f"K = {members}")
        points(panel, np.asarray(system.coordinates()["ridge"]), runs[name], colour)
    finish(panel, "ridge", "risk", f"digits, 300 samples, N = {width}; points: {count} runs")
save(figure, "digits")
