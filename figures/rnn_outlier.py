"""One outlier eigenvalue learns an integrator: plateau, sharp rise, saturation at the pole."""

import matplotlib.pyplot as plt
from rnn_common import COLOURS, predict, save, simulate, times

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import timescale

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for colour, pole in zip(COLOURS, (0.8, 0.9, 0.95), strict=False):
    system = RNNIntegrator(
        dynamics="flow", timescale=timescale(pole), horizon=100, scale=0.1, rate=5e-4, steps=8000, width=64
    )
    theory, runs, time = predict(system), simulate(system, 1), times(system)
    for axis, name in ((left, "overlap"), (right, "loss")):
        axis.plot(time, theory.curves[name], color=colour, label=f"pole {pole}")
        axis.plot(time, runs[name][0], "o", color=colour, markersize=3)
    left.axhline(pole, color=colour, linewidth=0.5, linestyle=":")
left.set(xlabel="time (rate × steps)", ylabel="outlier eigenvalue")
right.set(xlabel="time (rate × steps)", ylabel="population loss")
left.legend(title="line: theory, points: N = 64")
save(figure, __file__)
