"""The preset `tiny`: what rounding costs a small network, after training and during it (docs page, section 4)."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from theorylab.core import Cells, Outcome, Table
from theorylab.systems.precision_scaling import degradation_fit, simulation_tiny

WIDTHS = (16, 32, 64)
CHECKPOINTS = (250, 500, 1000, 2000, 4000, 8000, 16000)
BITS = (3.0, 4.0, 5.0, 6.0)
AWARE_STEPS = 3000
AWARE = (
    *((w, 16.0) for w in (2.0, 3.0, 4.0, 6.0)),
    *((16.0, a) for a in (3.0, 4.0, 5.0, 6.0, 8.0)),
    *((3.0, 3.0), (4.0, 4.0), (3.0, 4.0), (16.0, 16.0)),
)
"""Bits of (weights, activations); 16 is full precision."""
FULL = (16.0, 16.0)
SEEDS = 4
AWARE_SEEDS = 3
Losses = Mapping[int, Mapping[str, np.ndarray]]


def measured(cells: Cells) -> tuple[Losses, Losses]:
    """Losses along training rounded afterwards, and of rounded training, by width."""
    after, aware = {}, {}
    for width in WIDTHS:
        cells.say(f"width {width}: training, then rounding")
        question = {"part": "after", "width": width, "checkpoints": list(CHECKPOINTS)}
        after[width] = cells(
            question | {"bits": list(BITS), "seeds": SEEDS},
            functools.partial(simulation_tiny.after_training, width, CHECKPOINTS, BITS, SEEDS),
        )
    for width in WIDTHS:
        cells.say(f"width {width}: training while rounding")
        question = {"part": "aware", "width": width, "steps": AWARE_STEPS, "bits": [list(pair) for pair in AWARE]}
        aware[width] = cells(
            question | {"seeds": AWARE_SEEDS},
            functools.partial(simulation_tiny.aware, width, AWARE_STEPS, AWARE, AWARE_SEEDS),
        )
    return after, aware


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over seeds, the first axis: mean and standard error."""
    return values.mean(0), values.std(0, ddof=1) / math.sqrt(len(values))


def shown(value: float, error: float, digits: int = 4) -> str:
    """A number and its standard error."""
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def tokens() -> np.ndarray:
    """D at the checkpoints: examples seen."""
    return simulation_tiny.BATCH * np.array(CHECKPOINTS, float)


