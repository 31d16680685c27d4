"""Long memories are stiff, not slow: flow time tends to 0.388, steps at a fixed stability fraction grow as (1-a)^-3."""

import jax
import jax.numpy as jnp
import numpy as np
from common import COLOURS, panels, save, size, ticks

from theorylab.core.casting import in_precision
from theorylab.systems.rnn_integrator import theory_scalar

gaps = np.geomspace(1e-3, 0.3, size(40, 120))
with in_precision("float64"):
    flow = np.asarray(jax.vmap(theory_scalar.learning_time)(1 - gaps))

    def steps(a: float, kappa: float = 0.2) -> int:
        """Steps of descent from 0 until a - lam = (1 - a) / 10."""
        rate = kappa / theory_scalar.infinite_curvature(a)

        def onward(carry):
            lam, count = carry
            return lam + rate * theory_scalar.aligned_rates(lam, 1.0, a)[0], count + 1

        end = jax.lax.while_loop(lambda carry: a - carry[0] > 0.1 * (1 - a), onward, (jnp.float64(0.0), 0))
        return int(end[1])

    poles = np.array(size([0.7, 0.8, 0.9, 0.95, 0.97], [0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99]))
    counted = np.array([steps(a) for a in poles])
print(dict(zip(poles.tolist(), counted.tolist(), strict=True)))
figure, (left, right) = panels(2, 4.5)
left.semilogx(1 / gaps, flow, color=COLOURS[0])
left.axhline(theory_scalar.FLOW_TIME_LIMIT, color="k", linestyle=":", label=f"{theory_scalar.FLOW_TIME_LIMIT:.7f}")
left.set(xlabel="1 / (1 - a)", ylabel="flow time to a - λ = (1 - a) / 10")
left.legend()
right.loglog(1 / gaps, theory_scalar.FLOW_TIME_LIMIT / (4 * 0.2) / gaps**3, ":", color="k", label="cubic law")
right.loglog(1 / (1 - poles), counted, "o", color=COLOURS[1], label="descent, κ = 0.2")
right.set(xlabel="1 / (1 - a)", ylabel="steps", xlim=(3, size(50, 150)), ylim=(10, size(1e5, 3e6)))
ticks(right, size((3, 5, 10, 20, 50), (3, 10, 30, 100)))
right.legend()
save(figure, __file__)
