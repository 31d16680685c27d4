"""Where a bottleneck of two units ends, against the memory of the running correlation; three problems."""

import jax
import jax.numpy as jnp
import numpy as np
from error_broadcast_common import COLOURS, ErrorBroadcast, in_precision, plt, save

from theorylab.systems.error_broadcast import theory_flow as flow
from theorylab.systems.error_broadcast.setting import draw
from theorylab.systems.error_broadcast.theory import problem_of

MEMORY = np.geomspace(0.3, 1000.0, 18)
figure, axis = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
with in_precision("float64"):
    end = jax.jit(
        jax.vmap(lambda p, w, tau: flow.end(p, w, 5e3, memory=tau, rtol=1e-7).mean_square, in_axes=(None, None, 0))
    )
    for seed, colour in zip(range(3), COLOURS, strict=False):
        system = ErrorBroadcast(width=2)
        problem, start = problem_of(system, draw(jax.random.key(seed), 10, 3, 2, system.feedback, jnp.float64))
        axis.semilogx(MEMORY, end(problem, start, jnp.asarray(MEMORY)), "o-", ms=3, color=colour)
        levels = (
            (flow.least_squares(problem, start.first), ":", "LS(W1(0))"),
            (flow.aligned_end(problem, start.feedback), "--", "LS(R0 A), DFA"),
            (flow.rank_optimum(problem, 2), "-.", "best of rank 2, BP"),
        )
        for level, style, label in levels:
            axis.axhline(float(level), color=colour, linestyle=style, linewidth=1, label=label if seed == 0 else None)
axis.set(xlabel=r"memory $\tau$", ylabel="final mean square error")
axis.legend(fontsize=8)
save(figure, __file__)
