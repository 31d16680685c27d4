"""Constants of the laws from training runs: estimates, intervals, held-out error, rival laws."""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Key

from theorylab.core import require
from theorylab.core.casting import in_precision
from theorylab.solvers import fit as least_squares
from theorylab.systems.precision_scaling import fitting_notes as notes
from theorylab.systems.precision_scaling.fitting_forms import LAWS, Data, Form, form, prepared, rivals
from theorylab.systems.precision_scaling.fitting_held_out import HeldOut, Rival, judged, split
from theorylab.systems.precision_scaling.fitting_result import Fit
from theorylab.systems.precision_scaling.fitting_table import PRECISIONS, Runs, runs

__all__ = ["Fit", "HeldOut", "Rival", "Runs", "fit", "runs"]

STARTS = 64
"""Random starting points."""
LANES = 16
"""Starts, or resamples, in one program: 64 starts are four blocks, of whose ends the best block is refined."""
STEPS, REFINING, RESAMPLING = 60, 40, 20
"""Steps of Levenberg-Marquardt from random starts, from the best of them, and of a resample from the estimate."""
SOURCE_THRESHOLD = 1e-3
"""Huber threshold on ln L of the source; below any realistic noise, so nearly a sum of absolute values."""


def fit(
    table: Any,
    law: Literal["auto", "chinchilla", "precision", "unified"] = "auto",
    *,
    key: Key[Array, ""] | None = None,
    bootstraps: int = 200,
    huber: float | Literal["auto"] = "auto",
    held_out: Bool[np.ndarray, "n"] | Literal["auto", "none"] = "auto",
    compare: bool = True,
    floor: float | None = None,
    tied: bool = False,
    offset: bool = False,
    starts: int = STARTS,
) -> Fit:
    """Constants of a law from training runs, by Huber regression of ln L; docs/precision_scaling_laws.md section 3.

    Arguments:
      table: path of a CSV file, columns {name: values}, rows [{name: value}, ...], or `Runs`. Columns N, D, loss and
        any of P_w, P_a, P_kv, P_post; high precision is blank, None or inf.
      law: "chinchilla" (runs in high precision only), "precision" (not quantized after training), "unified", or
        "auto": the widest that the columns allow.
      key: of starts, resamples and the random part of the split; `jax.random.key(0)` by default.
      bootstraps: resamples of the cells (runs of one N and D are one cell) by random weights; 0: no intervals.
      huber: threshold on ln L; "auto": 1.35 robust standard deviations of a first fit; 1e-3: the source's.
      held_out: rows that judge the law and its rivals, which are fitted to the others; "auto": the largest size and the
        longest training, and a fifth of the other cells at random; "none". Constants are fitted to all rows.
      compare: whether rival laws are fitted and judged too.
      floor: E where it is known (the entropy of synthetic text, say); 0: none; None: fitted.
      tied: alpha = beta.
      offset: whether the factors are 1 - exp(-P/gamma + n) with fitted n, rather than n = 0.
      starts: random starting points, at least 1.

    Returns: a `Fit`; what the runs do not determine is in its `notes` and `undetermined`.

    Raises: `Refused` for malformed rows (by line), fewer runs than constants, an axis without variation.
    """
    given = runs(table)
    require(law in (*LAWS, "auto"), f"no law {law!r}; laws are: auto, {', '.join(LAWS)}")
    require(bootstraps == 0 or bootstraps >= 50, f"bootstraps must be 0 or at least 50, got {bootstraps}")
    require(huber == "auto" or float(huber) > 0, f"huber must be positive or 'auto', got {huber}")
    require(starts >= 1, f"starts must be at least 1, got {starts}")
    require(floor is None or 0 <= floor < given.loss.min(), _floor_sentence(floor, given))
    chosen, kept, dropped = _rows_of(law, given)
    own = form(chosen, kept, tied=tied, floor=floor, offset=offset)
    notes.check(own, kept)
    if not isinstance(held_out, str):
        mask = np.asarray(held_out, bool)
        require(mask.shape == given.N.shape, f"held_out has shape {mask.shape}, the table {given.N.shape}")
        held_out = mask[dropped["kept"]]
    return _fit(
        own,
        kept,
        key=jax.random.key(0) if key is None else key,
        bootstraps=bootstraps,
        huber=huber,
        held_out=held_out,
        compare=compare,
        starts=starts,
        said=dropped["said"],
    )


def _floor_sentence(floor: float | None, given: Runs) -> str:
    return f"floor must be at least 0 and below the smallest loss {given.loss.min():.6g}, got {floor}"


def _rows_of(law: str, given: Runs) -> tuple[str, Runs, dict[str, Any]]:
    """The law, the rows that it is about, and what is said of the others."""
    low, post = np.isfinite(given.bits).any(axis=1), np.isfinite(given.post)
    if law == "auto":
        law = "unified" if post.any() else "precision" if low.any() else "chinchilla"
    kept = ~(low | post) if law == "chinchilla" else ~post if law == "precision" else np.ones(len(given), bool)
    require(
        law != "precision" or low.any(), f"law precision needs one of the columns {', '.join(PRECISIONS)} with bits"
    )
    require(law != "unified" or post.any(), "law unified needs the column P_post with bits")
    require(kept.any(), f"no row of {given.source} is about the law {law}: all are quantized")
    away = int((~kept).sum())
    about = "in high precision" if law == "chinchilla" else "not quantized after training"
    said = (f"{away} of {len(given)} rows are left out: the law {law} is about runs {about}",) if away else ()
    return law, given.chosen(kept), {"kept": kept, "said": said}


