"""Learning to integrate in a linear recurrent network. Mathematics: docs/rnn_integrator.md."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import equinox as eqx
import jax
import jax.core
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
    tile_within_cache,
)
from theorylab.systems.rnn_integrator.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.rnn_integrator.start import Vectors

Train = Literal["all", "recurrent", "readin", "readout", "readin+readout", "recurrent+readin", "recurrent+readout"]
SHOWN_AT_INFINITY = 64
"""Lags of the final filter that are shown where the horizon is infinite."""


class RNNNumerics(Numerics):
    """How the theory is solved, chosen from the couplings by `RNNIntegrator.numerics`."""

    depth: int = eqx.field(static=True, default=0)
    """Letters of the longest word of Fock space; 0: no bulk."""
    lags: int = eqx.field(static=True, default=256)
    """Lags summed over where the horizon is infinite."""
    stiff: int = eqx.field(static=True, default=0)
    """1: implicit solver for gradient flow."""


class RNNIntegrator(AbstractSystem["Vectors | None"]):
    """A linear recurrent network driven by white noise learns an exponential or a damped oscillatory filter."""

    paper = PAPER
    presets = PRESETS
    size = "width"
    axis_labels = MappingProxyType({"time": "flow time (rate x steps)", "lag": "lag (time steps)"})

    width: Size = extent(100)
    """Units N; inf: theory only."""
    horizon: Size = extent(40)
    """Lags (units of leak time where continuous) that the loss sees; inf: all, at O(N^3) a step of simulation."""
    steps: int = eqx.field(static=True, default=1000)
    """Steps of gradient descent; gradient flow is followed to time rate x steps."""
    records: int = eqx.field(static=True, default=50)
    """Equal intervals of the recorded steps."""
    batch: int = eqx.field(static=True, default=32)
    """Sequences a step of stochastic gradient descent."""
    dynamics: Literal["flow", "descent", "sgd"] = eqx.field(static=True, default="descent")
    """Theory of gradient flow or of discrete steps; sgd: fresh white noise each step, predicted by its mean step."""
    timing: Literal["discrete", "continuous"] = eqx.field(static=True, default="discrete")
    """Discrete-time network, or dh/dt = -h + W h + u x with a leak of unit time."""
    weights: Literal["terminal", "average", "discount"] = eqx.field(static=True, default="terminal")
    """Loss at the sequence's end, averaged over the sequence, or with lags discounted."""
    train: Train = eqx.field(static=True, default="all")
    """Weights that learn."""
    start: Literal["aligned", "given", "random"] = eqx.field(static=True, default="aligned")
    """Initial vectors: u0 = v0; u0 = (scale, 0), v0 = (along, across); or independent Gaussian of length scale."""
    strict: bool = eqx.field(static=True, default=False)
    """Refuse, rather than warn of, a learning rate at which the solution is not stable."""

    timescale: float = coupling(10.0)
    """Memory tau of the target: its pole is exp(-1 / tau); inf: a perfect integrator."""
    frequency: float = coupling(0.0)
    """Angular frequency of the target, radians a lag."""
    phase: float = coupling(0.0)
    """Phase of the target, radians."""
    bulk: float = coupling(0.0)
    """Spectral radius g of the initial recurrent matrix g Z / sqrt(N)."""
    scale: float = coupling(1.0)
    """Length of u0 (and of v0, unless given)."""
    along: float = coupling(0.0)
    """Component of v0 along u0, where start is given."""
    across: float = coupling(1.0)
    """Component of v0 orthogonal to u0, where start is given."""
    discount: float = coupling(1.0)
    """Weight gamma ** lag of each lag, where weights are discount."""
    rate: float = coupling(1e-3)
    """Learning rate eta; time = rate x steps."""

    def __check_init__(self) -> None:
        require_size("width", self.width, infinite=True)
        require_size("horizon", self.horizon, least=2, infinite=True)
        require_size("steps", self.steps)
        require_size("records", self.records)
        require_size("batch", self.batch)
        _require_choices(self)
        couplings = ("frequency", "phase", "bulk", "scale", "along", "across", "discount", "rate")
        require_finite(**{name: getattr(self, name) for name in couplings})
        require(self.timescale > 0, f"timescale must be positive (a pole in (0, 1]), or inf; got {self.timescale}")
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.bulk >= 0, f"bulk must not be negative, got {self.bulk}")
        require((self.discount > 0) & (self.discount <= 1), f"discount must be in (0, 1], got {self.discount}")
        _require_infinite_horizon(self)
        require(
            self.timing == "discrete" or self.dynamics != "sgd",
            "sampled noise is for discrete time; use dynamics flow or descent in continuous time",
        )
        _require_signal(self)
        if self.start != "aligned":
            require(self.width >= 2, f"two directions need a width of at least 2, got {self.width}")
        if self.strict and not _traced(self):
            sentence = self._instability()
            require(not sentence, sentence)

    # -- what is judged, and where -------------------------------------------------------------------------

    @property
    def mask(self) -> tuple[float, float, float]:
        """1 where trained, 0 where frozen: recurrent, read-in, read-out weights."""
        parts = ("recurrent", "readin", "readout")
        learning = parts if self.train == "all" else tuple(self.train.split("+"))
        return tuple(float(part in learning) for part in parts)  # pyright: ignore[reportReturnType]

    @property
    def fixed_features(self) -> bool:
        """Whether learning is linear, each lag on its own: one vector trained, in discrete time."""
        return self.timing == "discrete" and self.train in ("readin", "readout")

    @property
    def lags_shown(self) -> int:
        """Lags of the final filter that are compared."""
        if self.timing == "continuous":
            return int(self.horizon) + 1
        return SHOWN_AT_INFINITY if math.isinf(self.horizon) else int(self.horizon)

    @property
    def observables(self) -> tuple[Observable, ...]:
        loss = Observable("loss", "population loss")
        learned = Observable("filter", "impulse response at the end", dims=("lag",), floor=0.05)
        if not self.mask[0]:
            return (loss, learned)
        if self.start == "aligned":
            # the outlier eigenvalue where there is no bulk; with one, the eigenvalue is the fact `outlier`
            return (loss, Observable("overlap", "outlier's overlap n·Wn", floor=0.05), learned)
        trace = Observable("trace", "sum of the eigenvalue pair", floor=0.05)
        discriminant = Observable("discriminant", "squared difference of the eigenvalue pair", floor=0.05)
        return (loss, trace, discriminant, learned)

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        return {"time": float(self.rate) * self.recorded(), "lag": np.arange(self.lags_shown)}

    def recorded(self) -> Int[np.ndarray, "record"]:
        """The recorded steps, from 0 to `steps`."""
        from theorylab.systems.rnn_integrator.filters import recorded_steps

        return recorded_steps(self.steps, self.records)

    @property
    def draws(self) -> bool:
        """Random initial vectors are drawn; the prediction is for their Gram matrix."""
        return self.start == "random"

    @property
    def deterministic(self) -> bool:
        """Without a bulk, and without sampled noise, width and directions do not matter: one run decides."""
        return self.dynamics != "sgd" and bool(self.bulk == 0)

    @property
    def tile(self) -> int:
        """Runs in one vmap."""
        return tile_within_cache(self.width**2, 32 if self.width <= 512 else 8)

    # -- the two sides -------------------------------------------------------------------------------------

    def draw(self, key: Key[Array, ""]) -> Vectors | None:
        """The initial vectors' Gram matrix, where they are random; None elsewhere."""
        from theorylab.systems.rnn_integrator.start import draw_vectors

        return draw_vectors(key, self.width, self.dtype) if self.start == "random" else None

    def predict(self, instance: Vectors | None, numerics: RNNNumerics) -> Prediction:
        from theorylab.systems.rnn_integrator.theory import predict

        return predict(self, instance, numerics)

    def simulate(self, instance: Vectors | None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.rnn_integrator.simulation import simulate

        return simulate(self, instance, key)

    # -- what the host may ask -----------------------------------------------------------------------------

    def numerics(self, instance: Vectors | None) -> RNNNumerics:
        """Fock depth from the bulk; lags from the target's memory (to 1e-16 of its power); an implicit solver where
        stability would hold explicit steps back for longer than 2e4 of them."""
        from theorylab.systems.rnn_integrator.theory_fock import depth_for

        lags = 256
        if math.isinf(self.horizon):
            fade = 1.0 / float(self.timescale)
            if self.weights == "discount":
                fade -= 0.5 * math.log(float(self.discount))
            lags = 2 ** math.ceil(math.log2(max(18.42 / fade, 64)))
        depth = 0 if self.fixed_features else depth_for(float(self.bulk))
        stiff = int(depth == 0 and self.dynamics == "flow" and self._stiff_steps() > 2e4)
        return RNNNumerics(depth=depth, lags=lags, stiff=stiff)

    def cost(self) -> float:
        from theorylab.systems.rnn_integrator.theory_fock import depth_for, dimension

        lags = self.numerics(None).lags if math.isinf(self.horizon) else float(self.horizon)
        directions = 1 if self.start == "aligned" else 2
        size = dimension(depth_for(float(self.bulk)), directions)
        solves = 200.0 + self._stiff_steps() if self.dynamics == "flow" else float(self.steps)
        return solves * lags * size**2

    def warnings(self, instance: Vectors | None) -> tuple[str, ...]:
        said = [self._instability()]
        one_direction = self.start == "aligned" or (self.start == "given" and self.across == 0)
        if one_direction and self.bulk == 0 and self.frequency != 0 and self.mask[0]:
            said.append(
                "an oscillatory target with u0 parallel to v0 and no bulk: the eigenvalue stays real, and learning is "
                "trapped at the best real exponential; use start='given' with across != 0, or bulk > 0"
            )
        if self.bulk > 0.8 and not self.fixed_features:
            said.append(
                f"bulk = {float(self.bulk):g}: the truncated infinite-width limit is not accurate above 0.8; the bulk "
                "remembers longer than the Fock space's words"
            )
        return tuple(sentence for sentence in said if sentence)

    def _curvature(self) -> float:
        from theorylab.systems.rnn_integrator.start import Vectors, initial_vectors
        from theorylab.systems.rnn_integrator.theory import largest_curvature, task_of

        drawn = Vectors(np.array([1.0, 0.0]), np.array([0.0, 1.0])) if self.start == "random" else None  # pyright: ignore[reportArgumentType]
        with jax.enable_x64(True):
            task = task_of(self, self.numerics(None))
            return float(largest_curvature(self, task, initial_vectors(self, drawn), np))

    def _stiff_steps(self) -> float:
        """Explicit steps that stability asks for: about a third of the fastest rate times the time."""
        tau = float(self.timescale)
        memory = min(tau, 1e3) if math.isinf(self.horizon) else min(tau, float(self.horizon))
        return 0.1 * memory**3 * float(self.rate) * self.steps

    def _instability(self) -> str:
        """A sentence where gradient descent is not stable at the solution; "" elsewhere."""
        curvature = self._curvature()
        batch = 1.0 + 2.0 / self.batch if self.dynamics == "sgd" else 1.0
        largest = 2.0 / (curvature * batch)
        if self.rate < largest:
            return ""
        return (
            f"rate x curvature = {float(self.rate) * curvature:.3g}: the solution is not stable at rate "
            f"{float(self.rate):g}; lower it below {largest:.4g}"
        )


def _traced(system: RNNIntegrator) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(system))


