"""What a table of runs cannot say: refused before a fit, told after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from theorylab.core import require
from theorylab.solvers.fit import Curvature
from theorylab.systems.precision_scaling.fitting_forms import SHORT, Form, is_positive
from theorylab.systems.precision_scaling.fitting_table import PRECISIONS, Runs

if TYPE_CHECKING:
    from theorylab.systems.precision_scaling.fitting_result import Fit

SINGULAR = 1e-9
"""Weakest eigenvalue of the scaled normal matrix below which a combination of constants is called undetermined: the
steps of the fit could not tell it from round-off."""
WIDE = {"prefactor": np.log(1e3), "positive": np.log(3.0), "exponent": 0.5}
"""Half-widths of an interval from which a constant is called undetermined: factors, and for exponents a difference.
Prefactors are extrapolated to one parameter or one token, hence wide."""
VANISHED = 1e-3
"""Share of the smallest loss below which a fitted floor is called zero."""
CORRELATED = 0.98


def check(form: Form, table: Runs) -> None:
    """Refuse tables that cannot determine the law. Raises: `Refused`, with the axis or the number that lacks."""
    names = form.names
    require(
        len(table) >= len(names),
        f"{len(table)} runs are fewer than the {len(names)} constants of the law {form.name} ({', '.join(names)}); "
        "add runs, choose a smaller law, or fix constants (tied exponents, a known floor)",
    )
    for name, values in (("N", table.N), ("D", table.D)):
        require(
            len(np.unique(values)) > 1,
            f"{name} is {values[0]:g} in every run: its exponent cannot be fitted; add runs of other {name}",
        )
    for part in form.parts:
        bits, name = table.bits[:, part], PRECISIONS[part]
        require(
            len(np.unique(bits)) > 1,
            f"{name} is {bits[0]:g} in every run: gamma_{SHORT[part]} cannot be told from A; add runs of other {name}, "
            "or leave the column out",
        )
    if form.post != "none":
        low = np.unique(table.post[np.isfinite(table.post)])
        require(
            len(low) > 1,
            f"P_post is {low[0]:g} in every quantized run: gamma_post cannot be told from C_T; quantize to others",
        )


def undetermined(form: Form, table: Runs, at: np.ndarray, ends: np.ndarray, bent: Curvature) -> tuple[str, ...]:
    """Constants that these runs do not determine."""
    found: list[str] = []
    for i, name in enumerate(form.names):
        half = 0.5 * (ends[i, 1] - ends[i, 0])
        kind = "prefactor" if name in ("A", "B", "C_T") else "positive" if is_positive(name) else "exponent"
        gone = name == "E" and at[i] < np.log(VANISHED * table.loss.min())
        part_of_it = bent.weakest < SINGULAR and abs(bent.direction[i]) > 0.3
        if half > WIDE[kind] or gone or part_of_it:
            found.append(name)
    return tuple(found)


def sentences(result: Fit, bent: Curvature) -> tuple[str, ...]:
    """What a reader must know of a fit."""
    found: list[str] = []
    if result.undetermined:
        found.append(f"not determined by these runs: {', '.join(result.undetermined)}")
    if bent.weakest < SINGULAR:
        worst = [name for name, share in zip(result.names, bent.direction, strict=True) if abs(share) > 0.3]
        if len(worst) > 1:
            found.append(f"a combination of {', '.join(worst)} changes nothing in these runs; others of them are known")
    found += _of_axes(result.table)
    if "E" in result.names and result.at[result.names.index("E")] < np.log(VANISHED * result.table.loss.min()):
        found.append("the fitted floor E is zero: losses are not yet near a floor; give a known one, or floor 0")
    found += _of_bits(result)
    pairs = [
        f"{result.names[i]} and {result.names[j]} ({bent.correlation[i, j]:+.3f})"
        for i in range(len(result.names))
        for j in range(i)
        if abs(bent.correlation[i, j]) > CORRELATED
    ]
    if pairs and bent.weakest >= SINGULAR:
        found.append(f"strongly correlated estimates (terms taken at the centre of the runs): {', '.join(pairs)}")
    better = [one.name for one in result.rivals if one.word == "better"]
    if better:
        found.append(f"better on the held-out runs: {', '.join(better)}")
    return tuple(found)


def _of_axes(table: Runs) -> list[str]:
    found = []
    for name, values in (("N", table.N), ("D", table.D)):
        if len(np.unique(values)) == 2:
            found.append(f"{name} has two values: its term cannot be told from the floor E; add a third")
        elif values.max() < 4 * values.min():
            found.append(f"{name} spans less than a factor of 4: its exponent is an extrapolation")
    return found


def _of_bits(result: Fit) -> list[str]:
    form, table = result.form, result.table
    found = []
    for part in form.parts:
        gamma, lowest = result.estimates[f"gamma_{SHORT[part]}"], table.bits[:, part].min()
        if lowest > 2 * gamma:
            found.append(
                f"{PRECISIONS[part]} is at least {lowest:g}, above 2 gamma_{SHORT[part]} = {2 * gamma:.3g}: its factor "
                "is nearly 1 in every run, so gamma is poorly determined; add runs with fewer bits"
            )
        if lowest < 3:
            found.append(f"{PRECISIONS[part]} goes down to {lowest:g}: runs below 3 bits tend to lie outside the law")
    below = np.isfinite(table.post) & (table.bits < table.post[:, None]).any(axis=1)
    if form.post != "none" and below.any():
        found.append(
            f"{below.sum()} runs are quantized to more bits than they were trained at: the law adds nothing there"
        )
    return found
