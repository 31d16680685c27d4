"""A system with a known answer, for tests of everything that knows no system: noisy exponential decay."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from theorylab.core import (
    AbstractSystem,
    Case,
    Cells,
    Claim,
    Finding,
    Observable,
    Outcome,
    Paper,
    Prediction,
    Preset,
    Status,
    Table,
    coupling,
    require,
    require_size,
    status_where,
)


def measured(cells: Cells) -> Outcome:
    """Two cells, a table and a figure."""
    found = [float(cells({"size": n}, lambda n=n: _square(n))["square"]) for n in (2, 3)]

    def figure() -> Any:
        from matplotlib.figure import Figure

        made = Figure(figsize=(2, 2))
        made.add_subplot().plot([2, 3], found)
        return made

    rows = tuple((n, value) for n, value in zip((2, 3), found, strict=True))
    return Outcome((Table("squares", ("size", "square"), rows),), {"squares": figure}, ("it grows",), {"best": found})


def _square(n: int) -> dict[str, Any]:
    CALLS.append(n)
    return {"square": jnp.asarray(n * 1.0) ** 2}


CLAIMS = (
    Claim("half-life", "A loss halves in ln 2 over the rate.", "right"),
    Claim("cannot be seen", "Half a unit.", "wrong"),
)
CALLS: list[int] = []
"""Sizes that were measured."""


def half_life() -> Finding:
    """ln 2 / 0.1."""
    return Finding(float(np.log(2) / 0.1), 0.0, "6.93", True)


def cannot_be_seen() -> Finding:
    """Too noisy a number."""
    return Finding(1.0, 2.0, "0.5", None)


class Toy(AbstractSystem[Any]):
    """Noisy exponential decay."""

    paper = Paper("Decay", ("Ada Example", "Bo Sample"), 2025, "2501.00001", CLAIMS)
    presets: ClassVar = {
        "measured": Preset(seconds=1, experiment="toy:measured", about="two squares"),
        "quick": Preset((Case("right"), Case("wrong", fields={"wrong": 0.5})), 1),
        "one": Preset((Case("right"),), 1),
        "broken": Preset((Case("diverges", fields={"blow_up": 1.0}), Case("wrong", fields={"wrong": 0.5})), 1),
        "noisy": Preset((Case("noisy", fields={"noise": 3.0}),), 1),
        "swept": Preset((Case("rates", sweep={"rate": (0.1, 0.2)}),), 1),
    }
    size: ClassVar[str | None] = "width"

    rate: float = coupling(0.1)
    """Decay rate."""
    noise: float = coupling(0.1)
    """Relative standard deviation of one point of one run."""
    wrong: float = coupling(0.0)
    """Relative deviation of the simulation from the theory."""
    blow_up: float = coupling(0.0)
    """1: the simulation is not finite from step 7 of odd runs on; 2: the theory fails."""
    width: int = eqx.field(static=True, default=1000)
    """Width: the simulation deviates by 1 / width."""
    steps: int = eqx.field(static=True, default=20)
    """Recorded steps."""
    disorder: bool = eqx.field(static=True, default=False)
    """Whether an instance multiplies theory and simulation alike."""

    def __check_init__(self) -> None:
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require_size("width", self.width)
        require_size("steps", self.steps, least=8)

    @property
    def draws(self) -> bool:
        return self.disorder

    @property
    def observables(self) -> tuple[Observable, ...]:
        return (Observable("loss", "loss"), Observable("total", "sum", dims=()))

    def coordinates(self) -> dict[str, Any]:
        return {"time": np.arange(self.steps) * 1.0}

    def warnings(self, instance: Any) -> tuple[str, ...]:
        return ("fast decay",) if self.rate > 1 else ()

    def draw(self, key: Any) -> Any:
        return jax.random.uniform(key, (), self.dtype, 1.0, 2.0) if self.disorder else None

    def _curve(self, instance: Any) -> Any:
        time = jnp.arange(self.steps, dtype=self.dtype)
        return jnp.exp(-self.rate * time) * (1.0 if instance is None else instance)

    def predict(self, instance: Any, numerics: Any) -> Prediction:
        curve = self._curve(instance)
        return Prediction(
            {"loss": curve, "total": curve.sum()},
            status_where(self.blow_up == 2, Status.NO_ROOT),
            facts={"half_life": jnp.log(2.0) / self.rate},
        )

    def simulate(self, instance: Any, key: Any) -> dict[str, Any]:
        noise = self.noise * jax.random.normal(key, (self.steps,), self.dtype)
        odd = jax.random.bits(key) % 2 == 1
        bad = (self.blow_up == 1) & odd & (jnp.arange(self.steps) >= 7)
        curve = self._curve(instance) * (1 + self.wrong + 1.0 / self.width + noise)
        curve = jnp.where(bad, jnp.nan, curve)
        return {"loss": curve, "total": curve.sum()}
