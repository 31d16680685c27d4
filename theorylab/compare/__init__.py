"""Theory beside simulation: `run` one setting, `sweep` many, climb a size ladder with `converge`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theorylab.compare.case import Options, run
    from theorylab.compare.comparison import Comparison
    from theorylab.compare.export import load
    from theorylab.compare.result import Agreement, Convergence
    from theorylab.compare.sweep import Sweep, sweep

__all__ = ["Agreement", "Comparison", "Convergence", "Options", "Sweep", "load", "run", "sweep"]

_HOMES = {
    "run": "case",
    "Options": "case",
    "Comparison": "comparison",
    "load": "export",
    "Agreement": "result",
    "Convergence": "result",
    "Sweep": "sweep",
    "sweep": "sweep",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
