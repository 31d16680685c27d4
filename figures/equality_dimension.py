"""Accuracy against the symbols' dimension at a fixed number of symbols: rich training is flat, lazy falls to chance."""

from equality_common import COLOURS, EqualityReasoning, last, plt, save

DIMENSIONS = (8, 16, 32, 64)
figure, axis = plt.subplots(figsize=(5, 3.6), layout="constrained")
settings = {
    "rich": {"richness": 1.0, "steps": 300},
    "lazy": {"richness": 1e-3, "theory": "kernel", "rate": 1.0, "steps": 500},
}
for colour, (name, fields) in zip(COLOURS, settings.items(), strict=False):
    values = [
        last(
            EqualityReasoning(dimension=d, symbols=12, records=1, tests=512, **fields),
            4,
            particles=512,
            scrambles=2,
        )
        for d in DIMENSIONS
    ]
    axis.errorbar(
        DIMENSIONS, [v["accuracy"][0] for v in values], [v["accuracy"][1] for v in values], color=colour, label=name
    )
axis.axhline(0.5, color="0.6", linewidth=0.5)
axis.set(xlabel="dimension of a symbol", ylabel="accuracy on novel symbols", xscale="log", xticks=DIMENSIONS)
axis.minorticks_off()
axis.set_xticklabels([str(d) for d in DIMENSIONS])
axis.legend(title="theory, 12 symbols, 4 draws")
save(figure, __file__)
