"""Loss curves of plain networks with 1, 2, 3 and 5 hidden layers. Lines: theory; points: trained networks."""

from common import panels, save, shade, size
from deep_linear_dmft_common import LOSS, STEP, dots, network, theory, training

DEPTHS = (1, 2, 3, 5)

figure, (axis,) = panels(1, 5)
for i, depth in enumerate(DEPTHS):
    system = network(size(150, 300), 1, 2, depth=depth, noise=0.1**0.5, rate=0.02)
    axis.semilogy(theory(system)["loss"], color=shade(i, len(DEPTHS)), label=f"$L={depth}$")
    dots(axis, training(system, runs=size(32, 128))["loss"], shade(i, len(DEPTHS)), every=5)
axis.set(xlabel=STEP, ylabel=LOSS)
axis.legend(title="line: theory, points: networks")
save(figure, __file__)
