"""Same or different: how richly a network must learn to grasp sameness. Mathematics: docs/equality_reasoning.md."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Prediction,
    Size,
    coupling,
    extent,
    require,
    require_finite,
    require_size,
)
from theorylab.systems.equality_reasoning.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.equality_reasoning.setting import Drawn


STEP = ("step",)


class EqualityNumerics(Numerics):
    """How the theory is solved, chosen by `EqualityReasoning.numerics`."""

    rtol: float = 1e-4
    """Relative tolerance of gradient flow: its right-hand side jumps at the kinks of the ReLU."""
    atol: float = 1e-6
    """Absolute tolerance of gradient flow."""
    particles: int = eqx.field(static=True, default=4096)
    """Particles of a set, half of them the others' antithetic partners: a power of two."""
    scrambles: int = eqx.field(static=True, default=4)
    """Independent sets; their scatter is the prediction's standard error."""
    flow: int = eqx.field(static=True, default=0)
    """1: gradient flow by an adaptive solver, in place of gradient descent at the system's rate."""
    pairs: int = eqx.field(static=True, default=0)
    """Pairs kept by the kernel theory; 0: all."""
    examples: int = eqx.field(static=True, default=512)
    """Sampled examples of a class that the theory of fresh symbols averages over."""


class EqualityReasoning(AbstractSystem["Drawn | None"]):
    """A two-layer network learns from few symbols whether two are the same, and is tested on symbols it never saw."""

    paper = PAPER
    presets = PRESETS
    size = "width"
    axis_labels = MappingProxyType({"step": "steps"})

    dimension: int = eqx.field(static=True, default=64)
    """Entries d of a symbol; an input has two symbols."""
    symbols: Size = extent(4)
    """Training symbols L; inf: new symbols at every presentation."""
    width: int = eqx.field(static=True, default=512)
    """Neurons N."""
    batch: Size = extent(128)
    """Pairs of a step, drawn afresh; inf: the whole population, by its probabilities."""
    steps: int = eqx.field(static=True, default=1000)
    """Steps of gradient descent."""
    records: int = eqx.field(static=True, default=8)
    """Number of evenly spaced steps at which the network is tested."""
    tests: int = eqx.field(static=True, default=1024)
    """Novel same pairs, and as many novel different pairs."""
    theory: Literal["particles", "kernel"] = eqx.field(static=True, default="particles")
    """Infinite width at any richness, or its lazy limit (richness to zero) by the neural tangent kernel."""
    noisy: Literal["never", "test", "always"] = eqx.field(static=True, default="never")
    """Which presentations have noise: none, those of the test, or those of training too."""

    richness: float = coupling(1.0)
    """Learning richness: the output is divided by richness x sqrt(dimension)."""
    rate: float = coupling(0.1)
    """Learning rate eta of the mean-field variables; the raw weights' rate is eta x richness^2 x dimension x width."""
    noise: float = coupling(0.0)
    """Standard deviation sigma of a presentation's noise, relative to a symbol's entries."""

    def __check_init__(self) -> None:
        require_size("dimension", self.dimension)
        require_size("symbols", self.symbols, least=2, infinite=True)
        require_size("width", self.width)
        require_size("batch", self.batch, infinite=True)
        require_size("steps", self.steps)
        require_size("records", self.records)
        require_size("tests", self.tests)
        for name, choices in (("theory", ("particles", "kernel")), ("noisy", ("never", "test", "always"))):
            value = getattr(self, name)
            require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
        require_finite(richness=self.richness, rate=self.rate, noise=self.noise)
        require(self.richness > 0, f"richness must be positive, got {self.richness}; near 0 the network is lazy")
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.noise >= 0, f"noise is a standard deviation and must not be negative, got {self.noise}")
        require(
            self.noisy != "never" or self.noise == 0,
            "noise is given but no presentation is noisy; say noisy='test' or noisy='always'",
        )
        require(
            math.isfinite(self.batch) or (math.isfinite(self.symbols) and self.noisy != "always"),
            "an infinite batch needs a finite population: finitely many symbols, and no noise in training",
        )
        require(
            math.isfinite(self.symbols) or self.theory == "particles",
            "the kernel theory needs finitely many symbols; use theory='particles' for fresh ones",
        )

    @property
    def observables(self) -> tuple[Observable, ...]:
        judged = (
            Observable("accuracy", "accuracy on novel symbols", dims=STEP, margin=0.05),
            Observable("accuracy_same", "accuracy on novel same pairs", dims=STEP, margin=0.1, floor=0.1),
            Observable("accuracy_different", "accuracy on novel different pairs", dims=STEP, margin=0.1, floor=0.1),
        )
        if self.theory == "kernel":
            return (
                *judged,
                Observable("score_same", "mean output at same pairs", dims=STEP, margin=0.1, floor=0.1),
                Observable("score_different", "mean output at different pairs", dims=STEP, margin=0.1, floor=0.1),
            )
        shapes = (
            Observable("ratio", "cone ratio", dims=STEP, margin=0.05),
            Observable("cosine_positive", "cosine of the halves, positive readout", dims=STEP, floor=0.2),
            Observable("cosine_negative", "cosine of the halves, negative readout", dims=STEP, floor=0.2),
        )
        if math.isinf(self.symbols):
            # a finite batch and width scatter the output over directions, which the accuracy feels at all sizes
            return shapes
        return (
            *judged,
            Observable("balance", "readout power, negative / positive", dims=STEP, margin=0.05),
            *shapes,
        )

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        return {"step": self.recorded()}

    def recorded(self) -> Int[np.ndarray, "record"]:
        """The recorded steps, the last of which is `steps`."""
        from theorylab.systems.equality_reasoning.setting import recorded_steps

        return recorded_steps(self.steps, self.records)

    @property
    def draws(self) -> bool:
        """Finitely many symbols are drawn, and the prediction is for them; fresh ones are averaged over."""
        return math.isfinite(self.symbols)

    @property
    def tile(self) -> int:
        """Runs in one vmap: fewer where the weights would fill the memory."""
        return max(1, min(8, 2**20 // (self.width * self.dimension)))

    def draw(self, key: Key[Array, ""]) -> Drawn | None:
        """The training symbols and the novel test symbols of a run; None where every presentation has its own."""
        from theorylab.data import symbols
        from theorylab.systems.equality_reasoning.setting import Drawn

        if math.isinf(self.symbols):
            return None
        seen_key, novel_key = jax.random.split(key)
        return Drawn(
            symbols.draw(seen_key, int(self.symbols), self.dimension, self.dtype),
            symbols.draw_novel(novel_key, self.tests, self.dimension, self.noisy != "never", self.dtype),
        )

    def predict(self, instance: Drawn | None, numerics: EqualityNumerics) -> Prediction:
        from theorylab.systems.equality_reasoning.theory import predict

        return predict(self, instance, numerics)

    def simulate(self, instance: Drawn | None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.equality_reasoning.simulation import simulate

        return simulate(self, instance, key)

    def numerics(self, instance: Drawn | None) -> EqualityNumerics:
        """Particles of a set: 4096, fewer for many symbols; 512 for fresh ones, which need few columns."""
        if math.isinf(self.symbols):
            return EqualityNumerics(particles=512)
        return EqualityNumerics(particles=4096 if self.symbols <= 32 else 1024)

    def cost(self) -> float:
        return float(self.steps)

    def warnings(self, instance: Drawn | None) -> tuple[str, ...]:
        said = []
        if self.theory == "particles" and self.richness <= 0.01:
            said.append(
                f"richness = {float(self.richness):g}: the output at novel symbols is a small rest of large terms that "
                "cancel, and particles resolve it slowly; use theory='kernel'"
            )
        if self.theory == "kernel" and self.richness > 0.01:
            said.append(
                f"richness = {float(self.richness):g} is not small: the kernel theory is the limit of richness 0"
            )
        if self.theory == "particles" and self.richness < 0.1 and self.width < 4096:
            said.append(
                f"width = {self.width}: below a richness of 0.1 a network this narrow differs visibly from an "
                "infinitely wide one; 4096 is advised"
            )
        return tuple(said)
