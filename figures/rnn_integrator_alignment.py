"""Time to half the loss grows as the logarithm of the inverse initial length, with slope one."""

import dataclasses

import jax
import numpy as np
from common import COLOURS, panels, predict, save, simulate, size

from theorylab.core.casting import in_precision
from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import timescale

system = RNNIntegrator(dynamics="flow", timescale=timescale(0.9), scale=0.1, rate=1e-3, steps=12000, records=3000)
scales = np.geomspace(1e-4, 0.3, size(12, 40))
with in_precision("float64"):
    numerics = system.numerics(None)
    half = jax.jit(
        jax.vmap(lambda c: dataclasses.replace(system, scale=c).predict(None, numerics).facts["half_loss_time"])
    )(scales)
figure, (axis,) = panels(1, 4.8)
axis.plot(np.log(1 / scales), half, color=COLOURS[0], label="theory")
axis.plot(np.log(1 / scales), np.log(1 / scales) + 0.00513, ":", color="k", label="ln(1/c) + 0.0051")
for c in size((0.3, 0.1, 0.03), (0.3, 0.1, 0.03, 0.01, 0.003)):
    run = dataclasses.replace(system, scale=c, steps=6000, width=size(64, 256))
    loss = simulate(run, 1)["loss"][0]
    crossing = np.interp(0.5 * loss[0], loss[::-1], np.asarray(run.coordinates()["time"])[::-1])
    axis.plot([np.log(1 / c)], [crossing], "o", color=COLOURS[1], label=f"N = {run.width}" if c == 0.3 else None)
axis.set(xlabel="ln(1 / initial length)", ylabel="half-loss time")
axis.legend()
assert predict(dataclasses.replace(system, scale=0.1)).facts["half_loss_time"] > 2.3
save(figure, __file__)
