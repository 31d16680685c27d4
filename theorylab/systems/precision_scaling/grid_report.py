"""What a grid of trained transformers says: laws fitted, and judged on larger runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from theorylab.core import Outcome, Table
from theorylab.systems.precision_scaling import degradation_fit, grid_figures, simulation_grid
from theorylab.systems.precision_scaling.fitting import Fit, fit
from theorylab.systems.precision_scaling.grid import FULL, Measured, Plan

LEAST_BITS = 3.0
"""Runs in fewer bits lie outside the law; they are tabulated, not fitted."""


def law_table(
    plan: Plan, fitted: Measured, held_out: Measured, post: bool = False
) -> tuple[dict[str, Any], np.ndarray]:
    """Columns for a fit, one row a run of at least 3 bits, and which rows are held out.

    Arguments:
      post: rows rounded after training too, to fewer bits than they were trained in.
    """
    columns: dict[str, list[float]] = {name: [] for name in ("N", "D", "loss", "P_w", "P_a", "P_kv", "P_post")}
    held: list[bool] = []

    def add(size: float, tokens: float, loss: float, bits: Any, after: float) -> None:
        values = (size, tokens, loss, *(math.inf if b >= FULL else b for b in bits), after)
        for name, value in zip(columns, values, strict=True):
            columns[name].append(float(value))

    for judged, cells in ((False, fitted), (True, held_out)):
        for (shape, tokens), runs in cells.items():
            for seed in range(len(runs.loss)):
                for i, bits in enumerate(plan.bits):
                    if min(bits) < LEAST_BITS:
                        continue
                    add(shape.size(plan.setup), tokens, runs.loss[seed, i], bits, math.inf)
                    chosen = [j for j, p in enumerate(plan.post) if post and p < bits[0]]
                    for j in chosen:
                        add(shape.size(plan.setup), tokens, runs.rounded[seed, i, j], bits, plan.post[j])
                    held += [judged] * (1 + len(chosen))
    if not post:
        del columns["P_post"]
    return columns, np.array(held)


def degradations(
    plan: Plan, cells: Measured, compensated: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """N, D, P and loss added by rounding full-precision weights after training, mean over seeds."""
    rows = []
    for (shape, tokens), runs in cells.items():
        after = runs.compensated if compensated else runs.rounded[:, 0]
        added = (after - runs.loss[:, :1]).mean(0)
        rows += [(shape.size(plan.setup), tokens, p, added[j]) for j, p in enumerate(plan.post)]
    table = np.array(rows, float)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def outcome(plan: Plan, fitted: Measured, held_out: Measured, **options: Any) -> Outcome:
    """Tables, fits, their judgement on the held-out runs, figures; `options` are those of the fits."""
    entropy = simulation_grid.source(plan.setup.letters).entropy
    rows, held = law_table(plan, fitted, held_out)
    law = fit(rows, "precision", floor=entropy, held_out=held, **options)
    rows, held = law_table(plan, fitted, held_out, post=True)
    unified = fit(rows, "unified", floor=entropy, held_out=held, **options)
    rounding = {name: _judged(plan, fitted, held_out, name == "compensated") for name in ("nearest", "compensated")}
    numbers = {"entropy": entropy, "precision": _short(law), "unified": _short(unified), "degradation": rounding}
    every = {**fitted, **held_out}
    return Outcome(
        tables=(
            _loss_table(plan, every, entropy),
            _share_table(plan, every, law),
            _after_table(plan, every),
            _constants_table(law, f"Law of training in low precision, floor {entropy:.4f} nats"),
            _rivals_table(law, "Laws of training in low precision on held-out runs"),
            _rounding_table(rounding),
            _constants_table(unified, "Unified law"),
            _rivals_table(unified, "Unified law and rivals on held-out runs"),
        ),
        figures={
            "bits": functools.partial(grid_figures.bits, plan, every, entropy),
            "degradation": functools.partial(grid_figures.degradation, plan, every),
            "turning": functools.partial(grid_figures.turning, plan, every, entropy),
            "held_out": functools.partial(grid_figures.held_out, law),
            "effective": functools.partial(grid_figures.effective, plan, every, law),
        },
        findings=_findings(law, unified, rounding, plan, every),
        numbers=numbers,
    )


def _judged(plan: Plan, fitted: Measured, held_out: Measured, compensated: bool) -> dict[str, Any]:
    """Exponents of the degradation, and how they do on the held-out cells beside the law without data."""
    rows, larger = degradations(plan, fitted, compensated), degradations(plan, held_out, compensated)
    whole = degradation_fit.fit(*rows)
    rival = degradation_fit.fit(*rows, columns=degradation_fit.WITHOUT_DATA)
    said: dict[str, Any] = {"rows": whole.rows, "dropped": whole.dropped, "r2": whole.r2}
    said |= {name: float(whole.at[i]) for i, name in ((1, "gamma_D"), (2, "gamma_N"))}
    said |= {f"{name}_stderr": float(whole.stderr[i]) for i, name in ((1, "gamma_D"), (2, "gamma_N"))}
    said |= {"gamma_post": whole.gamma_post, "gamma_post_stderr": whole.gamma_post_stderr}
    for name, one in (("", whole), ("_without_data", rival)):
        said["held_out_r2" + name], said["held_out_rms" + name] = one.score(*larger)
    return said


def _short(law: Fit) -> dict[str, Any]:
    said = law.to_dict()
    return {name: said[name] for name in ("constants", "held_out", "rivals", "r2", "rms", "undetermined", "notes")}


def _name(bits: Any) -> str:
    return " ".join("-" if b >= FULL else f"{b:g}" for b in bits)


def _loss_table(plan: Plan, every: Measured, entropy: float) -> Table:
    rows = []
    for (shape, tokens), runs in every.items():
        excess = runs.loss.mean(0) - entropy
        rows.append((shape.size(plan.setup), f"{tokens:,.0f}", len(runs.loss), *(f"{x:.4f}" for x in excess)))
    names = tuple(_name(bits) for bits in plan.bits)
    return Table(
        "Loss less the text's entropy, nats, by bits of weights, activations, cache in training",
        ("N", "D", "seeds", *names),
        tuple(rows),
        "A dash is full precision; tested as trained.",
    )


def _share_table(plan: Plan, every: Measured, law: Fit) -> Table:
    rows = []
    for i, bits in enumerate(plan.bits):
        if min(bits) < FULL:
            shares = grid_figures.shares(plan, every, law, i)
            rows.append((_name(bits), f"{np.median(shares):.3f}", f"{np.min(shares):.3f}", f"{np.max(shares):.3f}"))
    note = "The share of N at which the law fitted to these runs gives the loss that was measured, in each cell."
    return Table("Effective parameter counts, N_eff / N", ("bits", "median", "least", "most"), tuple(rows), note)


def _after_table(plan: Plan, every: Measured) -> Table:
    rows = []
    for (shape, tokens), runs in every.items():
        size = shape.size(plan.setup)
        nearest = (runs.rounded[:, 0] - runs.loss[:, :1]).mean(0)
        gptq = (runs.compensated - runs.loss[:, :1]).mean(0)
        values = [f"{x:.4f}" for pair in zip(nearest, gptq, strict=True) for x in pair]
        rows.append((size, f"{tokens:,.0f}", f"{tokens / size:.0f}", *values))
    names = tuple(f"{p:g} bits{kind}" for p in plan.post for kind in ("", ", compensated"))
    return Table(
        "Loss added by rounding the weights after training in full precision", ("N", "D", "D / N", *names), tuple(rows)
    )


def _constants_table(law: Fit, title: str) -> Table:
    intervals, rows = law.intervals, []
    for name, value in law.estimates.items():
        ends = f"[{intervals[name][0]:.4g}, {intervals[name][1]:.4g}]" if intervals else "none"
        rows.append((name, f"{value:.4g}", ends, "no" if name in law.undetermined else "yes"))
    note = f"{len(law.table)} runs, {law.cells} cells; in sample R^2 {law.r2:.4f}, rms error of ln L {law.rms:.4f}."
    return Table(title, ("constant", "estimate", "95 % interval", "determined"), tuple(rows), note)


def _rivals_table(law: Fit, title: str) -> Table:
    held, rows = law.held_out, []
    if held is not None:
        ends = f"{held.r2:.4f} [{held.r2_ends[0]:.4f}, {held.r2_ends[1]:.4f}]"
        rows.append((law.law, len(law.names), ends, f"{held.rms:.4f}", "", ""))
        for one in law.rivals:
            ratio = f"{one.ratio:.2f} [{one.ends[0]:.2f}, {one.ends[1]:.2f}]"
            rows.append((one.name, one.parameters, f"{one.r2:.4f}", f"{one.rms:.4f}", ratio, one.word))
    columns = ("law", "constants", "R^2", "rms of ln L", "rms over ours", "word")
    return Table(title, columns, tuple(rows))


def _rounding_table(rounding: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, one in rounding.items():
        constants = (f"{one[c]:.3f} ± {one[c + '_stderr']:.3f}" for c in ("gamma_D", "gamma_N", "gamma_post"))
        scores = (f"{one[c]:.3f}" for c in ("r2", "held_out_r2", "held_out_r2_without_data"))
        rows.append((name, *constants, *scores, one["dropped"]))
    return Table(
        "Exponents of the degradation after training",
        ("rounding", "gamma_D", "gamma_N", "gamma_post", "R^2", "held-out R^2", "without data", "dropped"),
        tuple(rows),
        "Least squares of ln delta; errors are those of the regression.",
    )


def _findings(
    law: Fit, unified: Fit, rounding: Mapping[str, Mapping[str, Any]], plan: Plan, every: Measured
) -> tuple[str, ...]:
    said = []
    for name, one in (("training in low precision", law), ("all runs, rounded after training too", unified)):
        held = one.held_out
        if held is not None:
            losers = [r.name for r in one.rivals if r.word == "worse"]
            winners = [r.name for r in one.rivals if r.word == "better"]
            said.append(
                f"The law of {name} predicts the held-out larger runs with R^2 {held.r2:.3f} "
                f"[{held.r2_ends[0]:.3f}, {held.r2_ends[1]:.3f}] (ln L); worse: {', '.join(losers) or 'none'}; better: "
                f"{', '.join(winners) or 'none'}."
            )
    near = rounding["nearest"]
    signed, more = near["gamma_N"] / near["gamma_N_stderr"], near["gamma_D"] / near["gamma_D_stderr"]
    grows = "grows" if more > 2 else "falls" if more < -2 else "does not resolvably change"
    falls = "falls" if signed > 2 else "rises" if signed < -2 else "does not resolvably change"
    said.append(
        f"Degradation after training {grows} with data (gamma_D {near['gamma_D']:.2f} ± {near['gamma_D_stderr']:.2f}) "
        f"and at fixed data {falls} with size (gamma_N {near['gamma_N']:.2f} ± {near['gamma_N_stderr']:.2f}); "
        f"gamma_post {near['gamma_post']:.2f} bits; on held-out cells R^2 {near['held_out_r2']:.2f}, without a "
        f"dependence on data {near['held_out_r2_without_data']:.2f}."
    )
    up = grid_figures.turned_up(plan, every)
    said.append(
        "The loss after rounding turns up within the range of data at: "
        + ("; ".join(f"N = {n:,}, {p:g} bits, {d:,.0f} tokens" for n, p, d in up) or "no size")
        + "."
    )
    return tuple(said)
