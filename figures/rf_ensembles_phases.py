"""At a ridge that is not tuned ensembles can win: the best number of members over ridge and samples."""

import matplotlib as mpl
import numpy as np
from common import panels, save, size
from rf_ensembles_common import SPLITS, power_law, risks

CLAIM = "rf_ensembles/no-free-lunch"
modes = power_law(size(1000, 3000))
ridges, samples = np.geomspace(1e-7, 1, size(41, 121)), np.round(np.geomspace(16, 2048, size(43, 121)))
members = np.array(SPLITS)[:, None, None]
risk = risks(modes, ridges, samples[:, None], 256 / members, members, 0.3).risk
figure, (axis,) = panels(1, 5)
colours = mpl.colormaps["viridis"].resampled(len(SPLITS))
mesh = axis.pcolormesh(ridges, samples, np.argmin(risk, 0), cmap=colours, vmin=-0.5, vmax=len(SPLITS) - 0.5)
axis.set(xscale="log", yscale="log", xlabel="ridge", ylabel="samples P", title="256 features in all, theory")
bar = figure.colorbar(mesh, ax=axis, label="members K of the smallest risk")
bar.set_ticks(range(len(SPLITS)), labels=[str(k) for k in SPLITS], minor=False)
save(figure, __file__)
