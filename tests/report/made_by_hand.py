"""Comparisons made by hand, so that the report is tested without a theory or a simulation."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from theorylab.compare.result import Agreement
from theorylab.core import AbstractSystem, Case, Observable, Paper, Preset

PAPER = Paper('Curves <and> their "limits"', ("Ada Lovelace", "Émile Borel"), 2024, "2401.01234")
TIME = np.linspace(0.0, 10.0, 80)
STEPS = np.unique(np.round(np.geomspace(1.0, 1e4, 40)))

LOSS = Observable("loss", r"loss $\mathcal{L}(t)$", ("time",), unit="target variance")
DECAY = Observable("decay", "test loss", ("steps",), "log")
DENSITY = Observable("spectrum", r"density $\rho(\lambda)$", ("eigenvalue",), "density")
EXPONENT = Observable("exponent", r"exponent $\beta$", ())
KERNEL = Observable("kernel", r"kernel $\Phi$", ("layer", "time"))

COORDINATES = {
    "time": TIME,
    "steps": STEPS,
    "late_steps": np.concatenate(([0.0], STEPS)),
    "eigenvalue": np.linspace(-3.0, 3.0, 40),
    "layer": np.arange(1, 9),
}
THEORY = {
    "loss": np.exp(-TIME / 2) + 0.1,
    "decay": 3 * STEPS**-0.8,
    "spectrum": np.exp(-(COORDINATES["eigenvalue"] ** 2) / 2),
    "exponent": np.array(1.5),
    "kernel": (1 + 0.4 * COORDINATES["layer"][:, None]) * (1 - np.exp(-TIME / 3))[None] + 0.2,
}


class Toy(AbstractSystem):
    """A system that is only talked about."""

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[dict[str, Preset]] = {"quick": Preset((Case("flow"),), 1.0)}
    size: ClassVar[str | None] = "width"
    judged: tuple[Observable, ...] = eqx.field(static=True, default=())

    @property
    def observables(self) -> tuple[Observable, ...]:
        return self.judged


def agreement(observable: Observable, residual: Any, band: Any, word: Any, runs: int, **said: Any) -> Agreement:
    deviation = float(np.sqrt(np.mean(residual**2)))
    values = {"reason": "", "needed": None, **said}
    return Agreement(
        observable, word, deviation, 0.9 * deviation, 1.1 * deviation, 0.003, 2.3, runs, "run", values["needed"],
        values["reason"], residual, band, np.array(1.0),
    )  # fmt: skip
