"""Accuracy over symbols and dimension: the rich boundary stands still, the lazy one climbs with the dimension."""

import numpy as np
from common import panels, save, size
from equality_reasoning_common import EqualityReasoning, last

CLAIM = "equality_reasoning/lazy"
COUNTS = size((3, 8, 24), (3, 6, 12, 20, 40))
DIMENSIONS = size((4, 8, 16), (4, 8, 16, 32, 64))
SETTINGS = {
    "rich (richness 1), theory": {"richness": 1.0, "steps": 300},
    "lazy limit, time 2,000, theory": {"richness": 1e-3, "theory": "kernel", "rate": 4.0, "steps": 500},
}


def accuracy(count: int, dimension: int, fields: dict) -> float:
    """Mean accuracy on novel symbols at the end."""
    system = EqualityReasoning(dimension=dimension, symbols=count, records=1, tests=512, **fields)
    return last(system, size(2, 8), particles=size(256, 1024), scrambles=2)["accuracy"][0]


figure, axes = panels(2, 4.2, sharey=True)
for axis, (name, fields) in zip(axes, SETTINGS.items(), strict=True):
    cells = np.array([[accuracy(n, d, fields) for d in DIMENSIONS] for n in COUNTS])
    image = axis.imshow(cells, vmin=0.5, vmax=1, origin="lower", cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.75 else "black")
    axis.set(xlabel="dimension of a symbol", title=name)
    axis.set_xticks(range(len(DIMENSIONS)), [str(d) for d in DIMENSIONS])
    axis.set_yticks(range(len(COUNTS)), [str(n) for n in COUNTS])
axes[0].set_ylabel("training symbols")
figure.colorbar(image, ax=axes, label="accuracy on novel symbols")
save(figure, __file__)
