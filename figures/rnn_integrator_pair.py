"""A conjugate pair learns a damped oscillation: real eigenvalues meet, leave as a pair; near-parallel vectors trap."""

import dataclasses

import numpy as np
from common import COLOURS, panels, predict, save, simulate, size

from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import FIGURES

CLAIM = ("rnn_integrator/pair", "rnn_integrator/trap")
WIDTH = size(64, 256)
system = dataclasses.replace(RNNIntegrator.from_case(FIGURES.case("pair")), steps=3200, records=400, width=WIDTH)
theory, runs, time = predict(system), simulate(system, 1), np.asarray(system.coordinates()["time"])


def pair(trace, discriminant):
    """The two eigenvalues."""
    root = np.sqrt(discriminant.astype(complex))
    return 0.5 * (trace + root), 0.5 * (trace - root)


figure, axes = panels(3, 4.0)
for values in pair(theory.curves["trace"], theory.curves["discriminant"]):
    axes[0].plot(values.real, values.imag, color=COLOURS[0])
for values in pair(runs["trace"][0], runs["discriminant"][0]):
    axes[0].plot(values.real[::8], values.imag[::8], "o", markersize=3, color=COLOURS[1])
poles = 0.9 * np.exp(1j * np.array([0.5, -0.5]))
axes[0].plot(poles.real, poles.imag, "kx")
axes[0].set(xlabel="Re λ", ylabel="Im λ")
axes[1].plot(time, theory.curves["discriminant"], color=COLOURS[0], label="theory")
axes[1].plot(time[::8], runs["discriminant"][0][::8], "o", markersize=3, color=COLOURS[1], label=f"N = {WIDTH}")
axes[1].axvline(theory.facts["coalescence_time"], color="k", linestyle=":", label="coalescence")
axes[1].set(xlabel="time (rate × steps)", ylabel="discriminant")
axes[1].legend()
trapped = RNNIntegrator.from_case(FIGURES.case("trap"))
for colour, across in zip(COLOURS, (1e-1, 1e-2, 1e-3), strict=False):
    one = dataclasses.replace(trapped, across=across)
    time = np.asarray(one.coordinates()["time"])
    axes[2].plot(time, predict(one).curves["loss"], color=colour, label=f"asymmetry {across:g}")
    axes[2].plot(time, simulate(one, 1)["loss"][0], "o", markersize=3, color=colour)
axes[2].axhline(0.687205, color="k", linestyle=":", linewidth=0.8)
axes[2].set(xlabel="time (rate × steps)", ylabel="population loss")
axes[2].legend()
save(figure, __file__)