def _fit(
    own: Form,
    table: Runs,
    *,
    key: Key[Array, ""],
    bootstraps: int,
    huber: float | str,
    held_out: Any,
    compare: bool,
    starts: int,
    said: tuple[str, ...],
) -> Fit:
    cells, count = table.cells, len(own.names)
    number = int(cells.max()) + 1
    found = list(said)
    start_key, boot_key, split_key = jax.random.split(key, 3)
    with in_precision("float64"):
        data = prepared(table)
        weights = np.ones(len(table))
        at, threshold = minimise(own, data, weights, huber, start_key, starts)
        resamples = np.empty((0, count))
        stderr, ends = np.full(count, math.nan), np.full((count, 2), math.nan)
        centred = at
        at = own.uncentred(centred, data.centres)
        if bootstraps and number > count + 2:
            times = least_squares.resampled(boot_key, cells, bootstraps)
            again = np.broadcast_to(centred, (bootstraps, count))
            moved = least_squares.in_blocks(own, data, again, times, threshold, RESAMPLING, LANES).at
            resamples = own.uncentred(moved, data.centres)
            stderr, ends = least_squares.t_intervals(at, resamples, number, count)
        elif bootstraps:
            found.append(
                f"no intervals: {count} constants need more than {count + 2} cells (pairs of N and D), there are "
                f"{number}"
            )
        bent = least_squares.curvature(own, data, centred, weights)
        fitted = np.asarray(own.log_loss(centred, data))
        measured = np.log(table.loss)
        outcome, others = None, ()
        parts, why = split(table, own, held_out, split_key)
        if parts is None:
            found.append(why)
        else:
            forms = (own, *(rivals(own) if compare else ()))
            outcome, others = judged(forms, table, data, parts, huber, (start_key, boot_key), bootstraps, minimise)
    result = Fit(
        form=own,
        at=at,
        ends=ends,
        stderr=stderr,
        resamples=resamples,
        correlation=bent.correlation,
        threshold=float(threshold),
        rms=float(np.sqrt(np.mean((fitted - measured) ** 2))),
        r2=least_squares.coefficient_of_determination(measured, fitted),
        cells=number,
        held_out=outcome,
        rivals=others,
        table=table,
        undetermined=notes.undetermined(own, table, at, ends, bent),
        notes=(),
    )
    return result.saying((*found, *notes.sentences(result, bent)))


def minimise(
    own: Form,
    data: Data,
    weights: np.ndarray,
    huber: float | str,
    key: Key[Array, ""],
    starts: int = STARTS,
) -> tuple[np.ndarray, float]:
    """Centred constants with the smallest Huber loss from random starts, and the threshold that was used.

    `weights` of 0 leave rows out. With an automatic threshold the first fit has the source's, and the few best of its
    ends are refined.
    """
    draws = np.asarray(jax.random.uniform(key, (starts, len(own.names))))
    threshold = SOURCE_THRESHOLD if huber == "auto" else float(huber)
    first = least_squares.in_blocks(own, data, own.starts(draws, data), weights[None], threshold, STEPS, LANES)
    require(np.isfinite(first.loss).any(), "no starting point gave a finite loss; check the units of N, D and loss")
    order = np.argsort(first.loss)
    best = first.at[order[0]]
    if huber == "auto":
        residuals = np.asarray(own(jnp.asarray(best), data))[weights > 0]
        threshold = least_squares.automatic_threshold(residuals)
    few = np.broadcast_to(first.at[order[:LANES]], (min(len(order), LANES), len(best)))
    second = least_squares.in_blocks(own, data, few, weights[None], threshold, REFINING, LANES)
    return second.at[int(np.argmin(second.loss))], threshold


def command(
    table: Any,
    key: Key[Array, ""],
    law: str = "auto",
    bootstraps: int = 200,
    huber: str = "auto",
    held_out: str = "auto",
    compare: bool = True,
    floor: float = -1.0,
    tied: bool = False,
    offset: bool = False,
) -> Fit:
    """Constants of scaling laws from training runs. Columns: N (non-embedding parameters), D (training tokens), loss
    (nats a token), and any of P_w, P_a, P_kv (bits of weights, activations, key-value cache in training) and P_post
    (bits of the weights after training); blank: high precision.

    --law: chinchilla, precision, unified, or auto, the widest that the columns allow. --huber: threshold on ln loss;
    auto, or 0.001 as in the source. --held-out none: judge by no run. --floor: the loss's floor E where it is known
    (0: no floor; below 0: fitted). --tied: alpha = beta. --offset: factors 1 - exp(-P/gamma + n) with fitted n.
    --no-compare: no rival laws.
    """
    chosen: Any = law
    threshold: Any = huber
    if huber != "auto":
        try:
            threshold = float(huber)
        except ValueError:
            require(False, f"huber must be a positive number or auto, got {huber!r}")
    require(held_out in ("auto", "none"), f"held_out must be auto or none, got {held_out!r}")
    kind: Any = held_out
    return fit(
        table,
        chosen,
        key=key,
        bootstraps=bootstraps,
        huber=threshold,
        held_out=kind,
        compare=compare,
        floor=None if floor < 0 else floor,
        tied=tied,
        offset=offset,
    )
