"""The overview of a sweep: where each curve ends, against the swept coupling, one line a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from theorylab.compare.result import ComparisonData
from theorylab.engine import files
from theorylab.report.overlay import png
from theorylab.report.style import family, style

WIDE = 6.9
"""Inches of two columns."""


@dataclass(frozen=True)
class Swept:
    """One setting of a sweep: the swept coupling's value, and the comparison there."""

    value: float
    data: ComparisonData


def overview(cases: Mapping[str, Sequence[Swept]], field: str) -> Figure:
    """Last recorded value of every one-dimensional observable (or the number itself): theory as lines, simulation as
    points with standard errors, a colour a case. Failed settings are left out: a divergence is no value.

    Arguments:
      cases: settings by case, in the order that they are drawn in.
      field: the swept coupling.
    """
    systems = [one.data.system for swept in cases.values() for one in swept]
    common = [o for o in systems[0].observables if len(o.dims) < 2 and o.scale != "density"]
    common = [o for o in common if all(o.name in {other.name for other in system.observables} for system in systems)]
    values = np.array([one.value for swept in cases.values() for one in swept])
    with style():
        figure = Figure(figsize=(WIDE, 2.9), layout="constrained")
        FigureCanvasAgg(figure)
        axes = np.atleast_1d(figure.subplots(1, max(len(common), 1)))
        for panel, observable in zip(axes, common, strict=True):
            for colour, (case, swept) in zip(family(len(cases)), cases.items(), strict=True):
                good = sorted((one for one in swept if one.data.rungs and not one.data.failure), key=lambda s: s.value)
                if not good:
                    continue
                x = [one.value for one in good]
                theory, mean, error = (
                    [float(np.ravel(getattr(one.data.rungs[-1], what)[observable.name])[-1]) for one in good]
                    for what in ("predicted", "simulated", "stderr")
                )
                panel.plot(x, theory, color=colour, label=case)
                panel.errorbar(x, mean, np.nan_to_num(error), fmt="o", color=colour, mec="white", mew=0.4)
            ends = [np.asarray(line.get_ydata(), float) for line in panel.get_lines()]
            if ends and all((end > 0).all() for end in ends):
                panel.set_yscale("log")
            if values.min() > 0 and values.max() / values.min() > 5:
                panel.set_xscale("log")
            panel.set_xlabel(field.replace("_", " "))
            panel.set_ylabel(f"{observable.label}, at the end" if observable.dims else observable.label)
        if common:
            handles, labels = axes[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), fontsize=6.5)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write the overview as PNG, whole or not at all. Raises: `Refused` where it cannot be written."""
    files.write_bytes(path, png(figure))
    return path
