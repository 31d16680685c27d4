"""Deep linear posteriors jump: the coexisting roots against the richness, and the map of the jump."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size

from theorylab.core.casting import in_precision
from theorylab.systems.adaptive_kernels import AdaptiveKernels, maps
from theorylab.systems.adaptive_kernels import theory_deep_linear as deep_linear

ONES = {"data": "orthogonal", "samples": 4, "dimension": 4, "tests": 0, "targets": (1.0, 1.0, 1.0, 1.0)}
figure, axes = panels(2)
richness = np.linspace(15, 22, size(281, 1401))
with in_precision("float64"):
    modes = deep_linear.Modes(jnp.ones(4), jnp.ones(4))
    found = jax.jit(jax.vmap(lambda g: deep_linear.posterior(modes, 3, g, 0.01)))(jnp.asarray(richness))
for root in np.asarray(found.roots).T:
    axes[0].plot(richness, root, ".", ms=2, color="0.6")
axes[0].plot(richness, found.spike, color=COLOURS[0], label="least action")
axes[0].plot([], [], ".", color="0.6", label="other roots")
system = AdaptiveKernels(activation="linear", depth=3, **ONES)
betas = np.geomspace(3e-4, 0.03, size(13, 37))
jumps = maps.transitions(system, (2, 3, 4, 8), betas)
for colour, depth, jump, window in zip(COLOURS, (2, 3, 4, 8), jumps.richness, jumps.window, strict=False):
    axes[1].loglog(betas, jump, color=colour, label=f"L = {depth}")
    axes[1].fill_between(betas, window[:, 0], window[:, 1], color=colour, alpha=0.2)
axes[0].axvline(maps.transitions(system, (3,), np.array([0.01])).richness[0, 0], color="k", ls=":", lw=0.8)
axes[0].set(yscale="log", xlabel=r"richness $\gamma_0$", ylabel="a", title=r"L = 3, $\beta$ = 0.01, K = I")
axes[1].set(xlabel=r"$\beta$", ylabel=r"richness $\gamma_0$ of the jump", title="shaded: coexistence")
for axis in axes:
    axis.legend()
save(figure, __file__)
