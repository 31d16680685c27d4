"""Degradation of quantization after training against training bits: zero from the diagonal up."""

import numpy as np
from common import panels, save, size
from matplotlib.colors import LogNorm
from precision_scaling_laws_common import PUBLISHED, laws

trained, post = np.linspace(3, 12, size(181, 721)), np.linspace(2, 8, size(121, 481))
columns, rows = np.meshgrid(trained, post)
bits = np.stack([columns, *[np.full(columns.shape, np.inf)] * 2], axis=-1)
delta = np.asarray(laws.degradation(1e8, 1e10, rows, PUBLISHED, bits))
figure, (axis,) = panels(1, 5)
axis.set_facecolor("0.85")
drawn = axis.pcolormesh(trained, post, np.where(delta > 0, delta, np.nan), norm=LogNorm(1e-4, 10), cmap="viridis")
axis.plot([3, 8], [3, 8], "w", linewidth=1)
axis.set(xlabel="bits of weights in training", ylabel="bits of weights after training", title="N = 1e8, D = 1e10")
axis.text(3.3, 6.6, "nothing added", color="0.3")
figure.colorbar(drawn, ax=axis, label="degradation [nats/token]", extend="both")
save(figure, __file__)
