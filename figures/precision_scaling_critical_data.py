"""Loss against data, then quantized: beyond a critical number of tokens more training hurts."""

import numpy as np
from common import COLOURS, panels, save, size
from precision_scaling_laws_common import PUBLISHED, laws

from theorylab.systems.precision_scaling import theory_optima as optima

SIZE = 1e8
D = np.geomspace(1e9, 1e13, size(300, 1000))
figure, (axis,) = panels(1, 5)
axis.plot(D, laws.base_loss(SIZE, D, PUBLISHED), "k", linewidth=1.5, label="high precision")
for colour, post in zip(COLOURS, (3.0, 3.5, 4.0, 4.5, 5.0), strict=False):
    axis.plot(D, laws.loss(SIZE, D, PUBLISHED, post=post), color=colour, label=f"{post:g} bits")
    turn = optima.critical_tokens(SIZE, post, PUBLISHED)
    axis.plot(turn, laws.loss(SIZE, turn, PUBLISHED, post=post), "o", color=colour, markersize=5)
axis.set(xscale="log", ylim=(3.2, 4.4), xlabel="training tokens D", ylabel="loss after quantization [nats/token]")
axis.set_title(f"N = {SIZE:.0e}; points: critical data")
axis.legend(loc="upper left", bbox_to_anchor=(0.12, 1))
save(figure, __file__)
