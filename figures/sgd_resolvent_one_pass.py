"""One-pass SGD: smaller batches add noise and raise the floor sigma^2 n / (1 - n)."""

import math

from sgd_resolvent_common import COLOURS, finish, overlay, panels, save

from theorylab.systems.sgd_resolvent import SGDResolvent, theory

figure, axes = panels(1)
panel = axes[0, 0]
for colour, batch in zip(COLOURS, (10, 40, 160), strict=False):
    system = SGDResolvent(spectrum="flat", samples=math.inf, dynamics="online", batch=batch, rate=0.05, steps=1000)
    mass = theory.host_kernel_mass(system)
    overlay(panel, system, "loss", colour, f"B = {batch}, n = {mass:.3f}", 24)
    panel.axhline(0.09 * mass / (1 - mass), color=colour, lw=0.8, ls=":")
finish(panel, "step", "test loss", "white data, D = 200; dotted: floor")
save(figure, "one_pass")
