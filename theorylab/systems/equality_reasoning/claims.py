"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

from typing import Any

import numpy as np

from theorylab.core import Finding

RICH = {"dimension": 64, "width": 1024, "steps": 400, "records": 1, "tests": 512}


def _accuracy(runs: int, **fields: Any) -> tuple[float, float]:
    """Accuracy on novel symbols at the end of simulated networks: mean and standard error."""
    import jax

    import theorylab as tl
    from theorylab.systems.equality_reasoning import EqualityReasoning

    found = tl.simulate(EqualityReasoning(**fields), runs=runs, key=jax.random.key(0)).raise_if_failed()
    return float(found.mean["accuracy"][-1]), float(found.stderr["accuracy"][-1])


def _decided(value: float, error: float, low: float, high: float) -> bool | None:
    """Whether a value lies in a range by two standard errors; None where that does not decide."""
    if low <= value - 2 * error and value + 2 * error <= high:
        return True
    return False if value + 2 * error < low or value - 2 * error > high else None


def rich() -> Finding:
    """Accuracy of rich networks on novel symbols after four training symbols."""
    value, error = _accuracy(8, **RICH, symbols=4)
    return Finding(value, error, "above 0.85 on symbols never seen", _decided(value, error, 0.85, 1.0))


def two() -> Finding:
    """The same after two training symbols."""
    value, error = _accuracy(8, **RICH, symbols=2)
    expected = "three quarters, within 0.05 at this width"
    return Finding(value, error, expected, _decided(value, error, 0.70, 0.80))


def lazy() -> Finding:
    """Accuracy of the lazy limit with 12 symbols in 8 dimensions less that in 16: more dimensions need more symbols."""
    import jax

    import theorylab as tl
    from theorylab.systems.equality_reasoning import EqualityReasoning

    fields = {"symbols": 12, "theory": "kernel", "richness": 1e-3, "records": 1, "tests": 512}
    ends = []
    for dimension in (8, 16):
        system = EqualityReasoning(**fields, dimension=dimension, steps=500, rate=1.0)
        draws = [tl.predict(system, key=jax.random.key(seed)).curves["accuracy"][-1] for seed in range(6)]
        ends.append(np.asarray(draws, float))
    fall = float(ends[0].mean() - ends[1].mean())
    error = float(np.sqrt(sum(x.var(ddof=1) / len(x) for x in ends)))
    return Finding(fall, error, "a fall of more than 0.05", _decided(fall, error, 0.05, 1.0))


def noise() -> Finding:
    """Cone ratio that networks learn from fresh noisy symbols, over the best one (1 + 2/sigma^2)^(1/4)."""
    import jax

    import theorylab as tl
    from theorylab.systems.equality_reasoning import EqualityReasoning
    from theorylab.systems.equality_reasoning.presets import NOISE
    from theorylab.systems.equality_reasoning.theory_cone import best_ratio

    system = EqualityReasoning(**{**NOISE, "records": 1})
    found = tl.simulate(system, runs=8, key=jax.random.key(0)).raise_if_failed()
    best = float(best_ratio(float(system.noise)))
    value, error = float(found.mean["ratio"][-1]) / best, float(found.stderr["ratio"][-1]) / best
    return Finding(value, error, "1 within 3 %", _decided(value, error, 0.97, 1.03))
