"""Accuracy on novel symbols against the number of training symbols, rich to lazy; dashed: the paper's heuristic."""

import numpy as np
from common import COLOURS, bars, panels, save, size, ticks
from equality_reasoning_common import EqualityReasoning, last

import theorylab as tl
from theorylab.systems.equality_reasoning.theory_cone import paper_accuracy

CLAIM = ("equality_reasoning/rich", "equality_reasoning/two")
COUNTS, DRAWS, WIDTH = size((2, 3, 4, 8), (2, 3, 4, 6, 8, 16)), size(4, 16), size(1024, 2048)
RICH = {"dimension": 64, "width": WIDTH, "steps": size(400, 1000), "records": 1, "tests": 512}
LAZY = {"theory": "kernel", "richness": 1e-3, "rate": 1.0, "steps": 200, "records": 1, "tests": 512}
NUMERICS = {"particles": WIDTH, "scrambles": 2}
figure, (axis,) = panels(1, 5.2)
for colour, richness in zip(COLOURS, (1.0, 0.25), strict=False):
    systems = [EqualityReasoning(symbols=n, richness=richness, **RICH) for n in COUNTS]
    # theory and networks have the same symbols
    found = [tl.compare.run(one, runs=DRAWS, numerics=NUMERICS).rungs[-1] for one in systems]
    axis.plot(COUNTS, [one.predicted["accuracy"][-1] for one in found], color=colour, label=f"richness {richness}")
    mean, error = [one.simulated["accuracy"][-1] for one in found], [one.stderr["accuracy"][-1] for one in found]
    bars(axis, COUNTS, mean, error, colour)
lazy = [last(EqualityReasoning(symbols=n, **LAZY), DRAWS)["accuracy"][0] for n in COUNTS]
axis.plot(COUNTS, lazy, color=COLOURS[2], label="lazy limit")
axis.plot(COUNTS, np.asarray(paper_accuracy(np.array(COUNTS))), "k--", linewidth=1, label="heuristic")
axis.set(xlabel="training symbols", ylabel="accuracy on novel symbols", xscale="log")
ticks(axis, COUNTS)
axis.axhline(0.5, color="0.6", linewidth=0.5)
axis.legend(title=f"line: theory, points: N = {WIDTH}, d = 64", loc=(0.42, 0.06))
save(figure, __file__)
