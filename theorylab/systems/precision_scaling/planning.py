"""What a budget buys: bits, size and data, and whether more training hurts a network that is quantized afterwards."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theorylab.core import Refused, require
from theorylab.core.casting import in_precision
from theorylab.systems.precision_scaling import theory_optima as optima
from theorylab.systems.precision_scaling.fitting_forms import Form
from theorylab.systems.precision_scaling.fitting_result import NAME, constants
from theorylab.systems.precision_scaling.theory_laws import PARTS, Constants, published

SHARP = 0.1
"""Share of resamples without an answer from which an interval is withheld."""
UNITS = {"P": "bits", "N": "parameters", "D": "tokens", "loss": "nats/token", "quantized": "nats/token"}
LABELS = {
    "P": "training precision P",
    "N": "parameters N",
    "D": "tokens D",
    "loss": "loss",
    "quantized": "loss after quantization",
    "critical": "tokens D_crit beyond which training hurts it",
    "quantized_N": "parameters N, best for that",
    "quantized_D": "tokens D, best for that",
    "quantized_loss": "loss after quantization then",
}


@dataclass(frozen=True)
class Plan:
    """What the laws advise.

    Arguments:
      values: numbers by name: P, N, D, loss; with bits after training also quantized (the loss then), critical
        (D_crit), and quantized_N, quantized_D, quantized_loss (the best size and data for the quantized network).
      intervals: 95 % intervals by the same names; {} without a fit's resamples.
      hurts: whether training beyond D raises the loss after quantization; None without bits after training.
      chance: share of the fit's resamples in which it does; None without them.
      free: what was chosen: "joint" (P, N, D), "precision" (P and D at given N), "size" (N and D at given P).
      budget, parts, post, source: what was asked, and where the constants come from.
      notes: what to know of the answer.
    """

    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    hurts: bool | None
    chance: float | None
    free: str
    budget: float
    parts: tuple[str, ...]
    post: float
    source: str
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what does not exist is None."""
        return {
            "values": {k: v if math.isfinite(v) else None for k, v in self.values.items()},
            "intervals": {k: list(v) for k, v in self.intervals.items()},
            "more_training_hurts_after_quantization": self.hurts,
            "share_of_resamples_in_which_it_does": self.chance,
            "chosen": self.free,
            "budget": self.budget,
            "parts": list(self.parts),
            "post": self.post if math.isfinite(self.post) else None,
            "constants": self.source,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"budget {self.budget:.4g} (6/16 N D P), {', '.join(self.parts)} at P bits; constants: {self.source}"]
        for name, value in self.values.items():
            unit = UNITS.get(name, "nats/token" if "loss" in name else "tokens" if name[-1] in "Dl" else "parameters")
            ends = self.intervals.get(name)
            shown = f"   [{ends[0]:.4g}, {ends[1]:.4g}]" if ends else ""
            if name == "quantized":
                lines.append(f"quantized after training to {self.post:g} bits:")
            lines.append(f"{LABELS[name]:>46} {value:>12.5g} {unit}{shown}")
        if self.hurts is not None:
            chance = "" if self.chance is None else f" ({100 * self.chance:.0f} % of the fit's resamples)"
            words = "more training hurts" if self.hurts else "more training still helps"
            lines.append(f"{words} the network that is quantized to {self.post:g} bits{chance}")
        return "\n".join((*lines, *(f"note: {note}" for note in self.notes)))


def plan(
    system: Any = None,
    budget: float = 1e21,
    precision: float = 0.0,
    parameters: float = 0.0,
    post: float = 0.0,
    parts: str = "weights,activations,cache",
    fit: str = "",
    offsets: bool = True,
) -> Plan:
    """Precision, size and data for a training budget.

    Arguments:
      system: not read; the laws have constants of their own.
      budget: C = (6/16) N D P, floating-point operations of 16 bits.
      precision: bits P of training where they are given; 0: chosen.
      parameters: size N where it is given; 0: chosen. Not both.
      post: bits of the weights after training; 0: they stay as they were trained.
      parts: what is trained at P bits, separated by commas; the others stay in high precision.
      fit: JSON file of `python -m theorylab.fit precision_scaling ... --out DIR` (DIR/fit.json); by default the
        published constants, without intervals.
      offsets: whether published constants have their offsets; see docs/precision_scaling_laws.md section 1.

    Raises: `Refused` for a budget, precision or size that is not positive, for one part where the optimum has no
      interior, and for a file that is no fit or has not the parts that are asked for.
    """
    for name, value in (("budget", budget), ("precision", precision), ("parameters", parameters), ("post", post)):
        require(np.isfinite(value), f"{name} must be finite, got {value}")
        require(value >= 0, f"{name} must not be negative, got {value}")
    require(budget > 0, f"budget must be positive, got {budget}")
    require(
        precision == 0 or parameters == 0,
        "give precision or parameters, not both: with both, the budget fixes the data and nothing is left to choose",
    )
    chosen = tuple(part.strip() for part in parts.split(",") if part.strip())
    optima.mask(chosen)
    with in_precision("float64"):
        if fit:
            centre, samples, scale, source, said = read_fit(Path(fit), chosen, post)
        else:
            centre, samples, scale, said = published(offsets), [], 1.0, _published_notes(offsets, post)
            source = f"Kumar et al. (2024), Table 2{' with offsets' if offsets else ''}"
        asked = (budget, precision, parameters, post or math.inf, chosen)
        values = advice(centre, *asked)
        many = _many(samples, asked) if samples else {}
    notes = list(said)
    intervals = {}
    for name, found in many.items():
        ends = widened(values[name], found, scale)
        if ends is None:
            notes.append(f"no interval of {LABELS[name]}: too many resamples of the fit have none")
        else:
            intervals[name] = ends
    hurts = chance = None
    if post:
        hurts = values["D"] >= values["critical"]
        if many:
            chance = float(np.mean(many["D"] >= many["critical"]))
    if post and values["P"] <= post:
        notes.append(
            f"trained at {values['P']:.3g} bits and quantized to {post:g}: the law adds nothing there; use fewer"
        )
    free = "size" if precision else "precision" if parameters else "joint"
    return Plan(values, intervals, hurts, chance, free, budget, chosen, post or math.inf, source, tuple(notes))


