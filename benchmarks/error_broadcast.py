"""Figures that error_broadcast is to reach, and its timings; prints one JSON object.

python benchmarks/error_broadcast.py [floors] [flow] [ends] [rules]

`flow`: largest relative deviation of the linear network's mean square error at recorded times, batches of 256 and 16.
`ends`: final error of direct feedback alignment less LS(R0 A), three problems. `floors`: simulated over predicted floor
and excess, closed loop, four settings. `rules`: milliseconds of a training step of each rule and network, compiled.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from common import show, timed

import theorylab as tl
from theorylab.systems.error_broadcast import ErrorBroadcast

KEY = jax.random.key(0)
CLOSED = ((0.99, 16, 0.05), (0.9, 16, 0.05), (0.99, 64, 0.01), (0.999, 16, 0.02))
"""lambda, batch and readout step."""


def flow() -> dict[str, Any]:
    """Mean over runs against the flow, over recorded times."""
    found = {}
    base = ErrorBroadcast(steps=2000, records=20)
    for memory, feedback in ((5.0, 0.3), (50.0, 0.3), (0.5, 0.0)):
        for batch, runs in ((256, 16), (16, 64)):
            system = dataclasses.replace(base, memory=memory, feedback=feedback, batch=batch)
            rung = tl.compare.run(system, runs=runs, key=KEY).rungs[-1]
            ratio = rung.simulated["mean_square"] / rung.predicted["mean_square"] - 1
            noise = (rung.curves["mean_square"] - rung.each_predicted["mean_square"]).std(0, ddof=1) / runs**0.5
            found[f"memory {memory:g}, feedback {feedback:g}, batch {batch}, {runs} runs"] = {
                "largest_relative_deviation": float(np.abs(ratio).max()),
                "largest_relative_standard_error": float((noise / rung.predicted["mean_square"]).max()),
            }
    return found


def ends() -> list[dict[str, float]]:
    """Direct feedback alignment in a bottleneck of two, to time 20,000."""
    from theorylab.systems.error_broadcast import theory_flow
    from theorylab.systems.error_broadcast.setting import draw
    from theorylab.systems.error_broadcast.theory import problem_of

    rows = []
    with jax.enable_x64(True):
        end = jax.jit(lambda p, w: theory_flow.end(p, w, 2e4, memory=jnp.inf, rtol=1e-10, atol=1e-12))
        for seed in range(3):
            problem, start = problem_of(ErrorBroadcast(width=2), draw(jax.random.key(seed), 10, 3, 2, 0.3, jnp.float64))
            found, aligned = end(problem, start), theory_flow.aligned_end(problem, start.feedback)
            rows.append({"end": float(found.mean_square), "less_aligned": float(found.mean_square - aligned)})
    return rows


def floors(runs: int = 128, steps: int = 8000) -> list[dict[str, float]]:
    """The last half of long runs over the exact moments and over the first order in 1 / batch."""
    rows = []
    for forgetting, batch, step in CLOSED:
        system = ErrorBroadcast(
            model="floor", width=8, outputs=1, batch=batch, noise=1.0, rate=step, memory=step / (1 - forgetting),
            feedback=0.0, steps=steps, records=2,
        )  # fmt: skip
        predicted = tl.predict(system)
        found = tl.simulate(system, runs=runs, key=KEY)
        mean, error = found.mean["feedback_power"][-1], found.stderr["feedback_power"][-1]
        rows.append(
            {
                "lambda": forgetting,
                "batch": batch,
                "readout_step": step,
                "simulated": float(mean),
                "over_exact": float(mean / predicted.curves["feedback_power"][-1]),
                "over_first_order": float(mean / predicted.facts["floor_closed"]),
                "relative_standard_error": float(error / mean),
                "excess_over_exact": float(found.mean["excess"][-1] / predicted.curves["excess"][-1]),
            }
        )
    return rows


def rules() -> dict[str, float]:
    """Milliseconds a step of a batch of 20 digits."""
    from theorylab.networks.broadcast import DFA, EBD, Backprop
    from theorylab.networks.broadcast_models import MLP, ConvNet
    from theorylab.networks.broadcast_regularizers import Entropy

    found = {}
    y = jax.nn.one_hot(jnp.arange(20) % 10, 10)
    networks = {"mlp": (MLP((256, 128), 10), (20, 64))}
    networks |= {name: (ConvNet(shared=name == "cnn"), (20, 8, 8, 1)) for name in ("cnn", "lc")}
    every = {"bp": Backprop(), "dfa": DFA(), "ebd": EBD(), "ebd, entropy": EBD(regularizers=(Entropy(),))}
    for network, (model, shape) in networks.items():
        x = jax.random.normal(KEY, shape)
        params = model.init(KEY, x)["params"]
        for name, rule in every.items():
            if network != "mlp" and "entropy" in name:
                continue
            state = rule.init(model, params, x, y, KEY)

            def hundred(params: Any, state: Any, model: Any = model, rule: Any = rule, x: Any = x) -> Any:
                def one(_: Any, carry: Any) -> Any:
                    made = rule.step(model, carry[0], carry[1], x, y)
                    return jax.tree.map(lambda w, g: w - 1e-3 * g, carry[0], made.gradient), made.state

                return jax.lax.fori_loop(0, 100, one, (params, state))

            found[f"{network}, {name}"] = 10 * timed(hundred, params, state, repeats=3)["seconds"]
    return found


def main() -> None:
    parts = {"flow": flow, "ends": ends, "floors": floors, "rules": rules}
    asked = sys.argv[1:] or list(parts)
    show({name: parts[name]() for name in asked})


if __name__ == "__main__":
    main()
