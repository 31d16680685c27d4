"""The interface that every system speaks and that the engine, the verdict and the report understand."""

from theorylab.core.errors import NumericalFailure, OutOfMemory, Refused, require, require_finite
from theorylab.core.numerics import Numerics
from theorylab.core.observable import Observable
from theorylab.core.paper import Claim, Paper
from theorylab.core.prediction import Prediction, Status, status_where, worst
from theorylab.core.preset import Case, Preset
from theorylab.core.system import AbstractSystem, Size, coupling, extent, require_size

__all__ = [
    "AbstractSystem",
    "Case",
    "Claim",
    "NumericalFailure",
    "Numerics",
    "Observable",
    "OutOfMemory",
    "Paper",
    "Prediction",
    "Preset",
    "Refused",
    "Size",
    "Status",
    "coupling",
    "extent",
    "require",
    "require_finite",
    "require_size",
    "status_where",
    "worst",
]
