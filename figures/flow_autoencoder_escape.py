"""Escape from random weights takes log(dimension) samples a dimension; below a distance it never happens."""

import dataclasses

import jax
import numpy as np
from common import COLOURS, panels, predict, save, size

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder import theory_growth as growth

BASE = {"share": 0.5, "skip": "optimal", "duration": 40.0, "records": 160, "samples": 10}
RUNS = size(8, 32)
figure, axes = panels(2, 3.8)


def escape(curve: np.ndarray, time: np.ndarray) -> float:
    """First time at which |M| = 1."""
    above = np.abs(curve) > 1
    return float(time[np.argmax(above)]) if above.any() else np.nan


sizes = np.array([100, 200, 400, 800, 1600, 6400, 25600])
system = FlowAutoencoder(**BASE, dimension=400)
typical = []
for dimension in sizes:
    start = float(0.6745 / np.sqrt(dimension))  # the median of |M(0)|
    curve = predict(dataclasses.replace(system, overlap=start)).curves["overlap"][0]
    typical.append(escape(curve, system.coordinates()["time"]))
axes[0].plot(sizes, typical, color=COLOURS[0], label="theory from the median |M(0)|")
for dimension in size((100, 400), (100, 200, 400, 800)):
    system = FlowAutoencoder(**BASE, origin="random", dimension=dimension)
    keys = jax.random.split(jax.random.key(dimension), (RUNS, 2))
    curves = jax.jit(jax.vmap(lambda k, s=system: s.simulate(s.draw(k[0]), k[1])["overlap"][0]))(keys)
    found = [escape(np.asarray(curve), system.coordinates()["time"]) for curve in curves]
    label = f"SGD, median of {RUNS}" if dimension == 100 else None
    axes[0].plot(dimension, np.nanmedian(found), "o", color=COLOURS[1], label=label)
axes[0].set(xscale="log", xlabel="dimension d", ylabel="τ at which |M| = 1")
axes[0].legend()

rates = np.geomspace(0.1, 4.0, size(9, 33))
for colour, gains in zip(COLOURS, ("precond", "plain"), strict=False):
    found = [growth.threshold(FlowAutoencoder(dimension=float("inf"), gains=gains, rate=eta)) for eta in rates]
    axes[1].plot(rates, found, color=colour, label=f"{gains} gains")
axes[1].set(xscale="log", yscale="log", xlabel="learning rate η", ylabel="smallest distance $a_c$ that is learned")
axes[1].legend(title="theory")
save(figure, __file__)
