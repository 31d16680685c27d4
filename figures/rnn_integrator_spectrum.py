"""Spectrum of the recurrent matrix at four times: a disk of radius g, and one real outlier that leaves it."""

import dataclasses

import jax
import numpy as np
from common import COLOURS, panels, predict, save, size

from theorylab.networks import rnn
from theorylab.systems.rnn_integrator import RNNIntegrator
from theorylab.systems.rnn_integrator.presets import BULK

CLAIM = "rnn_integrator/outlier"
n, lags = size(200, 800), np.arange(20)
system = RNNIntegrator(**BULK, bulk=0.3, width=n)
target, weights = 0.85**lags, np.ones(20)
rng = np.random.default_rng(0)
direction = np.eye(n)[0]
w = 0.3 * rng.standard_normal((n, n)) / np.sqrt(n)
slope = jax.jit(rnn.grads)
figure, axes = panels(4, 3.2, 2.3, sharex=True, sharey=True)
circle = np.exp(1j * np.linspace(0, 2 * np.pi, 200))
shown = (0, 60, 75, 140)
for step in range(141):
    if step in shown:
        axis = axes[shown.index(step)]
        values = np.linalg.eigvals(w)
        axis.plot(values.real, values.imag, ".", markersize=3, color=COLOURS[0])
        axis.plot(0.3 * circle.real, 0.3 * circle.imag, color="0.5", linewidth=0.8)
        if step > 0:
            theory = predict(dataclasses.replace(system, steps=step, records=1))
            axis.plot([theory.facts["outlier"]], [0.0], "x", color=COLOURS[1], label="theory: outlier")
        axis.plot([0.85], [0.0], "|", color="k", markersize=12, label="target's pole")
        axis.set(title=f"step {step}", xlabel="Re λ", aspect="equal")
    w = w - 5e-3 * np.asarray(slope(rnn.RNN(w, direction, direction), target, weights).recurrent)
axes[0].set_ylabel("Im λ")
axes[1].legend(fontsize=7, loc="lower right")
save(figure, __file__)