def _require_choices(system: RNNIntegrator) -> None:
    for name, choices in (
        ("dynamics", ("flow", "descent", "sgd")),
        ("timing", ("discrete", "continuous")),
        ("weights", ("terminal", "average", "discount")),
        ("start", ("aligned", "given", "random")),
        ("train", Train.__args__),  # pyright: ignore[reportAttributeAccessIssue]
    ):
        value = getattr(system, name)
        require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")


def _require_infinite_horizon(system: RNNIntegrator) -> None:
    if math.isfinite(system.horizon):
        return
    require(
        np.isfinite(system.timescale) if not isinstance(system.timescale, jax.core.Tracer) else True,
        "a perfect integrator (timescale inf) needs a finite horizon: its infinite-horizon loss is infinite",
    )
    require(
        system.bulk < 1,
        f"an infinite horizon needs an initial spectral radius below 1, got bulk = {system.bulk}; lower it",
    )
    require(system.weights != "average", "an average over the sequence needs a finite horizon")
    require(system.timing == "discrete", "continuous time needs a finite horizon; a few times the timescale will do")
    require(system.dynamics != "sgd", "sampled noise needs a finite horizon")


def _require_signal(system: RNNIntegrator) -> None:
    """Refuse starts from which nothing can be learned."""
    _, readin, readout = system.mask
    silent_in = system.scale == 0
    silent_out = silent_in
    if system.start == "given":
        silent_out = (system.along == 0) & (system.across == 0)
    if isinstance(silent_in, jax.core.Tracer) or isinstance(silent_out, jax.core.Tracer):
        return
    require(
        not (silent_in and silent_out),
        "scale = 0 makes both vectors zero: a fixed point of training, where nothing is learned; raise scale",
    )
    require(
        not (silent_in and not readin), "the read-in is zero and not trained: the network hears nothing; raise scale"
    )
    require(
        not (silent_out and not readout),
        "the read-out is zero and not trained: the network says nothing; raise scale, along or across",
    )


__all__ = ["RNNIntegrator", "RNNNumerics"]
