"""One-pass SGD: smaller batches add noise and raise the floor sigma^2 n / (1 - n)."""

import math

from common import COLOURS, logarithmic, panels, save, size
from sgd_resolvent_common import overlay

from theorylab.systems.sgd_resolvent import SGDResolvent, theory

CLAIM = "sgd_resolvent/one-pass"
figure, (axis,) = panels(1, 4.8)
for colour, batch in zip(COLOURS, (10, 40, 160), strict=False):
    system = SGDResolvent(spectrum="flat", samples=math.inf, dynamics="online", batch=batch, rate=0.05, steps=1000)
    mass = theory.host_kernel_mass(system)
    overlay({"loss": axis}, system, colour, f"B = {batch}, n = {mass:.3f}", size(16, 128))
    axis.axhline(0.09 * mass / (1 - mass), color=colour, lw=0.8, ls=":")
logarithmic(axis, "step", "test loss", "white data, D = 200; points: runs, dotted: floor")
save(figure, __file__)
