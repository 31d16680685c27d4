"""Where a bottleneck of two units ends, against the memory of the running correlation; three problems."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size

from theorylab.core.casting import in_precision
from theorylab.systems.error_broadcast import ErrorBroadcast
from theorylab.systems.error_broadcast import theory_flow as flow
from theorylab.systems.error_broadcast.setting import draw
from theorylab.systems.error_broadcast.theory import problem_of

CLAIM = "error_broadcast/bottleneck"
MEMORY = np.geomspace(0.3, 1000.0, size(14, 40))
figure, (axis,) = panels(1, 5.6)
with in_precision("float64"):
    end = jax.jit(
        jax.vmap(lambda p, w, tau: flow.end(p, w, 5e3, memory=tau, rtol=1e-7).mean_square, in_axes=(None, None, 0))
    )
    for seed, colour in zip(range(3), COLOURS, strict=False):
        system = ErrorBroadcast(width=2)
        problem, start = problem_of(system, draw(jax.random.key(seed), 10, 3, 2, system.feedback, jnp.float64))
        label = f"flow, problem {seed + 1}"
        axis.semilogx(MEMORY, end(problem, start, jnp.asarray(MEMORY)), "o-", ms=3, color=colour, label=label)
        levels = (
            (flow.least_squares(problem, start.first), ":", "LS(W1(0))"),
            (flow.aligned_end(problem, start.feedback), "--", "LS(R0 A), DFA"),
            (flow.rank_optimum(problem, 2), "-.", "best of rank 2, BP"),
        )
        for level, style, name in levels:
            axis.axhline(float(level), color=colour, linestyle=style, linewidth=1)
            if seed == 2:
                axis.plot([], [], style, color="0.4", linewidth=1, label=name)
axis.set(xlabel=r"memory $\tau$ of the correlation (time)", ylabel="final mean square error")
axis.legend()
save(figure, __file__)
