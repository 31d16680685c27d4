"""Lazy training generalises early and forgets it: accuracy against time, kernel flow and full-batch networks."""

import jax
import numpy as np
from equality_common import COLOURS, EqualityReasoning, plt, save

import theorylab as tl

figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
for colour, count in zip(COLOURS, (8, 16), strict=False):
    fields = {"dimension": 16, "symbols": count, "batch": float("inf"), "richness": 1e-3, "tests": 1024}
    system = EqualityReasoning(theory="kernel", width=4096, rate=0.5, steps=200, records=20, **fields)
    time = 0.5 * np.asarray(system.recorded())
    found = tl.compare.run(system, runs=4).rungs[-1]
    axis.plot(time, found.predicted["accuracy"], color=colour, label=f"{count} symbols")
    axis.errorbar(
        time,
        found.simulated["accuracy"],
        found.stderr["accuracy"],
        fmt="o",
        markersize=3,
        color=colour,
        linewidth=0.7,
    )
    late = EqualityReasoning(theory="kernel", rate=4.0, steps=500, records=20, **fields)
    curve = [tl.predict(late, key=jax.random.key(seed)).curves["accuracy"] for seed in range(4)]
    axis.plot(4.0 * np.asarray(late.recorded()), np.mean(curve, axis=0), ":", color=colour)
axis.set(xlabel="time (rate × steps)", ylabel="accuracy on novel symbols", xscale="log")
axis.legend(title="line: kernel flow, points: N = 4096\ndotted: kernel flow, other draws")
save(figure, __file__)
