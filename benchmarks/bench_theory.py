"""Theories: compiling, predicting, sweeping.

For each system the first case of its quick preset, in float64: seconds of tracing and compiling one prediction, of a
warm call, and the compiled program's peak memory (arguments, outputs, temporaries, by the compiler's own analysis).
Then 64 settings of one coupling, from 0.9 to 1.1 times its value, by the engine's own `predict_many` (batches of 32 by
`vmap`), compiled before: milliseconds a setting of the running programs, and with the host's work (casting, stacking,
checking). The gain is a single warm call over a setting of the sweep.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from common import compiled, in_precision, note, prediction, quick, rounds

from theorylab.core import registry
from theorylab.engine.predictions import BATCH, predict_many

SETTINGS = 64
SWEPT = {
    "adaptive_kernels": "richness",
    "deep_linear_dmft": "rate",
    "equality_reasoning": "richness",
    "error_broadcast": "memory",
    "flow_autoencoder": "share",
    "precision_scaling": "source",
    "rf_ensembles": "noise",
    "rl_posttraining": "rate",
    "rnn_integrator": "timescale",
    "sgd_resolvent": "rate",
}


@pytest.mark.parametrize("name", registry.names())
def bench_theory(benchmark: Any, name: str) -> None:
    if name not in SWEPT:
        pytest.skip(f"{name} is no system of this package: add its swept coupling to SWEPT")
    setting, over = quick(name), SWEPT[name]
    with in_precision("float64"):
        function, arguments = prediction(setting)
        one = compiled(function, *arguments)
        warm = rounds(benchmark, one, *arguments)
    value = float(getattr(setting.system, over))
    systems = [dataclasses.replace(setting.system, **{over: value * x}) for x in np.linspace(0.9, 1.1, SETTINGS)]
    numerics = registry.load(name).presets["quick"].cases[0].numerics

    def every(count: int) -> tuple[float, float]:
        begin = time.perf_counter()
        done = predict_many(systems[:count], [setting.instance] * count, numerics)
        return time.perf_counter() - begin, done.seconds

    every(BATCH)  # compiles
    whole, running = every(SETTINGS)
    if whole < 2.0:
        whole, running = min((whole, running), every(SETTINGS), every(SETTINGS))
    note(
        benchmark,
        "theory",
        {
            "system": name,
            "compile, s": one.seconds,
            "one prediction, ms": 1e3 * warm,
            "peak, MB": one.peak / 1e6,
            "swept": over,
            "a setting of 64, ms": 1e3 * running / SETTINGS,
            "with the host's work, ms": 1e3 * whole / SETTINGS,
            "gain": warm * SETTINGS / running,
        },
        case=registry.load(name).presets["quick"].cases[0].name,
        settings=SETTINGS,
    )
