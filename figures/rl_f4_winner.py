"""Who wins, by initial share and gap: the separatrix of learned skills, and the line of a finite budget."""

import jax
import jax.numpy as jnp
import numpy as np
from rl_common import in_precision, panels, save

from theorylab.systems.rl_posttraining.theory_closed import dominance_time
from theorylab.systems.rl_posttraining.theory_flow import coupled, frozen
from theorylab.systems.rl_posttraining.theory_separatrix import separatrix

BUDGET, LATE, SIZE = 100.0, 400.0, 24
with in_precision("float64"):
    start = np.geomspace(0.005, 0.6, SIZE)
    gaps = np.linspace(0.02, 0.4, SIZE)
    grid = [x.ravel() for x in np.meshgrid(start, gaps)]

    def final(p, gap):
        path = frozen(jnp.array([0.0, BUDGET]), jnp.stack([p, 1 - p]), jnp.stack([0.5 + gap / 2, 0.5 - gap / 2])[None],
                      rtol=1e-6, atol=1e-8)  # fmt: skip
        return path.shares[-1, 0]

    shares = np.asarray(jax.jit(jax.vmap(final))(*map(jnp.asarray, grid))).reshape(SIZE, SIZE)

    def practised(p, gap):
        a = jnp.stack([0.5 + gap / 2, 0.5 - gap / 2])[None]
        return coupled(jnp.array([0.0, LATE]), jnp.stack([p, 1 - p]), a, rtol=1e-6, atol=1e-8).shares[-1, 0]

    learned = np.asarray(jax.jit(jax.vmap(practised))(*map(jnp.asarray, grid))).reshape(SIZE, SIZE)
    few = np.linspace(0.02, 0.4, 8)
    edge = jax.jit(lambda gap: separatrix(jnp.stack([0.5 + gap / 2, 0.5 - gap / 2]), LATE, rtol=1e-6, refinements=2))
    edges = [float(edge(gap)) for gap in few]
    times = np.asarray(dominance_time(0.5, start[start < 0.5], 1.0))
figure, axes = panels(2, sharey=True)
for axis, found, title in (
    (axes[0, 0], shares, f"frozen skills at time {BUDGET:g}"),
    (axes[0, 1], learned, f"learned skills at time {LATE:g}"),
):
    drawn = axis.pcolormesh(start, gaps, found, cmap="RdBu", vmin=0, vmax=1, shading="nearest")
    axis.set(xscale="log", xlabel="initial share of the better format", title=title, xlim=(0.005, 0.6))
axes[0, 0].plot(start[start < 0.5], times / BUDGET, "k-", label="eq. (15)")
axes[0, 0].plot(start, 1 / (2 * start * BUDGET), "k:", label=r"$1/(2p^0 T)$")
axes[0, 1].plot(edges, few, "k-o", markersize=3, label="separatrix")
axes[0, 0].set(ylim=(0.02, 0.4), ylabel="gap in accuracy (at the start)")
for axis in axes[0]:
    axis.legend(fontsize=8, loc="lower left")
figure.colorbar(drawn, ax=axes[0, 1], label="final share of the better format")
save(figure, __file__)
