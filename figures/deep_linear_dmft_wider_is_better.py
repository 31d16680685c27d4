"""Wider is better in muP at every step; in NTK parametrization it is not. Lines: theory; points: trained networks."""

import math

from common import panels, save, shade, size
from deep_linear_dmft_common import LOSS, STEP, dots, network, theory, training

CLAIM = "deep_linear_dmft/wider is better"
WIDTHS = size((0.25, 0.5, 2, 16, math.inf), (0.25, 0.5, 1, 2, 4, 16, math.inf))
SIMULATED = size((0.5, 2), (0.5, 1, 4))

figure, axes = panels(2, 4.5, sharey=True)
for axis, name in zip(axes, ("mup", "ntk"), strict=True):
    for i, nu in enumerate(WIDTHS):
        if name == "ntk" and math.isinf(nu):
            continue
        system = network(100, nu, 4, parametrization=name)
        ratio = r"\infty" if math.isinf(nu) else nu
        axis.semilogy(theory(system)["loss"], color=shade(i, len(WIDTHS)), label=f"$N/D={ratio}$")
        if nu in SIMULATED:
            dots(axis, training(system, size(16, 64))["loss"], shade(i, len(WIDTHS)), every=6)
    axis.set(xlabel=STEP, title={"mup": "muP", "ntk": "NTK"}[name])
axes[0].set_ylabel(LOSS)
axes[0].legend(title="line: theory, points: networks")
save(figure, __file__)
