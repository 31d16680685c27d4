"""What the sgd_resolvent figures share: theory and runs of a setting over each other."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from common import points, predict, simulate

from theorylab.systems.sgd_resolvent import SGDResolvent

jax.config.update("jax_enable_x64", True)


def overlay(axes: dict[str, Any], system: SGDResolvent, colour: str, label: str, runs: int) -> None:
    """Theory as a line, the mean of the runs with its standard error as points; an axis for each observable."""
    (x,) = (np.asarray(values) for values in system.coordinates().values())
    theory, found = predict(system).curves, simulate(system, runs)
    for name, axis in axes.items():
        axis.plot(x, theory[name], color=colour, label=label)
        points(axis, x[::3], found[name][:, ::3], colour)
