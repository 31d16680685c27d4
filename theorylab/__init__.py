"""Theories of neural-network learning beside real simulations of the networks they describe.

    import jax, theorylab as tl

    system = tl.systems.RNNIntegrator(width=100, timescale=10.0)
    prediction = tl.predict(system)
    comparison = tl.compare.run(system, runs=64, key=jax.random.key(0))
    print(comparison.verdict)

Names are resolved when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theorylab import compare, core, fit, plan, systems
    from theorylab.compare.comparison import Comparison
    from theorylab.compare.export import load
    from theorylab.compare.sweep import Sweep, sweep
    from theorylab.core import (
        AbstractSystem,
        Case,
        NumericalFailure,
        Numerics,
        Observable,
        OutOfMemory,
        Paper,
        Prediction,
        Preset,
        Refused,
        Status,
    )
    from theorylab.design import Optimum, optimize
    from theorylab.engine.ensemble import Ensemble
    from theorylab.engine.predictions import predict, sensitivity
    from theorylab.front import converge, simulate

__version__ = "0.1.0"

__all__ = [
    "AbstractSystem",
    "Case",
    "Comparison",
    "Ensemble",
    "NumericalFailure",
    "Numerics",
    "Observable",
    "Optimum",
    "OutOfMemory",
    "Paper",
    "Prediction",
    "Preset",
    "Refused",
    "Status",
    "Sweep",
    "compare",
    "converge",
    "core",
    "fit",
    "load",
    "optimize",
    "plan",
    "predict",
    "sensitivity",
    "simulate",
    "sweep",
    "systems",
]

_MODULES = ("compare", "core", "fit", "plan", "systems")
_HOMES = {
    "Comparison": "compare.comparison",
    "load": "compare.export",
    "Sweep": "compare.sweep",
    "sweep": "compare.sweep",
    "Ensemble": "engine.ensemble",
    "predict": "engine.predictions",
    "sensitivity": "engine.predictions",
    "Optimum": "design",
    "optimize": "design",
    "simulate": "front",
    "converge": "front",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'core')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
