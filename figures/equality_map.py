"""Accuracy over symbols and dimension: the rich boundary stands still, the lazy one climbs with the dimension."""

import numpy as np
from equality_common import EqualityReasoning, last, plt, save

COUNTS, DIMENSIONS = (3, 6, 12, 20), (4, 8, 16, 32)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained", sharey=True)
settings = {
    "rich (richness 1)": {"richness": 1.0, "steps": 300},
    "lazy limit, time 2,000": {"richness": 1e-3, "theory": "kernel", "rate": 4.0, "steps": 500},
}
for axis, (name, fields) in zip(axes, settings.items(), strict=True):
    cells = np.array(
        [
            [
                last(
                    EqualityReasoning(dimension=d, symbols=n, records=1, tests=512, **fields),
                    2,
                    particles=256,
                    scrambles=2,
                )["accuracy"][0]
                for d in DIMENSIONS
            ]
            for n in COUNTS
        ]
    )
    image = axis.imshow(cells, vmin=0.5, vmax=1, origin="lower", cmap="cividis", aspect="auto")
    for (row, column), value in np.ndenumerate(cells):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.75 else "black")
    axis.set(xlabel="dimension of a symbol", title=name)
    axis.set_xticks(range(len(DIMENSIONS)), [str(d) for d in DIMENSIONS])
    axis.set_yticks(range(len(COUNTS)), [str(n) for n in COUNTS])
axes[0].set_ylabel("training symbols")
figure.colorbar(image, ax=axes, label="accuracy on novel symbols")
save(figure, __file__)
