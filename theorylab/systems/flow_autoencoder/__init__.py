"""A denoising auto-encoder learns a flow or diffusion model. Mathematics: docs/flow_autoencoder.md."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import equinox as eqx
import jax
import jax.core
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Prediction,
    Size,
    coupling,
    extent,
)
from theorylab.systems.flow_autoencoder.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder.setting import Start


class FlowNumerics(Numerics):
    """How the theory is solved, chosen from the sizes by `FlowAutoencoder.numerics`."""

    rtol: float = 1e-7
    """Relative tolerance of the training equations."""
    atol: float = 1e-9
    """Absolute tolerance of the training equations."""
    nodes: int = eqx.field(static=True, default=101)
    """Trapezoid nodes a hidden unit; 0: joint Sobol points (the choice from three units on)."""
    radius: float = eqx.field(static=True, default=8.0)
    """Half-width of the trapezoid grid, in standard deviations."""
    particles: int = eqx.field(static=True, default=13)
    """Binary logarithm of the number of Sobol points."""
    particle_rtol: float = 1e-5
    """Relative tolerance of the training equations on particles, whose own error is larger."""
    start_nodes: int = eqx.field(static=True, default=4001)
    """Grid of the initial hidden projection of one unit, whose flow is followed exactly."""

    def coarse(self) -> FlowNumerics:
        """Tolerances for equations on particles."""
        return self.replace(rtol=self.particle_rtol, atol=0.01 * self.particle_rtol)


class FlowAutoencoder(AbstractSystem["Start | None"]):
    """A two-layer denoising auto-encoder trained by one-pass SGD on a mixture, and what it then generates."""

    paper = PAPER
    presets = PRESETS
    size = "dimension"

    dimension: Size = extent(500)
    """Dimension d of the data; inf: theory only."""
    units: int = eqx.field(static=True, default=1)
    """Hidden units r."""
    target: Literal["pair", "cross", "given", "digits"] = eqx.field(static=True, default="pair")
    """Two modes on one axis, four on two, given means, or the principal components of handwritten digits."""
    means: tuple[float, ...] = eqx.field(static=True, default=())
    """Means of a given target, mode after mode, equally many numbers each."""
    shares: tuple[float, ...] = eqx.field(static=True, default=())
    """Probabilities of a given target's modes."""
    classes: tuple[int, ...] = eqx.field(static=True, default=(3, 8))
    """Digits that the target is taken from, one class or several."""
    components: int = eqx.field(static=True, default=2)
    """Principal components that are the structured directions of the digits."""
    scale: float = eqx.field(static=True, default=1.0)
    """Residual standard deviation that the digits are scaled to."""
    pixels: bool = eqx.field(static=True, default=False)
    """Whether runs train on the images themselves (dimension 64), whose residual is not isotropic."""
    sharing: Literal["weights", "data", "nothing"] = eqx.field(static=True, default="weights")
    """One network for all times; or one network a time, trained on the same samples, or each on its own."""
    common_start: bool = eqx.field(static=True, default=False)
    """Whether the networks of different times start from the same weights."""
    grid: int = eqx.field(static=True, default=10)
    """Times of the interpolant, evenly spaced from 0, where `times` gives none."""
    times: tuple[float, ...] = eqx.field(static=True, default=())
    """Times of the interpolant, increasing, in [0, 1)."""
    interpolant: Literal["linear", "trigonometric"] = eqx.field(static=True, default="linear")
    """(alpha, beta) = (1 - t, t) or (cos(pi t / 2), sin(pi t / 2))."""
    gains: Literal["precond", "plain"] = eqx.field(static=True, default="precond")
    """Gains of the hidden layer: with them the Bayes denoiser of two modes is one unit; or all one."""
    activation: Literal["tanh", "erf", "identity"] = eqx.field(static=True, default="tanh")
    """Activation of the hidden units."""
    hidden_bias: bool = eqx.field(static=True, default=False)
    """Whether hidden units have a bias that learns."""
    skip: Literal["learned", "optimal"] = eqx.field(static=True, default="learned")
    """Whether the skip is learned from zero, or is that of least error from the start."""
    origin: Literal["informed", "random"] = eqx.field(static=True, default="informed")
    """Initial weights of given overlap with the target, or independent Gaussian, drawn for each run."""
    batch: int = eqx.field(static=True, default=1)
    """Samples a step."""
    duration: float = eqx.field(static=True, default=10.0)
    """Training time tau = steps / dimension; of each generation."""
    records: int = eqx.field(static=True, default=10)
    """Equal intervals of the recorded training times."""
    generations: int = eqx.field(static=True, default=0)
    """Further networks, each trained on what the one before generates."""
    inherit: bool = eqx.field(static=True, default=False)
    """Whether a generation goes on from the weights of the one before."""
    sampler: Literal["euler", "flow", "sde"] = eqx.field(static=True, default="euler")
    """Euler steps on the grid, the continuous flow, or Euler-Maruyama steps."""
    samples: int = eqx.field(static=True, default=1000)
    """Points that each run generates."""
    bins: int = eqx.field(static=True, default=60)
    """Bins of projected densities."""

    rate: float = coupling(0.4)
    """Learning rate eta of the weights."""
    skip_rate: float = coupling(10.0)
    """Learning rate eta_b of the skip, over dimension squared."""
    bias_rate: float = coupling(0.5)
    """Learning rate eta_theta of the biases, over dimension."""
    ridge: float = coupling(0.0)
    """Weight decay lambda."""
    separation: float = coupling(3.0)
    """Distance a of the modes of a pair or cross from the origin."""
    share: float = coupling(0.75)
    """Probability of the mode at +a of a pair; of the first pair of a cross."""
    noise: float = coupling(1.0)
    """Standard deviation sigma of the modes."""
    overlap: float = coupling(0.3)
    """Initial overlap of hidden unit i with direction i."""
    tilt: float = coupling(0.0)
    """Initial overlap of unit i with direction i + 1, and minus that with direction i - 1."""
    spread: float = coupling(1.0)
    """Variance q of the initial weights outside the target's directions."""
    diffusion: float = coupling(0.5)
    """Noise epsilon of the sde sampler."""
    real: float = coupling(0.0)
    """Fraction of real data that later generations are trained on."""

    def __check_init__(self) -> None:
        from theorylab.systems.flow_autoencoder.checks import check

        check(self)

    # -- sizes ---------------------------------------------------------------------------------------------

    @property
    def grid_times(self) -> tuple[float, ...]:
        """The interpolant's times, in [0, 1)."""
        return self.times or tuple(float(m / self.grid) for m in range(self.grid))

    @property
    def steps_in_time(self) -> Float[np.ndarray, "times"]:
        """Lengths of the sampler's steps, the last of which ends at time 1."""
        return np.diff(np.append(np.asarray(self.grid_times), 1.0))

    @property
    def directions(self) -> int:
        """Structured directions s of the target."""
        if self.target == "given":
            return len(self.means) // len(self.shares)
        return {"pair": 1, "cross": 2, "digits": self.components}[self.target]

    @property
    def modes(self) -> int:
        """Modes K of the target."""
        return {"pair": 2, "cross": 4, "digits": len(self.classes), "given": len(self.shares)}[self.target]

    @property
    def steps(self) -> int:
        """SGD steps between two recorded times."""
        return max(1, round(self.duration * int(self.dimension) / self.records))

    def recorded(self) -> Float[np.ndarray, "record"]:
        """Recorded training times tau, from 0: those of whole steps at a finite dimension."""
        at = np.arange(self.records + 1)
        if math.isinf(self.dimension):
            return at * (self.duration / self.records)
        return at * self.steps / int(self.dimension)

    # -- what is judged, and where -------------------------------------------------------------------------

    @property
    def observables(self) -> tuple[Observable, ...]:
        axis = "generation" if self.generations else ("network" if self.sharing != "weights" else "time")
        many, square = ("entry", axis), ("pair", axis)
        found = [
            Observable("overlap", "overlap $M$", dims=many, floor=0.2),
            Observable("norm", "norm $Q$", dims=square),
        ]
        if self.hidden_bias:
            found.append(Observable("bias", "bias $\\theta$", dims=("unit", axis), floor=0.2))
        if self.sharing != "weights":
            found.append(Observable("cross", "overlap between networks", dims=("partner", "network")))
        first = ("generation",) if self.generations else ()
        found += [
            Observable("occupancy", "occupancy of the modes", dims=("mode", *first)),
            Observable("spread", "standard deviation along $v$", dims=("direction", *first)),
            Observable("bulk", "bulk variance $\\Gamma^2$", dims=first),
        ]
        if self.generations:
            return (*found, Observable("separation", "mean $|v\\cdot X|$", dims=("direction", *first)))
        found.append(Observable("density", "density of $v\\cdot X$", dims=("direction", "position"), scale="density"))
        if self.skip == "learned":
            found.append(Observable("skip", "skip $b_t$", dims=("grid",)))
        return (*found, Observable("gain", "gain over the skip", dims=("grid",), floor=0.5))

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.flow_autoencoder import setting

        with jax.enable_x64(True):
            edges = np.asarray(setting.edges(self))
        r, s = self.units, self.directions
        return {
            "time": self.recorded(),
            "entry": np.arange(r * s),
            "pair": np.arange(r * (r + 1) // 2),
            "unit": np.arange(r),
            "network": np.asarray(self.grid_times),
            "partner": np.asarray(self.grid_times),
            "grid": np.asarray(self.grid_times),
            "generation": np.arange(self.generations + 1),
            "mode": np.arange(self.modes),
            "direction": np.arange(s),
            "position": (edges[1:] + edges[:-1]) / 2,
        }

    # -- the two sides -------------------------------------------------------------------------------------

    @property
    def draws(self) -> bool:
        """Random initial weights are drawn, and each run is predicted from its own overlaps."""
        return self.origin == "random"

    def draw(self, key: Key[Array, ""]) -> Start | None:
        """Overlap and norm of random initial weights; None where the start is informed."""
        from theorylab.systems.flow_autoencoder.setting import draw_start

        return draw_start(self, key) if self.origin == "random" else None

    def predict(self, instance: Start | None, numerics: FlowNumerics) -> Prediction:
        from theorylab.systems.flow_autoencoder.theory import predict

        return predict(self, instance, numerics)

    def simulate(self, instance: Start | None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.flow_autoencoder.simulation import simulate

        return simulate(self, instance, key)

    # -- what the host may ask -----------------------------------------------------------------------------

    @property
    def tile(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 8

    def numerics(self, instance: Any) -> FlowNumerics:
        """A fine grid for one hidden unit, a coarser one for two, joint Sobol points from three on.

        Raises: `Refused` for initial overlaps that no weights have.
        """
        from theorylab.systems.flow_autoencoder.checks import check_start

        check_start(instance)
        if self.units == 1:
            return FlowNumerics()
        return FlowNumerics(nodes=41, radius=6.0) if self.units == 2 else FlowNumerics(nodes=0)

    def cost(self) -> float:
        return self.duration * float(self.rate)

    def warnings(self, instance: Any) -> tuple[str, ...]:
        from theorylab.systems.flow_autoencoder.checks import warnings

        return warnings(self)


__all__ = ["FlowAutoencoder", "FlowNumerics"]
