"""At a ridge that is not tuned ensembles can win: the best number of members over ridge and samples."""

import matplotlib.pyplot as plt
import numpy as np
from rf_ensembles_common import SPLITS, power_law, risks, save

modes = power_law(1000)
ridges, samples = np.geomspace(1e-7, 1, 41), np.round(np.geomspace(16, 2048, 43))
members = np.array(SPLITS)[:, None, None]
risk = risks(modes, ridges, samples[:, None], 256 / members, members, 0.3).risk
figure, axes = plt.subplots(figsize=(5, 3.8), constrained_layout=True)
mesh = axes.pcolormesh(ridges, samples, np.argmin(risk, 0), cmap="viridis", vmin=-0.5, vmax=len(SPLITS) - 0.5)
axes.set(
    xscale="log", yscale="log", xlabel="ridge", ylabel="samples P", title="members K with the smallest risk, M = 256"
)
bar = figure.colorbar(mesh, ax=axes, ticks=range(len(SPLITS)))
bar.ax.set_yticklabels([str(k) for k in SPLITS])
save(figure, "phases")
