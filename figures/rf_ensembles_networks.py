"""One network against an average of smaller ones of the same total size, on the digits at a small grid.

`python -m theorylab.compare rf_ensembles --preset networks` draws the same at full size, and for Markov text.
"""

from rf_ensembles_common import save

from theorylab.engine.cells import StoredCells
from theorylab.engine.store import default_root
from theorylab.systems.rf_ensembles import networks

cells = StoredCells("rf_ensembles", default_root())
grid = {"members": (1, 4), "richness": (3.0, 6.0), "decay": (0.0, 0.2, 0.4)}
task = networks.digits_task("data-limited", 300, 64, runs=4, steps=200, **grid)
outcome = networks.outcome(cells, [task], widen=0)
print(*outcome.findings, sep="\n")
(draw,) = outcome.figures.values()
save(draw(), "networks")
