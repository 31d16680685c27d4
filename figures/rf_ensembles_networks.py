"""One network against an average of smaller ones of the same total size, on the digits at a small grid.

`--preset paper` trains the two tasks on digits of `python -m theorylab.compare rf_ensembles --preset networks`, which
has Markov text too.
"""

from common import cells, save, size

from theorylab.systems.rf_ensembles import networks

FEW = {"members": (1, 4), "richness": (3.0, 6.0), "decay": (0.0, 0.2)}
tasks = size(
    [networks.digits_task("data-limited", 300, 32, runs=4, steps=100, **FEW)],
    [
        networks.digits_task("data-limited", 300, 128, runs=8, steps=300),
        networks.digits_task("parameter-limited", 900, 32, runs=8, steps=300),
    ],
)
outcome = networks.outcome(cells("rf_ensembles"), tasks, widen=size(0, networks.WIDEN))
print(*outcome.findings, sep="\n")
for part, draw in enumerate(outcome.figures.values()):
    save(draw(), __file__, f"{part + 1}" if part else "")
