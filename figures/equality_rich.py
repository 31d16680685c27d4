"""Accuracy on novel symbols against the number of training symbols, rich to lazy; dashed: the paper's heuristic."""

import numpy as np
from equality_common import COLOURS, EqualityReasoning, bars, last, plt, save, simulated

from theorylab.systems.equality_reasoning.theory_cone import paper_accuracy

COUNTS = (2, 3, 4, 8)
figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
for colour, richness in zip(COLOURS, (1.0, 0.25), strict=False):
    systems = [
        EqualityReasoning(dimension=64, symbols=n, richness=richness, width=1024, steps=600, records=1, tests=512)
        for n in COUNTS
    ]
    theory = [last(s, 4, particles=1024, scrambles=2)["accuracy"] for s in systems]
    axis.plot(COUNTS, [t[0] for t in theory], color=colour, label=f"richness {richness}")
    bars(axis, COUNTS, [simulated(s, 4)["accuracy"] for s in systems], color=colour)
lazy = [
    last(EqualityReasoning(symbols=n, theory="kernel", richness=1e-3, rate=1.0, steps=200, records=1, tests=512), 4)
    for n in COUNTS
]
axis.plot(COUNTS, [one["accuracy"][0] for one in lazy], color=COLOURS[2], label="lazy limit")
axis.plot(COUNTS, np.asarray(paper_accuracy(np.array(COUNTS))), "k--", linewidth=1, label="heuristic")
axis.set(xlabel="training symbols", ylabel="accuracy on novel symbols", xscale="log", xticks=COUNTS)
axis.minorticks_off()
axis.set_xticklabels([str(n) for n in COUNTS])
axis.axhline(0.5, color="0.6", linewidth=0.5)
axis.legend(title="line: theory, points: N = 1024, d = 64", loc=(0.42, 0.06), fontsize=8, title_fontsize=8)
save(figure, __file__)
