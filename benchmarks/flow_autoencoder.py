"""Time of the flow_autoencoder theory, and of its quick preset; prints one JSON object.

python benchmarks/flow_autoencoder.py [--preset]

Warm times are the quickest of five calls of the compiled prediction (training equations and all that is read off the
generated law); compilation is reported apart. With --preset the quick preset is compared too, compilation included.
"""

from __future__ import annotations

import sys
from typing import Any

from common import cast, in_precision, quick_preset, show, timed

from theorylab.systems.flow_autoencoder import FlowAutoencoder
from theorylab.systems.flow_autoencoder.presets import COLLAPSE, CROSS, SEPARATE

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
        return timed(lambda s: s.predict(None, numerics), system)


if __name__ == "__main__":
    report: dict[str, Any] = {"theory": {name: warm(FlowAutoencoder(**fields)) for name, fields in TIMED.items()}}
    if "--preset" in sys.argv:
        report["quick_preset"] = quick_preset(FlowAutoencoder)
    show(report)
