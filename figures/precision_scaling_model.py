"""The solvable model: degradation against time for 4 to 8 bits, and the rounded loss that turns up."""

import jax
import numpy as np
from common import COLOURS, bars, panels, predict, save, size

import theorylab as tl
from theorylab.systems.precision_scaling import PrecisionScaling

CLAIM = ("precision_scaling/bits", "precision_scaling/growth", "precision_scaling/turning")
system = PrecisionScaling(bits=(4.0, 5.0, 6.0, 7.0, 8.0), records=9)
prediction = predict(system)
runs = tl.simulate(system, runs=size(2048, 32768), key=jax.random.key(0))
time = np.asarray(system.coordinates()["time"])
figure, (left, right) = panels(2, 4.5)
loss = np.asarray(prediction.curves["loss"])
for i, (bits, colour) in enumerate(zip(system.bits, COLOURS, strict=False)):
    added, mean, error = prediction.curves["noise"][i], runs.mean["noise"][i], runs.stderr["noise"][i]
    left.plot(time, added, color=colour, lw=1.2, label=f"{bits:g} bits")
    bars(left, time, mean, error, colour)
    if bits <= 6:
        right.plot(time, loss + added, color=colour, lw=1.2)
        bars(right, time, runs.mean["loss"] + mean, error, colour)
        right.axvline(float(prediction.facts["critical_time"][i]), color=colour, ls=":", lw=1)
right.plot(time, loss, "k-", lw=1.2, label="full precision")
right.plot([], [], "k:", lw=1, label="critical time")
left.set(xscale="log", yscale="log", xlabel="flow time t", ylabel="loss added by rounding")
right.set(xscale="log", yscale="log", xlabel="flow time t", ylabel="loss after rounding")
left.set_ylim(bottom=1e-6)
left.legend(ncols=5, loc="lower center", columnspacing=1, handlelength=1)
right.legend()
save(figure, __file__)
