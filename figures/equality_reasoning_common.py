"""What the equality_reasoning figures share: last values of predictions and runs over many instances."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from common import bars

import theorylab as tl
from theorylab.systems.equality_reasoning import EqualityReasoning


def last(system: EqualityReasoning, draws: int, **numerics: Any) -> dict[str, np.ndarray]:
    """Every predicted curve's last value, mean and standard error over drawn instances: (2,) an observable."""
    found: dict[str, list[float]] = {}
    for seed in range(draws):
        chosen = system.numerics(None).replace(**numerics)
        prediction = tl.predict(system, key=jax.random.key(seed), numerics=chosen).raise_if_failed()
        for name, curve in prediction.curves.items():
            found.setdefault(name, []).append(float(curve[-1]))
    spread = max(draws - 1, 1)
    return {k: np.array([np.mean(v), np.sqrt(np.var(v) / spread)]) for k, v in found.items()}


def simulated(system: EqualityReasoning, runs: int) -> dict[str, np.ndarray]:
    """Every simulated curve's last value, mean and standard error."""
    found = tl.simulate(system, runs=runs, tile=min(runs, system.tile))
    return {k: np.array([found.mean[k][-1], found.stderr[k][-1]]) for k in found.mean}


def last_bars(axis: Any, x: Any, found: list[np.ndarray], colour: Any, **style: Any) -> None:
    """Means with their standard errors, as `last` and `simulated` give them."""
    bars(axis, x, *np.array(found).T, colour, **style)
