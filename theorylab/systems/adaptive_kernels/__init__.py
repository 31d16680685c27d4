"""Kernel machines that feature-learning networks of infinite width become. Mathematics: docs/adaptive_kernels.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import equinox as eqx
import jax
import jax.core
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Observable,
    Prediction,
    coupling,
    coupling_array,
    require,
    require_finite,
    require_size,
    tile_within_cache,
)
from theorylab.systems.adaptive_kernels.numerics import KernelNumerics
from theorylab.systems.adaptive_kernels.presets import PAPER, PRESETS

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels.setting import Data


TARGET_FLOOR = 0.5
"""Test outputs are judged on the scale of the targets, which is of order one, where they are themselves smaller."""


class AdaptiveKernels(AbstractSystem[None]):
    """A multi-layer network in the mean-field scaling: its Bayesian posterior, its training by gradient descent with
    weight decay, and where that training ends; each a kernel machine with a kernel adapted to the data.

    The squared error is a sum over training points, times N gamma0^2 (docs/adaptive_kernels.md eqs. (2), (3)).

    Raises: `Refused` for sizes, couplings or data out of range, and where gradient descent cannot be stable.
    """

    paper = PAPER
    presets = PRESETS
    size = "width"
    axis_labels: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "time": "time (rate x steps)",
            "sample": "training point",
            "test": "test point",
            "point": "point (training, then test)",
            "other": "other point",
            "preactivation": "preactivation of the first training point",
        }
    )

    problem: Literal["posterior", "training", "converged"] = eqx.field(static=True, default="posterior")
    """Bayesian posterior (aNBK); gradient descent with weight decay in time; or its end (aNTK)."""
    activation: Literal["linear", "relu", "erf", "tanh"] = eqx.field(static=True, default="erf")
    """phi; erf is h -> erf(h / sqrt 2)."""
    depth: int = eqx.field(static=True, default=1)
    """Hidden layers L."""
    width: int = eqx.field(static=True, default=128)
    """Units a layer N of the simulated network."""
    data: Literal["ring", "waves", "orthogonal", "digits", "given"] = eqx.field(static=True, default="ring")
    """Six points on a circle; deterministic waves; orthogonal inputs; threes against eights; or `inputs`."""
    samples: int = eqx.field(static=True, default=6)
    """Training points P."""
    dimension: int = eqx.field(static=True, default=2)
    """Input dimension D."""
    tests: int = eqx.field(static=True, default=3)
    """Test points."""
    steps: int = eqx.field(static=True, default=100)
    """Steps of gradient descent."""
    records: int = eqx.field(static=True, default=20)
    """Equal intervals of the recorded steps."""
    dynamics: Literal["descent", "flow"] = eqx.field(static=True, default="descent")
    """Theory of training by discrete steps of size `rate` (any depth), or of gradient flow (one hidden layer)."""
    sampler: Literal["hmc", "langevin"] = eqx.field(static=True, default="hmc")
    """Hamiltonian Monte Carlo, or unadjusted Langevin steps with a bias of order `step`."""
    warmup: int = eqx.field(static=True, default=200)
    """Moves of a chain before it is recorded."""
    moves: int = eqx.field(static=True, default=300)
    """Recorded moves of a chain."""
    leapfrogs: int = eqx.field(static=True, default=12)
    """Leapfrog steps a move; Langevin steps to a recorded one."""

    richness: float = coupling(1.0)
    """Feature-learning strength gamma0: the output is z . phi / (gamma0 N)."""
    beta: float = coupling(10.0)
    """Inverse temperature of the posterior."""
    ridge: float = coupling(0.1)
    """Weight decay lambda of training."""
    rate: float = coupling(0.05)
    """Step dt of gradient descent: time = rate x steps, raw learning rate dt N gamma0^2."""
    step: float = coupling(1e-3)
    """Step of unadjusted Langevin, in units of the potential's gradient."""
    inputs: tuple[tuple[float, ...], ...] = coupling_array(())
    """Data "given": training inputs, rows of norm about sqrt(D)."""
    targets: tuple[float, ...] = coupling_array(())
    """Training targets; empty: those that come with the data."""
    test_inputs: tuple[tuple[float, ...], ...] = coupling_array(())
    """Data "given": test inputs."""
    test_targets: tuple[float, ...] = coupling_array(())
    """Data "given": test targets, from which the test loss is computed."""

    def __check_init__(self) -> None:
        for name in ("depth", "width", "samples", "dimension", "steps", "records", "moves", "leapfrogs"):
            require_size(name, getattr(self, name))
        require_size("tests", self.tests, least=0)
        require_size("warmup", self.warmup, least=0)
        for name, choices in (
            ("problem", ("posterior", "training", "converged")),
            ("activation", ("linear", "relu", "erf", "tanh")),
            ("data", ("ring", "waves", "orthogonal", "digits", "given")),
            ("dynamics", ("descent", "flow")),
            ("sampler", ("hmc", "langevin")),
        ):
            value = getattr(self, name)
            require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
        require_finite(**{name: getattr(self, name) for name in ("richness", "beta", "ridge", "rate", "step")})
        require(
            self.richness > 0,
            f"richness must be positive, got {self.richness}; the lazy limit is theory_lazy.nngp and theory_lazy.ntk",
        )
        for name in ("beta", "ridge", "rate", "step"):
            value = getattr(self, name)
            require(value > 0, f"{name} must be positive, got {value}")
        self._check_data()
        require(
            self.problem == "posterior" or self.depth > 1 or self.width % 2 == 0,
            f"training one hidden layer starts from pairs of units: width must be even, got {self.width}",
        )
        require(
            self.dynamics == "descent" or (self.problem == "training" and self.depth == 1),
            "dynamics='flow' is for problem='training' with one hidden layer; deeper networks take discrete steps",
        )
        if self.problem == "converged":
            require(
                self.activation == "linear" or (self.activation == "relu" and self.depth == 1 and self.dimension == 2),
                "the end point has a theory for linear networks of any depth and for one ReLU layer in two dimensions; "
                "use problem='training' with more steps elsewhere",
            )
        if self.problem != "posterior" and not _traced(self):
            self._check_step()

    def _check_data(self) -> None:
        if self.data == "given":
            require(np.ndim(self.inputs) == 2, "given data need inputs, an array of samples x dimension")
            shape = (self.samples, self.dimension)
            require(
                np.shape(self.inputs) == shape,
                f"inputs must have shape samples x dimension = {shape}, got {np.shape(self.inputs)}",
            )
            expected = (self.tests, self.dimension) if self.tests else ()
            got = np.shape(self.test_inputs) if np.ndim(self.test_inputs) == 2 else ()
            require(got == expected, f"test_inputs must have shape {expected}, got {got}")
            known = np.size(self.test_targets)
            require(known in (0, self.tests), f"test_targets must have length {self.tests}, got {known}")
            require_finite(inputs=self.inputs, test_inputs=np.asarray(self.test_inputs, float))
            require(np.size(self.targets) > 0, "given data need targets")
        else:
            require(
                np.size(self.inputs) == np.size(self.test_inputs) == np.size(self.test_targets) == 0,
                f"inputs, test_inputs and test_targets are for data='given', not {self.data!r}",
            )
        if np.size(self.targets):
            require(
                np.shape(self.targets) == (self.samples,),
                f"targets must have length samples = {self.samples}, got shape {np.shape(self.targets)}",
            )
            require_finite(targets=self.targets)
        ring = self.data == "ring"
        require(
            not ring or (self.samples <= 6 and self.tests <= 3 and self.dimension == 2),
            "the ring has dimension 2, at most 6 training and 3 test points",
        )
        require(
            self.data != "orthogonal" or (self.dimension == self.samples and self.tests == 0),
            f"orthogonal inputs need dimension = samples = {self.samples} and tests = 0",
        )
        require(
            self.data != "digits" or (self.dimension == 64 and self.samples + self.tests <= 357),
            "digits have dimension 64 and 357 images of the two classes",
        )

    def _check_step(self) -> None:
        from theorylab.systems.adaptive_kernels import theory

        fastest = theory.fastest_rate(self)
        require(
            self.rate * fastest < 2,
            f"rate x (ridge + largest eigenvalue of the initial tangent kernel) = {float(self.rate) * fastest:.3g} "
            f"is not below 2: gradient descent diverges; lower rate below {2 / fastest:.4g}",
        )

    @classmethod
    def from_data(
        cls,
        inputs: Float[ArrayLike, "samples dimension"],
        targets: Float[ArrayLike, "samples"],
        test_inputs: tuple[tuple[float, ...], ...] = (),
        test_targets: Float[ArrayLike, "tests"] | tuple[()] = (),
        **fields: Any,
    ) -> Self:
        """The setting of a user's own data; rows of the inputs are best scaled to norm sqrt(D).

        Raises: `Refused` for shapes that do not match or values that are not finite.
        """
        require(np.ndim(inputs) == 2, f"inputs must be samples x dimension, got shape {np.shape(inputs)}")
        samples, dimension = np.shape(inputs)
        tests = np.shape(test_inputs)[0] if np.ndim(test_inputs) == 2 else 0
        given = {"inputs": inputs, "targets": targets, "test_inputs": test_inputs, "test_targets": test_targets}
        return cls(**{"data": "given", "samples": samples, "dimension": dimension, "tests": tests, **given, **fields})

    # -- what is judged, and where -------------------------------------------------------------------------

    @property
    def test_targets_known(self) -> bool:
        """Whether there is a test loss."""
        if self.data == "given":
            return self.tests > 0 and np.size(self.test_targets) > 0
        return self.data in ("waves", "digits") and self.tests > 0 and np.size(self.targets) == 0

    @property
    def observables(self) -> tuple[Observable, ...]:
        timed = self.problem == "training"
        axes = ("time",) if timed else ()
        found = [Observable("train_function", "output at training points", ("sample", *axes), margin=0.02)]
        if self.tests:
            found.append(
                Observable("test_function", "output at test points", ("test", *axes), margin=0.03, floor=TARGET_FLOOR)
            )
        square = ("layer", "point", "other") if timed else ("layer", "sample", "other")
        found.append(Observable("feature_kernel", "feature kernel", (*square, *axes)))
        if timed:
            found.append(Observable("gradient_kernel", "gradient kernel", (*square, *axes)))
            if self.dynamics == "descent":
                found.append(Observable("feature_overlap", "feature kernel with time zero", (*square, *axes)))
                found.append(Observable("gradient_overlap", "gradient kernel with time zero", (*square, *axes)))
        else:
            found.append(Observable("alignment", "kernel-target alignment", ("layer",), margin=0.02))
        if self.has_density:
            found.append(Observable("density", "density of a preactivation", ("preactivation",), "density"))
        if self.test_targets_known:
            scale = "linear" if timed else "log"
            found.append(Observable("loss", "test loss, mean square", axes, scale))
        return tuple(found)

    @property
    def has_density(self) -> bool:
        """Whether the first layer's preactivation density is predicted: posteriors of one layer, or linear ones."""
        return self.problem == "posterior" and (self.depth == 1 or self.activation == "linear")

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        from theorylab.systems.adaptive_kernels import setting

        axes: dict[str, Shaped[ArrayLike, "..."]] = {
            "sample": np.arange(self.samples),
            "test": np.arange(self.tests),
            "layer": np.arange(1, self.depth + 1),
            "other": np.arange(self.samples + (self.tests if self.problem == "training" else 0)),
        }
        if self.problem == "training":
            axes["time"] = float(self.rate) * setting.recorded_steps(self.steps, self.records)
            axes["point"] = np.arange(self.samples + self.tests)
        if self.has_density:
            axes["preactivation"] = 0.5 * (setting.BINS[1:] + setting.BINS[:-1])
        return axes

    @property
    def tile(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Runs in one vmap."""
        return tile_within_cache(self.width * (self.dimension + (self.depth - 1) * self.width), 8)

    # -- the two sides -------------------------------------------------------------------------------------

    def predict(self, instance: None, numerics: KernelNumerics) -> Prediction:
        from theorylab.systems.adaptive_kernels import theory

        del instance
        return theory.predict(self, numerics)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        del instance
        if self.problem == "posterior":
            from theorylab.systems.adaptive_kernels import simulation_posterior as simulation
        else:
            from theorylab.systems.adaptive_kernels import simulation
        return simulation.simulate(self, key)

    # -- what the host may ask -----------------------------------------------------------------------------

    def numerics(self, instance: None) -> KernelNumerics:
        """The cheapest exact solver there is for the setting, else a sampled one."""
        from theorylab.systems.adaptive_kernels import theory

        del instance
        return theory.choose(self)

    def warnings(self, instance: None) -> tuple[str, ...]:
        from theorylab.systems.adaptive_kernels import theory

        del instance
        return theory.warnings(self)

    def the_data(self) -> Data:
        """Inputs and targets, in float64."""
        from theorylab.systems.adaptive_kernels import setting

        with jax.enable_x64(True):
            return setting.data_of(self)


def _traced(system: AdaptiveKernels) -> bool:
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(system))


__all__ = ["AdaptiveKernels", "KernelNumerics"]
