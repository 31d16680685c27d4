"""Maps over couplings: where deep linear posteriors jump, and where training collapses to zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theorylab.core import require

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels


class Transitions(NamedTuple):
    """First-order jumps of the deep linear posterior; NaN where there is none.

    Arguments:
      richness: gamma0 of the jump, (depths, betas).
      window: gamma0 between which several solutions coexist, (depths, betas, 2).
      spikes: a before, between and after, (depths, betas, 3).
    """

    richness: Float[np.ndarray, "depths betas"]
    window: Float[np.ndarray, "depths betas 2"]
    spikes: Float[np.ndarray, "depths betas 3"]


def transitions(system: AdaptiveKernels, depths: Sequence[int], betas: Float[np.ndarray, "betas"]) -> Transitions:
    """Jump and coexistence window for the system's data, docs/adaptive_kernels.md eqs. (15)-(16).

    Raises: `Refused` for a depth below 1 or a beta that is not positive.
    """
    from theorylab.systems.adaptive_kernels import theory_deep_linear as deep_linear

    require(min(depths) >= 1, f"depths must be at least 1, got {list(depths)}")
    require(np.min(betas) > 0, "every beta must be positive")
    with jax.enable_x64(True):
        modes = _modes(system)
        one = jax.jit(lambda depth, beta: deep_linear.transition(modes, depth, beta))
        found = [[one(float(depth), float(beta)) for beta in betas] for depth in depths]
    return Transitions(
        *(np.array([[getattr(x, name) for x in row] for row in found]) for name in ("richness", "window", "spikes"))
    )


def collapse(system: AdaptiveKernels, richness: Float[np.ndarray, "points"]) -> Float[np.ndarray, "points"]:
    """Largest ridge at which training does not have to end at f = 0, docs/adaptive_kernels.md eqs. (32), (34).

    For linear networks of any depth, and for one ReLU layer in two dimensions.

    Raises: `Refused` elsewhere, and for a richness that is not positive.
    """
    from theorylab.systems.adaptive_kernels import theory_deep_linear as deep_linear
    from theorylab.systems.adaptive_kernels import theory_variation as variation

    relu = system.activation == "relu" and system.depth == 1 and system.dimension == 2
    require(
        system.activation == "linear" or relu,
        f"no collapse threshold is known for {system.activation}, depth {system.depth}, dimension {system.dimension}",
    )
    require(np.min(richness) > 0, "every richness must be positive")
    with jax.enable_x64(True):
        if relu:
            data = system.the_data()
            return np.asarray(richness) * float(variation.collapse_strength(data.inputs, data.targets))
        modes = _modes(system)
        one = jax.jit(jax.vmap(lambda g: deep_linear.collapse_ridge(modes, system.depth, g)))
        return np.asarray(one(jnp.asarray(richness, float)))


def _modes(system: AdaptiveKernels):
    from theorylab.systems.adaptive_kernels import theory, theory_deep_linear

    data = system.the_data()
    kernel = theory.input_kernel(data)[: system.samples, : system.samples]
    return theory_deep_linear.modes(kernel, data.targets)
