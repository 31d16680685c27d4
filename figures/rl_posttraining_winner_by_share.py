"""Who wins, by initial share and gap: the separatrix of learned skills, and the line of a finite budget."""

import jax
import jax.numpy as jnp
import numpy as np
from common import panels, save, size

from theorylab.core.casting import in_precision
from theorylab.systems.rl_posttraining.theory_closed import dominance_time
from theorylab.systems.rl_posttraining.theory_flow import coupled, frozen
from theorylab.systems.rl_posttraining.theory_separatrix import separatrix

CLAIM = "rl_posttraining/winner-by-share"
BUDGET, LATE, NODES = 100.0, 400.0, size(20, 48)


def final(path, p, gap, until):
    """Share of the better format at the end of a flow."""
    accuracy = jnp.stack([0.5 + gap / 2, 0.5 - gap / 2])[None]
    return path(jnp.array([0.0, until]), jnp.stack([p, 1 - p]), accuracy, rtol=1e-6, atol=1e-8).shares[-1, 0]


def swept(path, until):
    """The same on the grid."""
    return np.asarray(jax.jit(jax.vmap(lambda p, gap: final(path, p, gap, until)))(*grid)).reshape(NODES, NODES)


with in_precision("float64"):
    start, gaps = np.geomspace(0.005, 0.6, NODES), np.linspace(0.02, 0.4, NODES)
    grid = [jnp.asarray(x.ravel()) for x in np.meshgrid(start, gaps)]
    shares, learned = swept(frozen, BUDGET), swept(coupled, LATE)
    few = np.linspace(0.02, 0.4, size(8, 24))
    edge = jax.jit(lambda gap: separatrix(jnp.stack([0.5 + gap / 2, 0.5 - gap / 2]), LATE, rtol=1e-6, refinements=2))
    edges = [float(edge(gap)) for gap in few]
    times = np.asarray(dominance_time(0.5, start[start < 0.5], 1.0))
figure, axes = panels(2, sharey=True)
titles = f"frozen skills at time {BUDGET:g}", f"learned skills at time {LATE:g}"
for axis, found, title in zip(axes, (shares, learned), titles, strict=True):
    drawn = axis.pcolormesh(start, gaps, found, cmap="RdBu", vmin=0, vmax=1, shading="nearest")
    axis.set(xscale="log", xlabel="initial share of the better format", title=title, xlim=(0.005, 0.6))
axes[0].plot(start[start < 0.5], times / BUDGET, "k-", label="eq. (15)")
axes[0].plot(start, 1 / (2 * start * BUDGET), "k:", label=r"$1/(2p^0 T)$")
axes[1].plot(edges, few, "k-o", markersize=3, label="separatrix")
axes[0].set(ylim=(0.02, 0.4), ylabel="gap in accuracy (at the start)")
for axis in axes:
    axis.legend(loc="lower left", frameon=True)
figure.colorbar(drawn, ax=axes[1], label="final share of the better format")
save(figure, __file__)
