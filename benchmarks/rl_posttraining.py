"""Time of the rl_posttraining theory and of its sampled training; prints one JSON object.

python benchmarks/rl_posttraining.py [--preset]

Warm times are the median of five calls of the compiled program; compilation is reported apart. Sampled training is
given in rollouts a second, for a tile of runs at once. With --preset the quick preset is compared too, compilation
included.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from theorylab.core.casting import cast, in_precision
from theorylab.systems.rl_posttraining import RLPosttraining
from theorylab.systems.rl_posttraining.presets import EXPERT, GRPO, LEARNED, NATURAL, NOISE, PPO, QUICK, WINNER

TIMED: dict[str, dict[str, Any]] = {
    "grpo_two_classes_400_steps": GRPO,
    "natural_kl_500_steps": NATURAL,
    "ppo_20_iterations": PPO,
    "expert_5_rounds": EXPERT,
    "learned_skills_300_steps": LEARNED,
    "linear_noise_150_steps": NOISE,
    "winning_probability": {**WINNER, "accuracy": ((0.5, 0.4),), "rate": 4.0},
}
TRAINED = ("grpo_two_classes_400_steps", "ppo_20_iterations", "learned_skills_300_steps")


def timed(function: Callable[..., Any], *arguments: Any) -> dict[str, float]:
    """Seconds of compiling and of a warm call."""
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling = time.perf_counter() - begin
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        taken.append(time.perf_counter() - begin)
    return {"compile_s": compiling, "warm_s": float(np.median(taken))}


def theory(system: RLPosttraining) -> dict[str, float]:
    """Time of a prediction."""
    with in_precision("float64"):
        numerics = system.numerics(None)
        return timed(lambda s: s.predict(None, numerics), cast(system, "float64"))


def training(system: RLPosttraining) -> dict[str, float]:
    """Time of a tile of sampled runs."""
    with in_precision("float32"):
        keys = jax.random.split(jax.random.key(0), system.tile)
        found = timed(jax.vmap(lambda s, k: s.simulate(None, k), in_axes=(None, 0)), cast(system, "float32"), keys)
    rollouts = system.tile * system.steps * system.batch * system.answers
    return {**found, "runs": system.tile, "rollouts_per_s": rollouts / found["warm_s"]}


def quick() -> dict[str, Any]:
    """Seconds of each case of the quick preset, compilation included, and its verdict."""
    import theorylab as tl

    found: dict[str, Any] = {}
    for case in QUICK.cases:
        begin = time.perf_counter()
        result = tl.compare.run(RLPosttraining.from_case(case), runs=case.runs, case=case.name)
        found[case.name] = {"seconds": time.perf_counter() - begin, "words": dict(result.words)}
    found["total_s"] = sum(one["seconds"] for one in found.values())
    return found


if __name__ == "__main__":
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "machine": platform.machine(),
        "devices": len(jax.devices()),
        "theory": {name: theory(RLPosttraining(**fields)) for name, fields in TIMED.items()},
        "training": {name: training(RLPosttraining(**TIMED[name])) for name in TRAINED},
    }
    if "--preset" in sys.argv:
        report["quick_preset"] = quick()
    print(json.dumps(report, indent=2))