def advice(
    k: Constants, budget: float, precision: float, parameters: float, post: float, parts: tuple[str, ...]
) -> dict[str, float]:
    """Numbers of a plan for one set of constants. Raises: `Refused` where an optimum does not exist."""
    return {name: float(value) for name, value in _advice(k, budget, precision, parameters, post, parts).items()}


def _advice(
    k: Constants, budget: float, precision: float, parameters: float, post: float, parts: tuple[str, ...]
) -> dict[str, Any]:
    if parameters:
        P: Any = optima.precision_at_size(parameters, budget, k, parts)
        found = optima.spent(jnp.asarray(parameters, float), 16 * budget / 6 / P / parameters, P, k, parts, post)
    else:
        P = precision or optima.joint_precision(k, parts)
        found = optima.allocation(budget, P, k, parts, post)
    values = {"P": P, "N": found.N, "D": found.D, "loss": found.loss}
    if math.isfinite(post):
        values["quantized"] = found.quantized
        values["critical"] = optima.critical_tokens(found.N, post, k, optima.equal_bits(P, parts))
        if not parameters:
            best = optima.quantized_allocation(budget, P, post, k, parts)
            values |= {"quantized_N": best.N, "quantized_D": best.D, "quantized_loss": best.quantized}
    return values


def _many(samples: list[Constants], asked: tuple[Any, ...]) -> dict[str, Float[np.ndarray, "resamples"]]:
    """The plan's numbers for every resample of a fit, in one program; NaN where there is no optimum."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf, float) for leaf in leaves]), *samples)
    found = jax.jit(jax.vmap(lambda k: {n: jnp.asarray(v, float) for n, v in _advice(k, *asked).items()}))(stacked)
    return {name: np.asarray(values) for name, values in found.items()}


def widened(value: float, resamples: Float[np.ndarray, "resamples"], scale: float) -> tuple[float, float] | None:
    """A 95 % interval from a fit's resamples: their percentiles, in logarithms, moved away from the value by the factor
    of the fit's own intervals; None where too many resamples have no value."""
    known = np.isfinite(resamples) & (resamples > 0)
    if known.mean() < 1 - SHARP or not (math.isfinite(value) and value > 0):
        return None
    logs = np.log(resamples[known]) - math.log(value)
    low, high = np.quantile(logs, [0.025, 0.975])
    return value * math.exp(scale * min(low, 0.0)), value * math.exp(scale * max(high, 0.0))


def read_fit(
    path: Path, parts: tuple[str, ...], post: float
) -> tuple[Constants, list[Constants], float, str, tuple[str, ...]]:
    """Constants of a fit's JSON, those of its resamples, the factor of its intervals over percentiles, its name,
    and what it says of itself. Raises: `Refused` for a file that is no fit, or one without what the plan needs."""
    from scipy.stats import norm, t

    try:
        kept = json.loads(path.read_text())
        require(kept["system"] == NAME, f"{path} is a fit of {kept['system']}, not of {NAME}")
        form = Form(
            kept["law"],
            tuple(PARTS.index(part) for part in kept["parts"]),
            "exponential" if kept["parts"] else "none",
            post="full" if kept["law"] == "unified" else "none",
            robust=tuple(i for i, s in enumerate(("w", "a", "kv")) if f"C_{s}" in kept["constants"]),
            tied=kept["tied"],
            floor=kept["floor"],
            offset=kept["offset"],
        )
        require(tuple(kept["constants"]) == form.names, f"{path} has the constants {', '.join(kept['constants'])}")
        centre = constants(form, np.array(kept["coordinates"], float))
        samples = [constants(form, np.array(row, float)) for row in kept["resamples"]]
        cells, count, notes = int(kept["cells"]), len(form.names), list(kept["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(
            f"cannot read {path} as a fit ({type(error).__name__}: {error}); make one with "
            f"python -m theorylab.fit {NAME} runs.csv --out DIR, and name DIR/fit.json"
        ) from error
    lacking = [part for part in parts if PARTS.index(part) not in form.parts]
    require(
        not lacking,
        f"{path} was fitted to runs without {', '.join(lacking)} in low precision; choose --parts "
        f"{','.join(kept['parts']) or '(none: fit runs in low precision first)'}",
    )
    require(post == 0 or form.post == "full", f"{path} was fitted to runs without P_post: it knows no degradation")
    scale = t.ppf(0.975, cells - count) / norm.ppf(0.975) * math.sqrt((cells + 1) / (cells - 1)) if samples else 1.0
    if not samples:
        notes.append("the fit has no resamples, so the plan has no intervals")
    return centre, samples, float(scale), str(path), tuple(f"of the fit: {note}" for note in notes)


def _published_notes(offsets: bool, post: float) -> tuple[str, ...]:
    found = ["published constants hold for their own data and networks; fit yours with theorylab.fit"]
    if offsets:
        found.append("the sign of the published offsets is inferred, not stated")
    if post:
        found.append("the units of the published degradation are not stated: take D_crit by its trend, not its value")
    return tuple(found)
