"""Accuracy against the symbols' dimension at a fixed number of symbols: rich training is flat, lazy falls to chance."""

from common import COLOURS, bars, panels, save, size, ticks
from equality_reasoning_common import EqualityReasoning, last

CLAIM = "equality_reasoning/lazy"
DIMENSIONS, DRAWS = (8, 16, 32, 64), size(4, 16)
SETTINGS = {
    "rich": {"richness": 1.0, "steps": 300},
    "lazy": {"richness": 1e-3, "theory": "kernel", "rate": 1.0, "steps": 500},
}
figure, (axis,) = panels(1, 5)
for colour, (name, fields) in zip(COLOURS, SETTINGS.items(), strict=False):
    systems = [EqualityReasoning(dimension=d, symbols=12, records=1, tests=512, **fields) for d in DIMENSIONS]
    found = [last(one, DRAWS, particles=size(512, 2048), scrambles=2)["accuracy"] for one in systems]
    bars(axis, DIMENSIONS, [v[0] for v in found], [v[1] for v in found], colour, fmt="o-", label=name)
axis.axhline(0.5, color="0.6", linewidth=0.5)
axis.set(xlabel="dimension of a symbol", ylabel="accuracy on novel symbols", xscale="log")
ticks(axis, DIMENSIONS)
axis.legend(title=f"theory, 12 symbols, {DRAWS} draws")
save(figure, __file__)
