"""Step-size map: descent settles, cycles or diverges; the border is rate × curvature = 2, 2 / (1 + 2 / B) for sgd."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size
from matplotlib.colors import ListedColormap

from theorylab.core.casting import in_precision
from theorylab.systems.rnn_integrator import theory_scalar
from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task, descent, gradient

poles, kappas = np.linspace(0.7, 0.93, size(24, 96)), np.linspace(0.1, 8.0, size(40, 158))
with in_precision("float64"):
    lags = jnp.arange(128) * 1.0

    def outcome(a, kappa):
        """0 settled, 1 bounded but not settled, 2 diverged, after 4000 steps from 0."""
        task = Task(a**lags, jnp.ones(128), (1.0, 0.0, 0.0))
        rate = kappa / theory_scalar.infinite_curvature(a)
        start = Reduced(jnp.zeros((1, 1)), jnp.ones(1), jnp.ones(1))
        recorded = jnp.array([0, 4000, 4001])
        curves, _ = descent(gradient, start, task, rate, recorded, lambda s: {"lam": s.recurrent[0, 0]})
        far = jnp.abs(curves["lam"][1:] - a).max()
        return jnp.where(jnp.isfinite(far), jnp.where(far < 1e-6, 0, 1), 2)

    grid = np.asarray(jax.jit(jax.vmap(jax.vmap(outcome, (None, 0)), (0, None)))(poles, kappas))
figure, (axis,) = panels(1, 5.4)
axis.pcolormesh(poles, kappas, grid.T, cmap=ListedColormap(["#cfe3f1", "#f6d5b8", "#c44"]), vmin=0, vmax=2)
axis.axhline(2.0, color="k", label="2")
for colour, batch in zip(COLOURS, (1, 4, 16), strict=False):
    axis.axhline(2 / (1 + 2 / batch), color=colour, linestyle="--", label=f"sgd, B = {batch}")
axis.set(xlabel="pole a", ylabel="κ = rate × curvature", title="blue: settles, orange: cycles, red: diverges")
axis.legend(loc="upper right", frameon=True)
save(figure, __file__)