def rows_of(after: Losses, seed: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """N, D, P and degradation of every width, checkpoint and precision; the mean over seeds, or one of them."""
    found = []
    for width in WIDTHS:
        delta = after[width]["rounded"] - after[width]["loss"][..., None]
        chosen = delta.mean(0) if seed is None else delta[seed]
        for i, d in enumerate(tokens()):
            found += [(simulation_tiny.size(width), d, p, chosen[i, j]) for j, p in enumerate(BITS)]
    table = np.array(found, float)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def turning(after: Losses) -> dict[tuple[int, float], tuple[float, bool]]:
    """By width and bits: D of the least loss after rounding (mean over seeds), and whether it lies inside the range."""
    found = {}
    for width in WIDTHS:
        for j, bits in enumerate(BITS):
            at = int(np.argmin(after[width]["rounded"][..., j].mean(0)))
            found[width, bits] = (float(tokens()[at]), 0 < at < len(CHECKPOINTS) - 1)
    return found


def effective_sizes(aware: Losses) -> list[tuple[int, float, float, float]]:
    """(width, bits, N_eff / N, gamma_w): the size whose full-precision loss the rounded weights reach, by a power law
    through the full-precision losses; only where that lies between measured sizes."""
    losses = {w: dict(zip(AWARE, aware[w]["loss"].mean(0), strict=True)) for w in WIDTHS}
    log_size = np.log([simulation_tiny.size(w) for w in WIDTHS])
    above = np.log([losses[w][FULL] - simulation_tiny.floor() for w in WIDTHS])
    found = []
    for width in WIDTHS:
        for bits in (3.0, 4.0, 6.0):
            excess = math.log(losses[width][bits, 16.0] - simulation_tiny.floor())
            if above[-1] < excess < above[0]:
                share = math.exp(np.interp(-excess, -above, log_size)) / simulation_tiny.size(width)
                gamma = -bits / math.log1p(-share) if share < 1 else math.nan
                found.append((width, bits, share, gamma))
    return found


def experiment(cells: Cells) -> Outcome:
    """What rounding after and during training costs, and the exponents of the degradation."""
    after, aware = measured(cells)
    whole = degradation_fit.fit(*rows_of(after))
    each = [degradation_fit.fit(*rows_of(after, seed)) for seed in range(SEEDS)]
    rival = degradation_fit.fit(*rows_of(after), columns=degradation_fit.WITHOUT_DATA)
    turns = turning(after)
    numbers = {
        "gamma_D": float(whole.at[1]),
        "gamma_D_stderr": _spread([one.at[1] for one in each]),
        "gamma_N": float(whole.at[2]),
        "gamma_N_stderr": _spread([one.at[2] for one in each]),
        "gamma_post": whole.gamma_post,
        "gamma_post_stderr": _spread([one.gamma_post for one in each]),
        "r2": whole.r2,
        "r2_without_data": rival.r2,
        "rows": whole.rows,
        "dropped": whole.dropped,
        "tokens_of_least_4_bit_loss": {str(w): turns[w, 4.0][0] for w in WIDTHS},
    }
    return Outcome(
        tables=(_after_table(after), _fit_table(numbers, whole), *_aware_tables(aware)),
        figures={
            "degradation": functools.partial(degradation_figure, after, whole),
            "turning": functools.partial(turning_figure, after),
            "aware": functools.partial(aware_figure, aware),
        },
        findings=_findings(numbers, turns),
        numbers=numbers,
    )


def _spread(values: Any) -> float:
    """Standard error of the mean over seeds."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def _findings(numbers: Mapping[str, Any], turns: Mapping[tuple[int, float], tuple[float, bool]]) -> tuple[str, ...]:
    inside = [w for w in WIDTHS if turns[w, 4.0][1]]
    size = numbers["gamma_N"] / numbers["gamma_N_stderr"]
    falls = "falls" if size > 2 else "does not fall" if size < 2 and numbers["gamma_N"] < 0 else "hardly falls"
    return (
        f"Degradation by rounding after training: gamma_D {shown(numbers['gamma_D'], numbers['gamma_D_stderr'], 3)}, "
        f"gamma_post {shown(numbers['gamma_post'], numbers['gamma_post_stderr'], 3)} bits, R^2 {numbers['r2']:.3f}; "
        f"without a dependence on data {numbers['r2_without_data']:.3f}.",
        f"At fixed data it {falls} with size at this scale: gamma_N "
        f"{shown(numbers['gamma_N'], numbers['gamma_N_stderr'], 3)}.",
        f"The loss after rounding to 4 bits has a minimum inside the data range at widths {inside or 'none'}.",
    )


def _after_table(after: Losses) -> Table:
    rows = []
    for width in WIDTHS:
        loss = mean_and_error(after[width]["loss"])
        delta = mean_and_error(after[width]["rounded"] - after[width]["loss"][..., None])
        for i, steps in enumerate(CHECKPOINTS):
            cells = [shown(delta[0][i, j], delta[1][i, j]) for j in range(len(BITS))]
            rows.append((width, simulation_tiny.size(width), steps, shown(loss[0][i], loss[1][i]), *cells))
    names = tuple(f"delta {p:g} bits" for p in BITS)
    note = f"{SEEDS} seeds, each with a table of its own; one constant-rate run a seed serves all its checkpoints."
    return Table("Rounded after training", ("width", "N", "steps", "loss", *names), tuple(rows), note)


def _fit_table(numbers: Mapping[str, Any], whole: degradation_fit.Degradations) -> Table:
    rows = (
        ("gamma_D", f"{numbers['gamma_D']:.4f}", f"{numbers['gamma_D_stderr']:.4f}", f"{whole.stderr[1]:.4f}"),
        ("gamma_N", f"{numbers['gamma_N']:.4f}", f"{numbers['gamma_N_stderr']:.4f}", f"{whole.stderr[2]:.4f}"),
        (
            "gamma_post (bits)",
            f"{numbers['gamma_post']:.4f}",
            f"{numbers['gamma_post_stderr']:.4f}",
            f"{whole.gamma_post_stderr:.4f}",
        ),
    )
    note = f"R^2 of ln delta {whole.r2:.4f} on {whole.rows} rows, {whole.dropped} dropped (not positive)."
    return Table("Exponents of the degradation", ("constant", "estimate", "error, seeds", "error, rows"), rows, note)


def _aware_tables(aware: Losses) -> tuple[Table, ...]:
    rows, joint = [], []
    for width in WIDTHS:
        mean, error = mean_and_error(aware[width]["loss"])
        loss = dict(zip(AWARE, aware[width]["loss"].mean(0), strict=True))
        rows += [(width, *(f"{b:g}" for b in pair), shown(mean[i], error[i])) for i, pair in enumerate(AWARE)]
        for w, a in ((3.0, 3.0), (4.0, 4.0), (3.0, 4.0)):
            sum_of_parts = loss[w, 16.0] + loss[16.0, a] - loss[FULL]
            joint.append((width, f"{w:g}", f"{a:g}", f"{loss[w, a]:.4f}", f"{sum_of_parts:.4f}"))
    sizes = [(w, f"{b:g}", f"{u:.3f}", f"{g:.2f}") for w, b, u, g in effective_sizes(aware)]
    return (
        Table(
            f"Rounded while training, {AWARE_STEPS} steps",
            ("width", "weight bits", "activation bits", "loss"),
            tuple(rows),
            f"{AWARE_SEEDS} seeds; 16 bits are full precision.",
        ),
        Table(
            "Independent parts", ("width", "weight bits", "activation bits", "loss", "sum of excesses"), tuple(joint)
        ),
        Table("Effective sizes", ("width", "weight bits", "N_eff / N", "gamma_w"), tuple(sizes)),
    )


def _axes(columns: int) -> tuple[Any, Any]:
    import matplotlib.pyplot as plt

    return plt.subplots(1, columns, figsize=(4.2 * columns, 3.6), layout="constrained")


COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Okabe and Ito's colour-blind palette."""


def degradation_figure(after: Losses, whole: degradation_fit.Degradations) -> Any:
    """ln delta against bits and against data, with the fitted law."""
    figure, (left, right) = _axes(2)
    D = tokens()
    for width, colour in zip(WIDTHS, COLOURS, strict=False):
        delta, error = mean_and_error(after[width]["rounded"] - after[width]["loss"][..., None])
        size = np.array([float(simulation_tiny.size(width))])
        left.errorbar(BITS, delta[-1], error[-1], fmt="o", ms=4, capsize=2, color=colour, label=f"N = {int(size[0]):,}")
        left.plot(BITS, [math.exp(whole.log(size, D[-1:], np.array([p]))[0]) for p in BITS], color=colour, lw=1)
        right.errorbar(D, delta[:, 1], error[:, 1], fmt="o", ms=4, capsize=2, color=colour)
        right.plot(D, [math.exp(whole.log(size, np.array([d]), np.array([4.0]))[0]) for d in D], color=colour, lw=1)
    left.set(xlabel="bits after training", ylabel="degradation [nats]", yscale="log", title=f"{CHECKPOINTS[-1]} steps")
    right.set(xlabel="examples seen D", xscale="log", yscale="log", title="4 bits")
    left.legend(frameon=False)
    return figure


def turning_figure(after: Losses) -> Any:
    """Loss after rounding against data: it turns up."""
    figure, axes = _axes(len(WIDTHS))
    for axis, width in zip(axes, WIDTHS, strict=True):
        mean, error = mean_and_error(after[width]["loss"])
        axis.errorbar(tokens(), mean, error, color="k", fmt="o-", ms=3, label="full precision")
        for j in reversed(range(len(BITS))):
            mean, error = mean_and_error(after[width]["rounded"][..., j])
            axis.errorbar(tokens(), mean, error, fmt="o-", ms=3, color=COLOURS[j], label=f"{BITS[j]:g} bits")
        axis.set(xscale="log", xlabel="examples seen D", title=f"N = {simulation_tiny.size(width):,}", ylim=(0.6, 2.2))
    axes[0].set_ylabel("loss [nats]")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def aware_figure(aware: Losses) -> Any:
    """Loss of rounded training against the bits of weights, and of activations."""
    figure, axes = _axes(2)
    for axis, part, name in ((axes[0], 0, "weights"), (axes[1], 1, "activations")):
        chosen = sorted((pair for pair in AWARE if pair[1 - part] == 16.0), key=lambda pair: pair[part])
        for width, colour in zip(WIDTHS, COLOURS, strict=False):
            mean, error = mean_and_error(aware[width]["loss"])
            index = [AWARE.index(pair) for pair in chosen]
            bits = [pair[part] for pair in chosen]
            label = f"N = {simulation_tiny.size(width):,}"
            axis.errorbar(bits, mean[index], error[index], fmt="o-", ms=4, capsize=2, color=colour, label=label)
        axis.set(xlabel=f"bits of {name} (16: full)", xscale="log")
        axis.set_xticks([2, 3, 4, 6, 8, 16], ["2", "3", "4", "6", "8", "16"])
        axis.minorticks_off()
    axes[0].set_ylabel("loss [nats]")
    axes[0].legend(frameon=False)
    return figure
