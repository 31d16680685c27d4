"""Error Broadcast and Decorrelation: layers learn by decorrelating themselves from the output error.

Erdogan, Pehlevan and Erdogan (2025), arXiv 2504.11558. The mathematics, with numbered equations:
docs/error_broadcast.md. The rules, for any flax model: `theorylab.networks.broadcast`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import equinox as eqx
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Paper,
    Prediction,
    Preset,
    coupling,
    require,
    require_finite,
    require_size,
)
from theorylab.systems.error_broadcast.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.error_broadcast.setting import Drawn

TIME = ("time",)
WINDOW = ("window",)


class ErrorBroadcast(AbstractSystem["Drawn | None"]):
    """A network learns by broadcasting its output error through a running correlation of each layer with that error.

    Three models: "linear", a two-layer linear network on drawn problems against its exact flow; "floor", how large the
    correlation stays by chance when all is learned; "channel", a nonlinear network that must find the least mean square
    error of a sign in Gaussian noise.

    Raises: `Refused` for sizes and couplings out of range, a memory shorter than a step, a readout step that diverges,
    and hidden layers that could never move.
    """

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    size: ClassVar[str | None] = "steps"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"time": "time (rate x steps)", "window": "last step of a window"}
    )

    model: Literal["linear", "floor", "channel"] = eqx.field(static=True, default="linear")
    """Two-layer linear network; frozen Gaussian features at the optimum; sign in Gaussian noise."""
    rule: Literal["ebd", "dfa", "bp"] = eqx.field(static=True, default="ebd")
    """Error broadcast and decorrelation, direct feedback alignment, backpropagation."""
    dimension: int = eqx.field(static=True, default=10)
    """Inputs n ("linear"); their variances are i^-capacity."""
    outputs: int = eqx.field(static=True, default=3)
    """Outputs p ("linear", "floor")."""
    width: int = eqx.field(static=True, default=16)
    """Hidden units H; "floor": features, of variances i^-capacity; "channel": first layer's, the second has half."""
    batch: int = eqx.field(static=True, default=256)
    """Fresh examples B of a step."""
    steps: int = eqx.field(static=True, default=2000)
    """Steps of training."""
    records: int = eqx.field(static=True, default=20)
    """Number of evenly spaced records ("linear") or windows ("floor")."""

    rate: float = coupling(0.02)
    """Step size mu; "channel": the first, falling as 1 / (1 + 4 step / steps)."""
    memory: float = coupling(5.0)
    """Memory time tau = rate / (1 - lambda) of the running correlation; inf: lambda = 1."""
    feedback: float = coupling(0.3)
    """Standard deviation r0 of the correlation's entries at the start."""
    hidden_rate: float = coupling(1.0)
    """Rate e1 of hidden layers relative to `rate`."""
    readout_rate: float = coupling(1.0)
    """Rate e2 of the readout relative to `rate` ("linear", "floor"; 0 in "floor": the readout stays)."""
    noise: float = coupling(0.5)
    """Standard deviation sigma of the noise in each target ("linear", "floor")."""
    capacity: float = coupling(1.0)
    """Variances of inputs or features fall as i^-capacity."""
    snr: float = coupling(1.0)
    """Signal-to-noise ratio gamma ("channel"): x = sqrt(gamma) s + n."""

    def __check_init__(self) -> None:
        for name, choices in (("model", ("linear", "floor", "channel")), ("rule", ("ebd", "dfa", "bp"))):
            value = getattr(self, name)
            require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
        for name in ("dimension", "outputs", "batch", "steps", "records"):
            require_size(name, getattr(self, name))
        require_size("width", self.width, least=2 if self.model == "channel" else 1)
        names = ("rate", "feedback", "hidden_rate", "readout_rate", "noise", "capacity", "snr")
        require_finite(**{name: getattr(self, name) for name in names})
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.memory > 0, f"memory must be positive (inf: lambda = 1), got {self.memory}")
        share = self.rate / self.memory
        require(
            share <= 1,
            f"memory {self.memory} is shorter than a step of {self.rate}: lambda = 1 - rate / memory = {1 - share} "
            "must be in [0, 1]; raise memory or lower rate",
        )
        for name in ("feedback", "hidden_rate", "readout_rate", "noise", "snr"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, got {getattr(self, name)}")
        require(
            (self.rule == "bp") | (self.feedback > 0) | ((self.rule == "ebd") & (share > 0)),
            "feedback = 0 with lambda = 1 never moves the hidden layers: give feedback > 0 or a finite memory",
        )
        if self.model == "floor":
            require(
                self.rule == "ebd",
                f"the floor is that of the running correlation: rule must be 'ebd', got {self.rule!r}",
            )
            step = self.rate * self.readout_rate
            require(
                (step < 2) & (step * self.width**-self.capacity < 2),
                f"the readout diverges: rate x readout_rate = {step} times the largest variance must be below 2",
            )

    @property
    def observables(self) -> tuple[Observable, ...]:
        if self.model == "channel":
            return (Observable("mean_square", "mean square error", dims=(), margin=0.01),)
        if self.model == "floor":
            return (
                Observable("feedback_power", r"$|R|^2$", dims=WINDOW, scale="log", margin=0.03),
                Observable("excess", "excess mean square error", dims=WINDOW, margin=0.05, floor=1e-12),
            )
        loss = Observable("mean_square", "mean square error", dims=TIME, margin=0.003)
        correlation = Observable("correlation", r"$|W_1 E^\top|$", dims=TIME, margin=0.02)
        if self.rule == "ebd":
            return loss, correlation, Observable("feedback", r"$|R|$", dims=TIME, margin=0.01)
        return loss, correlation

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        if self.model == "channel":
            return {}
        recorded = self.recorded()
        return {"window": recorded[1:]} if self.model == "floor" else {"time": self.rate * recorded}

    def recorded(self) -> Int[np.ndarray, "record"]:
        """The recorded steps, 0 first."""
        from theorylab.systems.error_broadcast.setting import recorded_steps

        return recorded_steps(self.steps, self.records)

    def resized(self, n: int) -> Self:
        """The same time in `n` steps, with the step size and the memory's share of a step that belong to it."""
        require(self.model == "linear", f"model {self.model!r} has no size that a ladder could climb")
        return dataclasses.replace(self, steps=n, rate=self.rate * self.steps / n)

    @property
    def draws(self) -> bool:
        """The linear problem is drawn, and its flow is for it; the other models average over everything."""
        return self.model == "linear"

    @property
    def tile(self) -> int:
        """Runs in one vmap."""
        return 8 if self.model == "channel" else 16

    def draw(self, key: Key[Array, ""]) -> Drawn | None:
        """The problem A and the weights and feedback to begin with; None but for the linear model."""
        from theorylab.systems.error_broadcast.setting import draw

        if self.model != "linear":
            return None
        return draw(key, self.dimension, self.outputs, self.width, self.feedback, self.dtype)

    def predict(self, instance: Drawn | None, numerics: Numerics) -> Prediction:
        from theorylab.systems.error_broadcast.theory import predict

        return predict(self, instance, numerics)

    def simulate(self, instance: Drawn | None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.error_broadcast.simulation import simulate

        return simulate(self, instance, key)

    def numerics(self, instance: Drawn | None) -> Numerics:
        """Tolerances of the flow: far below the step size's own error."""
        return Numerics(rtol=1e-8, atol=1e-10)

    def cost(self) -> float:
        return float(self.rate * self.steps) if self.model == "linear" else float(self.steps)

    def warnings(self, instance: Drawn | None) -> tuple[str, ...]:
        said = []
        if self.model == "channel" and self.rule == "ebd" and self.rate / self.memory > 1e-3:
            said.append(
                f"memory {float(self.memory):g} forgets the feedback in {float(self.memory / self.rate):.0f} steps: "
                "some runs stall before features form; lambda >= 0.999 is advised"
            )
        if self.model == "linear" and self.rate > 0.05:
            said.append(f"rate {float(self.rate):g}: the flow is the limit of small steps; deviations grow with them")
        return tuple(said)
