"""Same or different in images, measured and not predicted: docs/equality_reasoning.md section 6.

python -m theorylab.compare equality_reasoning --preset vision
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theorylab.core import Cells, Outcome, Table
from theorylab.systems.equality_reasoning.simulation_vision import Scene, train

SEEDS = 4
"""Networks a row, each with its own choice of seen kinds."""
TUNING_SEEDS = (100, 101)
"""Seeds, and with them kinds, on which rates are chosen; no row reports them."""
CNN_RATES = (2.0, 10.0, 30.0)


@dataclass(frozen=True)
class Row:
    """One setting of network and images; names as in `simulation_vision.train`."""

    kind: Literal["pentominoes", "patches"]
    seen: int
    network: Literal["mlp", "cnn"] = "mlp"
    width: int = 512
    richness: float = 1.0
    rate: float = 0.05
    batch: int = 128
    steps: int = 2000

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.seen} seen, {self.network}, richness {self.richness:g}"


PIECES = Row("pentominoes", 14, rate=0.5, steps=6000)
ROWS = (
    Row("patches", 16),
    Row("patches", 256),
    Row("patches", 256, richness=1e-3),
    Row("pentominoes", 6, rate=0.5, steps=6000),
    PIECES,
    Row("pentominoes", 14, richness=1e-4, rate=0.5, steps=6000),
)
CNN_ROW = Row("pentominoes", 14, "cnn", width=256, rate=10.0, batch=64, steps=2000)


@functools.cache
def _program(kind: Any, seen: int, network: Any, width: int, batch: int, steps: int) -> Callable[..., Any]:
    scene = Scene(kind, seen)

    def one(seed: Any, richness: Any, rate: Any) -> dict[str, Any]:
        key, split = jax.random.split(jax.random.key(seed))
        options = {"width": width, "richness": richness, "rate": rate, "batch": batch, "steps": steps}
        return train(key, scene, network, split=split, **options)

    return jax.jit(one)


def measure(
    *,
    kind: str,
    seen: int,
    network: str,
    width: int,
    richness: float,
    rate: float,
    batch: int,
    steps: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Accuracies "train" and "test" of one network; the seed chooses its start, its images and the seen kinds."""
    program = _program(kind, seen, network, width, batch, steps)
    return dict(program(seed, jnp.float32(richness), jnp.float32(rate)))


def accuracies(cells: Cells, row: Row, seeds: Sequence[int]) -> dict[str, Float[np.ndarray, "seeds"]]:
    """Accuracies of a row's networks, a cell each."""
    found = []
    for seed in seeds:
        asked = {**asdict(row), "seed": seed}
        found.append(cells(asked, functools.partial(measure, **asked)))
    return {name: np.array([float(one[name]) for one in found]) for name in ("train", "test")}


def best_rate(cells: Cells, row: Row, rates: Sequence[float], seeds: Sequence[int] = TUNING_SEEDS) -> float:
    """The rate of the largest mean accuracy on unseen kinds, over seeds that are used for nothing else."""
    found = {rate: accuracies(cells, Row(**{**asdict(row), "rate": rate}), seeds)["test"].mean() for rate in rates}
    rate = max(found, key=lambda one: found[one])
    cells.say(f"{row.name}: rate {rate:g} of " + ", ".join(f"{r:g} ({a:.3f})" for r, a in found.items()))
    return rate


def run(cells: Cells) -> Outcome:
    """Preset `vision`."""
    return outcome(cells, ROWS, CNN_ROW, CNN_RATES, range(SEEDS), TUNING_SEEDS)


def outcome(
    cells: Cells, rows: Sequence[Row], cnn: Row, rates: Sequence[float], seeds: Sequence[int], tuning: Sequence[int]
) -> Outcome:
    """Every row at several seeds, the convolutional network at a rate tuned on other kinds."""
    cnn = Row(**{**asdict(cnn), "rate": best_rate(cells, cnn, rates, tuning)})
    found: dict[Row, Mapping[str, np.ndarray]] = {}
    for row in (*rows, cnn):
        found[row] = accuracies(cells, row, seeds)
        cells.say(f"{row.name}: unseen {_said(found[row]['test'])}")
    columns = ("images", "seen kinds", "network", "richness", "rate", "steps", "seen kinds right", "unseen kinds right")
    table = Table(
        "same or different in images",
        columns,
        tuple(
            (
                row.kind,
                row.seen,
                row.network,
                row.richness,
                row.rate,
                row.steps,
                _said(one["train"]),
                _said(one["test"]),
            )
            for row, one in found.items()
        ),
        f"accuracy, mean and standard error over {len(seeds)} networks, each with its own seen kinds; chance 0.5; the "
        f"CNN's rate was chosen among {', '.join(f'{rate:g}' for rate in rates)} on other choices of kinds",
    )
    edge = cnn.rate in (min(rates), max(rates)) and len(rates) > 1
    findings = [f"the CNN's best rate, {cnn.rate:g}, lies at the edge of the rates tried"] if edge else []
    for one, other in _pairs([*rows, cnn]):
        change = found[one]["test"] - found[other]["test"]
        findings.append(f"{one.name} minus {other.name}, same kinds: {_said(change, True)}")
    numbers = {
        f"{row.name}, rate {row.rate:g}": {name: [float(x) for x in values] for name, values in one.items()}
        for row, one in found.items()
    }
    return Outcome((table,), {"vision": functools.partial(figure, found)}, tuple(findings), numbers)


def _pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Rows that differ in one thing that matters: rich against lazy, convolutional against fully connected."""
    rich = {(row.kind, row.seen): row for row in rows if row.network == "mlp" and row.richness == 1.0}
    others = [row for row in rows if (row.kind, row.seen) in rich and row is not rich[row.kind, row.seen]]
    pairs = [(rich[row.kind, row.seen], row) for row in others]
    return [(b, a) if b.network == "cnn" else (a, b) for a, b in pairs]


def _said(values: Float[np.ndarray, "seeds"], signed: bool = False) -> str:
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():{'+' if signed else ''}.3f} +- {error:.3f}"


def figure(found: Mapping[Row, Mapping[str, np.ndarray]]) -> Any:
    """Accuracy on seen and unseen kinds, a row each; every network a dot."""
    import matplotlib.pyplot as plt

    panel, axis = plt.subplots(figsize=(7, 0.5 * len(found) + 1.4), layout="constrained")
    for i, one in enumerate(found.values()):
        for name, colour, shift in (("train", "#56B4E9", 0.12), ("test", "#D55E00", -0.12)):
            values = one[name]
            label = {"train": "seen kinds", "test": "unseen kinds"}[name] if i == 0 else None
            axis.plot(values, np.full(len(values), i + shift), "o", color=colour, ms=3, alpha=0.6)
            axis.plot(values.mean(), i + shift, "|", color=colour, ms=14, mew=2.5, label=label)
    axis.axvline(0.5, color="grey", lw=0.8, ls=":")
    axis.set(yticks=range(len(found)), yticklabels=[row.name for row in found], xlabel="accuracy (chance 0.5)")
    axis.invert_yaxis()
    panel.legend(frameon=False, loc="outside upper center", ncols=2)
    return panel
