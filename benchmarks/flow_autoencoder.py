"""Time of the flow_autoencoder theory, and of its quick preset; prints one JSON object.

python benchmarks/flow_autoencoder.py [--preset]

Warm times are the median of five calls of the compiled prediction (training equations and all that is read off the
generated law); compilation is reported apart. With --preset the quick preset is compared too, compilation included.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from typing import Any

import jax
import numpy as np

from theorylab.core.casting import cast, in_precision
from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import COLLAPSE, CROSS, QUICK, SEPARATE

TIMED: dict[str, dict[str, Any]] = {
    "pair_tau_16_T_10": {"hidden_bias": True, "duration": 16.0},
    "cross_two_units_tau_80_T_20": {**CROSS, "units": 2, "duration": 80.0, "records": 8},
    "collapse_four_generations": COLLAPSE,
    "separate_networks_T_10": {**SEPARATE, "sharing": "nothing"},
}


def warm(system: FlowAutoencoder) -> dict[str, float]:
    """Seconds of compiling and of a warm call."""
    with in_precision("float64"):
        numerics, system = system.numerics(None), cast(system, "float64")
        begin = time.perf_counter()
        compiled = jax.jit(lambda s: s.predict(None, numerics)).lower(system).compile()
        compiling = time.perf_counter() - begin
        taken = []
        for _ in range(5):
            begin = time.perf_counter()
            jax.block_until_ready(compiled(system))
            taken.append(time.perf_counter() - begin)
    return {"compile_s": compiling, "warm_s": float(np.median(taken))}


def quick() -> dict[str, Any]:
    """Seconds of each case of the quick preset, compilation included, and its verdict."""
    import theorylab as tl

    found = {}
    for case in QUICK.cases:
        begin = time.perf_counter()
        result = tl.compare.run(FlowAutoencoder.from_case(case), runs=case.runs, case=case.name)
        found[case.name] = {"seconds": time.perf_counter() - begin, "words": dict(result.words)}
    found["total_s"] = sum(one["seconds"] for one in found.values())
    return found


if __name__ == "__main__":
    report: dict[str, Any] = {
        "jax": jax.__version__,
        "machine": platform.machine(),
        "devices": len(jax.devices()),
        "theory": {name: warm(FlowAutoencoder(**fields)) for name, fields in TIMED.items()},
    }
    if "--preset" in sys.argv:
        report["quick_preset"] = quick()
    print(json.dumps(report, indent=2))
