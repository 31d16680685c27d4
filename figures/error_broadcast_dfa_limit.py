"""Error broadcast without forgetting is direct feedback alignment; how far shorter memories are from it."""

import dataclasses
import math

import jax
import numpy as np
from common import COLOURS, panels, points, predict, save, simulate, size

from theorylab.systems.error_broadcast import ErrorBroadcast

CLAIM = "error_broadcast/dfa-limit"
MEMORY = np.geomspace(2.0, 2000.0, size(5, 11))
system = ErrorBroadcast(steps=size(1000, 4000), records=20, memory=math.inf)
RUNS, problem = size(8, 32), system.draw(jax.random.key(0))


def curves(**changes: object) -> tuple[np.ndarray, np.ndarray]:
    """Mean square error in time, of runs and of the flow: one problem, whatever the rule."""
    one = dataclasses.replace(system, **changes)
    flow = predict(one, problem).curves["mean_square"]
    return simulate(one, RUNS, tile=RUNS, instance=problem)["mean_square"], np.asarray(flow)


dfa, dfa_flow = curves(rule="dfa")
time = np.asarray(system.coordinates()["time"])
figure, (left, right) = panels(2, 4.5)
left.plot(time, dfa.mean(0), color="k", label="direct feedback alignment")
for colour, (memory, name) in zip(COLOURS, ((math.inf, r"$\lambda$ = 1"), (5.0, r"$\tau$ = 5")), strict=False):
    runs, _ = curves(memory=memory)
    points(left, time, runs, colour, label=f"error broadcast, {name}", capsize=0)
    if math.isinf(memory):
        right.set_title(rf"$\lambda$ = 1: largest difference {np.abs(runs - dfa).max():g}")
found = [curves(memory=memory) for memory in MEMORY]
gaps = np.stack([np.abs(runs - dfa).max(1) for runs, _ in found], 1)
points(right, MEMORY, gaps, COLOURS[1], label="networks")
right.plot(MEMORY, [np.abs(flow - dfa_flow).max() for _, flow in found], color=COLOURS[0], label="flow")
left.set(xlabel="time (rate x steps)", ylabel="mean square error")
right.set(xscale="log", yscale="log", xlabel=r"memory $\tau$", ylabel="largest difference from DFA in time")
left.legend()
right.legend()
save(figure, __file__)
