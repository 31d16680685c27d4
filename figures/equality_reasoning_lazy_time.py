"""Lazy training generalises early and forgets it: accuracy against time, kernel flow and full-batch networks."""

import jax
import numpy as np
from common import COLOURS, bars, panels, save, size
from equality_reasoning_common import EqualityReasoning

import theorylab as tl

WIDTH = size(4096, 8192)
figure, (axis,) = panels(1, 5)
for colour, count in zip(COLOURS, (8, 16), strict=False):
    fields = {"dimension": 16, "symbols": count, "batch": float("inf"), "richness": 1e-3, "tests": 1024}
    system = EqualityReasoning(theory="kernel", width=WIDTH, rate=0.5, steps=size(100, 400), records=20, **fields)
    time = 0.5 * np.asarray(system.recorded())
    found = tl.compare.run(system, runs=size(4, 16)).rungs[-1]
    axis.plot(time, found.predicted["accuracy"], color=colour, label=f"{count} symbols")
    bars(axis, time, found.simulated["accuracy"], found.stderr["accuracy"], colour)
    late = EqualityReasoning(theory="kernel", rate=4.0, steps=500, records=20, **fields)
    curve = [tl.predict(late, key=jax.random.key(seed)).curves["accuracy"] for seed in range(4)]
    axis.plot(4.0 * np.asarray(late.recorded()), np.mean(curve, axis=0), ":", color=colour)
axis.axhline(0.5, color="0.6", linewidth=0.5)
axis.set(xlabel="time (rate × steps)", ylabel="accuracy on novel symbols", xscale="log")
axis.legend(title=f"line: kernel flow, points: N = {WIDTH}\ndotted: kernel flow, other draws")
save(figure, __file__)
