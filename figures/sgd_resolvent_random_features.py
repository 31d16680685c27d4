"""Random features: the test loss levels off at the ridgeless value of eq. (15), by features or by data."""

import math

import numpy as np
from common import COLOURS, logarithmic, panels, save, size
from sgd_resolvent_common import overlay

from theorylab.solvers.resolvent import Modes
from theorylab.systems.sgd_resolvent import SGDResolvent, setting, theory_limits

CLAIM = "sgd_resolvent/random-features"
figure, axes = panels(2, 4.6)
SWEEPS = [(400, 25), (400, 50), (400, 100)], [(50, 100), (200, 100), (size(400, 800), 100)]
for axis, sizes in zip(axes, SWEEPS, strict=True):
    for colour, (samples, width) in zip(COLOURS, sizes, strict=False):
        system = SGDResolvent(samples=samples, width=width, dynamics="flow", horizon=1e4)
        overlay({"loss": axis}, system, colour, f"P = {samples}, N = {width}", size(32, 256))
        modes = Modes(*(np.asarray(x) for x in setting.spectrum(system)))
        plateau = float(theory_limits.ridge_loss(modes, samples, width, system.noise))
        assert math.isfinite(plateau)
        axis.axhline(plateau, color=colour, lw=0.8, ls=":")
    axis.set_ylim(0.035, 0.4)
    logarithmic(axis, "time (rate x steps)", "test loss", "points: runs, dotted: ridgeless limit")
save(figure, __file__)
