"""Training curves of deep linear networks from random initial weights (Bordelon and Pehlevan 2025)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Paper,
    Prediction,
    Preset,
    Size,
    coupling,
    coupling_array,
    extent,
    require,
    require_finite,
    require_size,
    tile_within_cache,
)
from theorylab.systems.deep_linear_dmft.presets import PAPER, PRESETS

MEMORY_LIMIT = 4 * 2**30
"""Bytes that the two-time matrices of one prediction may take."""
LARGEST_INITIAL_VARIANCE = 1e6
"""Variance of the initial predictor, 1 / (richness^2 N), beyond which rounding would eat the answer."""
EXACT_MODES = 300
"""Modes of a power law that are predicted one by one; more are gathered in logarithmic groups."""
MODE_GROUPS = 200
"""Logarithmic groups of larger power laws."""


class MarchNumerics(Numerics):
    """How the two-time equations are marched: exact but for the grouping of modes."""

    groups: int = eqx.field(static=True, default=0)
    """Logarithmic groups that the modes of a power law are gathered in; 0: every mode by itself."""


class DeepLinearDMFT(AbstractSystem[None]):
    """A linear network of `depth` hidden layers, trained by gradient descent on Gaussian data from random weights.

    Test and training loss follow at every step from closed equations for two-time correlation and response
    functions, exact when width, input dimension and samples grow together (docs/deep_linear_dmft.md).
    """

    depth: int = eqx.field(static=True, default=2)
    """Hidden layers L; 0 is linear regression."""
    dimension: int = eqx.field(static=True, default=200)
    """Input dimension D: number of modes of the covariance."""
    width: Size = extent(200)
    """Neurons N of every hidden layer; inf can be predicted, not simulated."""
    samples: Size = extent(400)
    """Training samples P, or the size of each fresh batch when data is "online"; not read for "population"."""
    data: Literal["batch", "online", "population"] = eqx.field(static=True, default="batch")
    """The same samples at every step, fresh ones at every step, or the population's gradient."""
    steps: int = eqx.field(static=True, default=60)
    """Recorded steps T, the initial state counted."""
    rate: float = coupling(0.05)
    """Learning rate eta in units in which a lazy network of depth L learns at rate eta (L + 1)."""
    rate_decay: float = coupling(0.0)
    """Decay of the learning rate: rate / (1 + rate_decay t) at step t."""
    rate_profile: tuple[float, ...] = coupling_array((1.0,))
    """Schedule: factors of the rate at evenly spaced steps, the first and the last among them, linear between."""
    richness: float = coupling(1.0)
    """gamma0, strength of feature learning: small is lazy; with parametrization "ntk" its value at N = D."""
    noise: float = coupling(0.0)
    """Standard deviation sigma of the label noise."""
    parametrization: Literal["mup", "ntk"] = eqx.field(static=True, default="mup")
    """"mup": richness is the same at every width; "ntk": it falls like width^-1/2."""
    residual: Literal["none", "scaled", "constant"] = eqx.field(static=True, default="none")
    """Residual blocks between first layer and readout: none, scale branch / sqrt(depth - 1), or scale branch."""
    branch: float = coupling(1.0)
    """Scale of the residual branches beta0; read only with `residual`."""
    centered: bool = eqx.field(static=True, default=False)
    """Predict with the network minus its initial value, which makes the lazy limit finite at finite width."""
    members: int = eqx.field(static=True, default=1)
    """Networks trained on the same data from independent weights and averaged."""
    batch_schedule: tuple[tuple[int, int], ...] = eqx.field(static=True, default=())
    """Sizes of fresh batches from given steps on, pairs (step, samples); `samples` holds until the first."""
    spectrum: Literal["isotropic", "power_law", "modes"] = eqx.field(static=True, default="isotropic")
    """Covariance: all directions alike; eigenvalues k^-spectrum_exponent; or the groups in `modes`."""
    spectrum_exponent: float = coupling(1.5)
    """Power law a of the eigenvalues, above 1."""
    task_exponent: float = coupling(0.5)
    """Power law b of the task, lambda_k w*_k^2 ~ k^-(a b + 1): below 1 is hard."""
    normalized: bool = eqx.field(static=True, default=True)
    """Divide a power law so that its eigenvalues, and the target's powers, sum to one."""
    modes: tuple[tuple[float, float, int], ...] = eqx.field(static=True, default=())
    """Groups (eigenvalue, target coefficient squared, multiplicity) for spectrum "modes"."""

    loss_scale: Literal["log", "linear"] = eqx.field(static=True, default="log")
    """How losses are judged: each decade alike, or relative to the curve's root mean square (fewer runs decide)."""

    paper: ClassVar[Paper] = PAPER
    presets: ClassVar[Mapping[str, Preset]] = PRESETS
    size: ClassVar[str | None] = "dimension"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType({"step": "steps", "layer": "hidden layer"})

    def __check_init__(self) -> None:
        require_size("depth", self.depth, least=0)
        require_size("dimension", self.dimension)
        require_size("width", self.width, infinite=True)
        require_size("samples", self.samples, infinite=True)
        require_size("steps", self.steps)
        require_size("members", self.members)
        for name, values in (
            ("data", ("batch", "online", "population")),
            ("parametrization", ("mup", "ntk")),
            ("residual", ("none", "scaled", "constant")),
            ("spectrum", ("isotropic", "power_law", "modes")),
            ("loss_scale", ("log", "linear")),
        ):
            given = getattr(self, name)
            require(given in values, f"{name} must be one of {', '.join(values)}, got {given!r}")
        names = ("rate", "rate_decay", "richness", "noise", "branch", "spectrum_exponent", "task_exponent")
        require_finite(**{name: getattr(self, name) for name in names})
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.rate_decay >= 0, f"rate_decay must not be negative, got {self.rate_decay}")
        shape = np.shape(self.rate_profile)
        require(
            len(shape) == 1 and shape[0] >= 1,
            f"rate_profile must be one or more positive factors of the rate, got {self.rate_profile}",
        )
        require_finite(rate_profile=self.rate_profile)
        require(self.rate_profile > 0, f"rate_profile holds positive factors of the rate, got {self.rate_profile}")  # pyright: ignore[reportOperatorIssue]
        require(
            shape[0] <= self.steps,
            f"rate_profile has {shape[0]} knots for {self.steps} steps; give at most one a step",
        )
        require(
            self.richness > 0,
            f"richness must be positive, got {self.richness}; a lazy network is richness=1e-3 with centered=True",
        )
        require(self.noise >= 0, f"noise is a standard deviation and must not be negative, got {self.noise}")
        require(
            self.residual == "none" or self.depth >= 1,
            "a residual network needs at least one hidden layer: depth >= 1",
        )
        require(self.branch >= 0, f"branch, the scale of residual branches, must not be negative, got {self.branch}")
        self._check_data()
        self._check_width()
        require(
            self.memory() <= MEMORY_LIMIT,
            f"{self.steps} steps would take {self.memory() / 2**30:.1f} GiB of two-time matrices, the limit is "
            f"{MEMORY_LIMIT / 2**30:.0f} GiB; at most {self._longest()} steps fit",
        )

    def _check_data(self) -> None:
        require(
            self.data != "online" or math.isfinite(self.samples),
            "fresh batches of infinitely many samples are the population: take data='population'",
        )
        require(
            not self.batch_schedule or self.data == "online",
            "a batch schedule needs fresh batches: data='online'",
        )
        last = 0
        for start, size in self.batch_schedule:
            require_size("samples of the batch schedule", size)
            require(start > last, f"steps of the batch schedule must increase and be above 0, got {start}")
            last = start
        if self.spectrum == "power_law":
            require(
                self.spectrum_exponent > 1,
                f"spectrum_exponent must be above 1, or the eigenvalues' sum grows without bound with the "
                f"dimension; got {self.spectrum_exponent}",
            )
            require(self.task_exponent > 0, f"task_exponent must be positive, got {self.task_exponent}")
        require(
            (self.spectrum == "modes") == bool(self.modes),
            "spectrum 'modes' needs at least one group in modes, and modes are read with that spectrum only",
        )
        for mode in self.modes:
            require(
                len(mode) == 3,
                f"each of modes is (eigenvalue, target coefficient squared, multiplicity), got {mode}",
            )
            require_finite(eigenvalue=mode[0], target=mode[1])
            require(mode[0] > 0, f"eigenvalues must be positive, got {mode[0]}")
            require(mode[1] >= 0, f"squared target coefficients must not be negative, got {mode[1]}")
            require_size("multiplicity of a mode", mode[2])
        if self.modes:
            total = sum(mode[2] for mode in self.modes)
            require(
                total == self.dimension,
                f"multiplicities of modes must add up to dimension = {self.dimension}, they give {total}",
            )

    def _check_width(self) -> None:
        if self.depth == 0 or math.isinf(self.width):
            require(
                self.depth == 0 or self.parametrization == "mup",
                "an infinitely wide network in NTK parametrization is lazy: take parametrization='mup' with a small "
                "richness (1e-3)",
            )
            return
        variance = self._unit / (self.scaled_richness**2 * self.width)
        require(
            self.centered or variance <= LARGEST_INITIAL_VARIANCE,
            f"the initial predictor's variance 1 / (richness^2 N) is {variance}, above {LARGEST_INITIAL_VARIANCE:g}: "
            "raise richness, or take centered=True",
        )

    # -- derived quantities ----------------------------------------------------------------------------------

    @property
    def _unit(self) -> float:
        """Sizes are counted in units of the dimension where all directions are alike, singly otherwise."""
        return float(self.dimension) if self.spectrum == "isotropic" else 1.0

    @property
    def scaled_richness(self) -> Any:
        """gamma0 at this width: richness itself (muP) or richness (N/D)^-1/2 (NTK; N^-1/2 for other spectra)."""
        if self.parametrization == "mup" or self.depth == 0:
            return self.richness
        return self.richness * (self._unit / self.width) ** 0.5

    @property
    def branch_scale(self) -> Any:
        """b, what each residual branch is multiplied by."""
        if self.residual == "scaled" and self.depth > 1:
            return self.branch / (self.depth - 1) ** 0.5
        return self.branch

    def lazy_kernel(self) -> Any:
        """Tangent kernel at infinite width before training, docs eq. (26): L + 1 for a plain network."""
        blocks, b2 = self.depth - 1, self.branch_scale**2
        if self.residual == "none" or blocks < 1:
            return self.depth + 1.0
        return 2 * (1 + b2) ** blocks + blocks * b2 * (1 + b2) ** (blocks - 1)

    def memory(self) -> float:
        """Bytes of the two-time matrices that a prediction carries."""
        return self._matrices() * self.steps**2 * 8.0

    def _matrices(self) -> float:
        depth, modes = self.depth, self._mode_count()
        hidden = 4 * depth**2 + 2 * depth + 1 if self.residual != "none" and depth > 1 else max(8 * depth - 3, 0)
        population = self.data == "population" or math.isinf(self.samples)
        if population and math.isinf(self.width):
            return hidden + 2.0 + modes / self.steps
        return hidden + (3.0 * modes + 4 if self.data == "batch" and not population else modes + 2.0)

    def _mode_count(self) -> int:
        if self.spectrum == "power_law":
            return self.dimension if self.dimension <= EXACT_MODES else MODE_GROUPS
        return max(len(self.modes), 1)

    def _longest(self) -> int:
        return int(math.sqrt(MEMORY_LIMIT / 8 / self._matrices()))

    @property
    def tile(self) -> int:
        """Runs in one vmap."""
        weights = self.width * (self.dimension + max(self.depth - 1, 0) * self.width + 1) if self.depth else 1
        return tile_within_cache(self.members * weights, 32 if self.dimension <= 100 else 8)

    # -- the interface ---------------------------------------------------------------------------------------

    @property
    def observables(self) -> tuple[Observable, ...]:
        losses = [Observable("loss", "test loss", ("step",), scale=self.loss_scale)]
        if self.data != "population":
            losses.append(Observable("train_loss", "training loss", ("step",), scale=self.loss_scale))
        two_time = Observable("error_correlation", "error correlation $C_v(t,s)$", ("reference", "step"))
        if self.depth == 0:
            return (*losses, two_time)
        return (
            *losses,
            Observable("feature_kernel", "feature kernel $C_h^l$", ("layer", "step"), margin=0.15),
            Observable("gradient_kernel", "gradient kernel $C_g^l$", ("layer", "step"), margin=0.1),
            Observable("ntk", "tangent kernel trace", ("step",), margin=0.1),
            two_time,
        )

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.deep_linear_dmft.spectrum import anchors

        named: dict[str, Any] = {"step": np.arange(self.steps), "reference": anchors(self.steps)}
        return named | ({"layer": np.arange(1, self.depth + 1)} if self.depth else {})

    def resized(self, n: int) -> Self:
        """Dimension n, width and samples (and batches) in proportion; a spectrum of given modes keeps its shares."""

        def scale(size: Size) -> Size:
            return size if math.isinf(size) else max(1, round(size * int(n) / self.dimension))

        modes = tuple((lam, power, int(scale(count))) for lam, power, count in self.modes)
        return dataclasses.replace(
            self,
            dimension=int(n),
            width=scale(self.width),
            samples=scale(self.samples),
            batch_schedule=tuple((start, int(scale(size))) for start, size in self.batch_schedule),
            modes=modes,
        )

    def predict(self, instance: None, numerics: Any) -> Prediction:
        from theorylab.systems.deep_linear_dmft import theory

        del instance
        return theory.predict(self, numerics)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.deep_linear_dmft import simulation

        del instance
        return simulation.simulate(self, key)

    def numerics(self, instance: None) -> MarchNumerics:
        del instance
        many = self.spectrum == "power_law" and self.dimension > EXACT_MODES
        return MarchNumerics(groups=MODE_GROUPS if many else 0)

    def sharpness(self) -> Any:
        """Largest curvature a unit of tangent kernel: steps overshoot where rate * kernel * sharpness > 2."""
        from theorylab.systems.deep_linear_dmft import theory_stability

        return theory_stability.sharpness(self)

    def doubts(self, prediction: Prediction) -> tuple[str, ...]:
        stability = float(prediction.facts["stability"])
        if stability <= 1:
            return ()
        return (
            f"past the stability edge (rate x kernel x sharpness / 2 = {stability:.3g}) runs of finite size scatter "
            "around the prediction, and agreement of their mean would be luck; lower the rate",
        )

    def warnings(self, instance: None) -> tuple[str, ...]:
        from theorylab.systems.deep_linear_dmft import spectrum

        del instance
        bound = float(2 / (jnp.asarray(self.lazy_kernel()) * self.sharpness()))
        largest = float(np.max(spectrum.rates(self)))
        if largest <= bound:
            return ()
        return (
            f"rate {largest:.4g} is above the lazy stability bound {bound:.4g}: steps overshoot, and runs of "
            "finite size scatter widely around a prediction that holds for infinite size only",
        )
