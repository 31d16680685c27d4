"""Least mean square error of a sign in Gaussian noise, and what networks reach by backpropagation and EBD."""

import dataclasses

import numpy as np
from error_broadcast_common import COLOURS, KEY, ErrorBroadcast, bars, in_precision, plt, save

import theorylab as tl
from theorylab.systems.error_broadcast import theory_channel as channel

SNRS = np.array([0.25, 0.5, 1.0, 2.0])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
grid = np.geomspace(0.2, 5.0, 80)
with in_precision("float64"):
    curve, least = np.asarray(channel.mmse(grid)), np.asarray(channel.mmse(SNRS))
left.semilogx(grid, curve, color="black", label="least error")
for shift, colour, rule in zip((0.97, 1.03), COLOURS, ("bp", "ebd"), strict=False):
    system = ErrorBroadcast(model="channel", rule=rule, width=64, batch=64, rate=0.02, memory=200.0, steps=8000)
    found = [tl.simulate(dataclasses.replace(system, snr=snr), runs=8, key=KEY) for snr in SNRS]
    mean, error = (np.array([getattr(one, part)["mean_square"] for one in found]) for part in ("mean", "stderr"))
    bars(left, SNRS * shift, mean, error, color=colour, label=rule.upper())
    bars(right, SNRS * shift, mean - least, error, color=colour, label=rule.upper())
for axis in (left, right):
    axis.set_xticks(SNRS, [f"{snr:g}" for snr in SNRS], minor=False)
    axis.minorticks_off()
left.set_xticks(SNRS, [f"{snr:g}" for snr in SNRS])
left.minorticks_off()
left.set(xlabel=r"signal-to-noise ratio $\gamma$", ylabel="mean square error")
right.set(xlabel=r"signal-to-noise ratio $\gamma$", ylabel="above the least error", xscale="log")
right.set_xticks(SNRS, [f"{snr:g}" for snr in SNRS])
right.minorticks_off()
right.axhline(0.0, color="black", linewidth=1)
left.legend()
save(figure, __file__)
