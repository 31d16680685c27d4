"""Random features: the test loss levels off at the ridgeless value of eq. (15), by features or by data."""

import math

import numpy as np
from sgd_resolvent_common import COLOURS, finish, overlay, panels, save

from theorylab.solvers.resolvent import Modes
from theorylab.systems.sgd_resolvent import SGDResolvent, setting, theory_limits

figure, axes = panels(2)
sweeps = ([(400, 25), (400, 50), (400, 100)], [(50, 100), (200, 100), (800, 100)])
for panel, sizes in zip(axes[0], sweeps, strict=True):
    for colour, (samples, width) in zip(COLOURS, sizes, strict=False):
        system = SGDResolvent(samples=samples, width=width, dynamics="flow", horizon=1e4)
        overlay(panel, system, "loss", colour, f"P = {samples}, N = {width}", 40)
        modes = Modes(*(np.asarray(x) for x in setting.spectrum(system)))
        plateau = float(theory_limits.ridge_loss(modes, samples, width, system.noise))
        assert math.isfinite(plateau)
        panel.axhline(plateau, color=colour, lw=0.8, ls=":")
    finish(panel, "time (rate x steps)", "test loss", "dotted: ridgeless limit")
save(figure, "random_features")
