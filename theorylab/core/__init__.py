"""The interface that every system speaks and that the engine, the verdict and the report understand."""

from theorylab.core.errors import NumericalFailure, OutOfMemory, Refused, require, require_finite
from theorylab.core.experiment import Cells, Outcome, Table
from theorylab.core.numerics import Numerics
from theorylab.core.observable import Observable
from theorylab.core.paper import Claim, Finding, Paper
from theorylab.core.prediction import Prediction, Status, status_where, worst
from theorylab.core.preset import Case, Preset
from theorylab.core.system import (
    AbstractSystem,
    Size,
    coupling,
    coupling_array,
    extent,
    require_size,
    tile_within_cache,
)

__all__ = [
    "AbstractSystem",
    "Case",
    "Cells",
    "Claim",
    "Finding",
    "NumericalFailure",
    "Numerics",
    "Observable",
    "OutOfMemory",
    "Outcome",
    "Paper",
    "Prediction",
    "Preset",
    "Refused",
    "Size",
    "Status",
    "Table",
    "coupling",
    "coupling_array",
    "extent",
    "require",
    "require_finite",
    "require_size",
    "status_where",
    "tile_within_cache",
    "worst",
]
