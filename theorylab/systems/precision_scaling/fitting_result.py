"""A fit: what it prints, what it predicts, what it keeps."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from theorylab.core import require
from theorylab.core.casting import in_precision
from theorylab.solvers.fit import coefficient_of_determination
from theorylab.systems.precision_scaling.fitting_forms import SHORT, Form, is_positive, prepared
from theorylab.systems.precision_scaling.fitting_held_out import HeldOut, Rival
from theorylab.systems.precision_scaling.fitting_table import Runs, runs
from theorylab.systems.precision_scaling.theory_laws import PARTS, Constants

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "precision_scaling"
UNSEEN_GAMMA = 1e-6
"""gamma of a part that no run has in low precision: its factor is 1, and a plan refuses to quantize it."""


@dataclass(frozen=True)
class Fit:
    """Constants of a law from runs.

    Arguments:
      form: the law and its fitted constants (`form.names`).
      at, ends, stderr: estimates (logarithms of positive constants), 95 % intervals and standard errors of the same,
        (parameters,), (parameters, 2), (parameters,); NaN where there are no intervals.
      resamples: estimates of every bootstrap resample, (count, parameters).
      correlation: of the centred estimates, from the curvature, (parameters, parameters).
      threshold: Huber threshold on ln L.
      rms, r2: of ln L over all rows, in sample.
      cells: pairs of N and D.
      held_out, rivals: the judgement by runs that were not fitted; None and () where there is none.
      table: the runs.
      undetermined: constants that these runs do not determine.
      notes: sentences to know.
    """

    form: Form
    at: Float[np.ndarray, "parameters"]
    ends: Float[np.ndarray, "parameters 2"]
    stderr: Float[np.ndarray, "parameters"]
    resamples: Float[np.ndarray, "count parameters"]
    correlation: Float[np.ndarray, "parameters parameters"]
    threshold: float
    rms: float
    r2: float
    cells: int
    held_out: HeldOut | None
    rivals: tuple[Rival, ...]
    table: Runs
    undetermined: tuple[str, ...]
    notes: tuple[str, ...]

    def saying(self, sentences: tuple[str, ...]) -> Fit:
        """This fit with these notes."""
        return dataclasses.replace(self, notes=sentences)

    @property
    def law(self) -> str:
        return self.form.name

    @property
    def names(self) -> tuple[str, ...]:
        return self.form.names

    @property
    def estimates(self) -> dict[str, float]:
        """Constants by name, as they stand in the laws."""
        return {name: float(value) for name, value in zip(self.names, self._plain(self.at), strict=True)}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % intervals of the constants as they stand in the laws; {} where there are none."""
        if not np.isfinite(self.ends).all():
            return {}
        low, high = self._plain(self.ends[:, 0]), self._plain(self.ends[:, 1])
        return {name: (float(a), float(b)) for name, a, b in zip(self.names, low, high, strict=True)}

    def _plain(self, coordinates: np.ndarray) -> np.ndarray:
        return plain(self.form, coordinates)

    def constants(self) -> Constants:
        """The fitted constants in the form that predictions and optima take."""
        return constants(self.form, self.at)

    def log_loss(self, table: Any) -> Float[np.ndarray, "n"]:
        """ln L of other runs by the fitted law; a table as in `fit`, its loss column is not read.

        Raises: `Refused` for malformed rows.
        """
        other = runs(
            {**table, "loss": np.ones(len(next(iter(table.values()))))} if isinstance(table, Mapping) else table
        )
        with in_precision("float64"):
            return np.asarray(self.form.log_loss(self.at, prepared(other, np.zeros(3))))

    def score(self, table: Any) -> dict[str, float]:
        """How well other runs are predicted: r2 and rms of ln L, and how many."""
        other = runs(table)
        predicted, measured = self.log_loss(other), np.log(other.loss)
        return {
            "r2": coefficient_of_determination(measured, predicted),
            "rms": float(np.sqrt(np.mean((predicted - measured) ** 2))),
            "runs": float(len(other)),
        }

    def figures(self) -> dict[str, Callable[[], Figure]]:
        """Functions that draw: predicted against measured, loss against data and bits."""
        from theorylab.systems.precision_scaling import fitting_figures

        return fitting_figures.figures(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, everything that a plan needs among them; numbers that do not exist are None."""
        intervals = self.intervals
        held = self.held_out
        return {
            "system": NAME,
            "law": self.law,
            "parts": [PARTS[i] for i in self.form.parts],
            "runs": len(self.table),
            "cells": self.cells,
            "constants": {
                name: {
                    "value": value,
                    "low": intervals[name][0] if intervals else None,
                    "high": intervals[name][1] if intervals else None,
                    "determined": name not in self.undetermined,
                }
                for name, value in self.estimates.items()
            },
            "tied": self.form.tied,
            "offset": self.form.offset,
            "floor": self.form.floor,
            "positive": [name for name in self.names if is_positive(name)],
            "coordinates": [_number(x) for x in self.at],
            "resamples": [[_number(x) for x in row] for row in self.resamples],
            "correlation": [[_number(x) for x in row] for row in self.correlation],
            "huber_threshold": _number(self.threshold),
            "rms": _number(self.rms),
            "r2": _number(self.r2),
            "held_out": None
            if held is None
            else {
                "runs": int(held.rows.sum()),
                "cells": held.cells,
                "larger": int(held.larger.sum()),
                "lines": [int(x) for x in self.table.lines[held.rows]],
                "r2": _number(held.r2),
                "r2_interval": [_number(x) for x in held.r2_ends],
                "rms": _number(held.rms),
                "rms_larger": _number(held.rms_larger),
                "rms_random": _number(held.rms_random),
            },
            "rivals": [
                {
                    "name": one.name,
                    "constants": one.parameters,
                    "r2": _number(one.r2),
                    "rms": _number(one.rms),
                    "ratio": _number(one.ratio),
                    "ratio_interval": [_number(x) for x in one.ends],
                    "word": one.word,
                }
                for one in self.rivals
            ],
            "undetermined": list(self.undetermined),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        head = f"law {self.law}: {len(self.table)} runs in {self.cells} cells of (N, D), {self.table.source}"
        lines = [head, f"in sample: rms error of ln L {self.rms:.3g}, R^2 {self.r2:.4f}", ""]
        intervals = self.intervals
        lines.append(f"{'constant':>16} {'estimate':>12}   95 % interval")
        for name, value in self.estimates.items():
            ends = "none" if not intervals else f"[{intervals[name][0]:.4g}, {intervals[name][1]:.4g}]"
            mark = "   not determined" if name in self.undetermined else ""
            lines.append(f"{name:>16} {value:>12.5g}   {ends}{mark}")
        if self.held_out is not None:
            lines += ["", *self._held_out_lines(self.held_out)]
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))

    def _held_out_lines(self, held: HeldOut) -> list[str]:
        ends = f" [{held.r2_ends[0]:.4f}, {held.r2_ends[1]:.4f}]" if math.isfinite(held.r2_ends[0]) else ""
        kinds = [f"{held.rms_larger:.3g} beyond all fitted N or D" if held.larger.any() else ""]
        kinds.append(f"{held.rms_random:.3g} within" if (held.rows & ~held.larger).any() else "")
        lines = [
            f"held out: {held.rows.sum()} runs in {held.cells} cells, R^2 {held.r2:.4f}{ends}, rms error of ln L "
            f"{held.rms:.3g} ({', '.join(k for k in kinds if k)})"
        ]
        if self.rivals:
            lines.append(f"{'on the same runs':>32} {'constants':>9} {'R^2':>8} {'rms':>8}   rms over ours")
            lines.append(f"{self.law:>32} {len(self.names):>9} {held.r2:>8.4f} {held.rms:>8.3g}")
        for one in self.rivals:
            lines.append(
                f"{one.name:>32} {one.parameters:>9} {one.r2:>8.4f} {one.rms:>8.3g}   {one.ratio:.2f} "
                f"[{one.ends[0]:.2f}, {one.ends[1]:.2f}] {one.word}"
            )
        return lines


def plain(form: Form, coordinates: Float[np.ndarray, "parameters"]) -> Float[np.ndarray, "parameters"]:
    """Constants as they stand in the laws, from logarithms of the positive ones."""
    # a resample may leave a constant beyond what exp can hold: it is as good as infinite
    return np.where(form.positive, np.exp(np.clip(coordinates, -700, 700)), coordinates)


def constants(form: Form, at: Float[np.ndarray, "parameters"]) -> Constants:
    """Uncentred coordinates of a right law as constants. Raises: `Refused` for a rival law."""
    require(
        form.capacity in ("exponential", "none") and form.data == "none" and form.post in ("full", "none"),
        f"the rival law {form.name!r} has no constants of the laws here",
    )
    k = dict(zip(form.names, (float(x) for x in plain(form, at)), strict=True))
    return Constants(
        A=k["A"],
        alpha=k["alpha"],
        B=k["B"],
        beta=k.get("beta", k["alpha"]),
        E=k.get("E", form.floor or 0.0),
        gamma=np.array([k.get(f"gamma_{s}", UNSEEN_GAMMA) for s in SHORT]),
        C_T=k.get("C_T", 0.0),
        gamma_D=k.get("gamma_D", 0.0),
        gamma_N=k.get("gamma_N", 0.0),
        gamma_post=k.get("gamma_post", 1.0),
        offset=np.array([k.get(f"n_{s}", 0.0) for s in SHORT]),
        robustness=np.array([k.get(f"C_{s}", np.inf) for s in SHORT]),
    )


def _number(x: Any) -> float | None:
    value = float(x)
    return value if math.isfinite(value) else None
