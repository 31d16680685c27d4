"""How the theories of adaptive_kernels are solved."""

from __future__ import annotations

from typing import Literal

import equinox as eqx

from theorylab.core import Numerics

Backend = Literal["scalar", "quadrature", "radial", "newton", "particles", "pass", "exact-pass", "flow", "variation"]


class KernelNumerics(Numerics):
    """How the theory is solved, chosen from the setting by `AdaptiveKernels.numerics`."""

    backend: Backend = eqx.field(static=True, default="scalar")
    """What solves it: a scalar root, quadrature, the ReLU's radial integral, Newton over two layers, particles, the
    sampled or exact causal pass, or total-variation regression."""
    rank: int = eqx.field(static=True, default=0)
    """Dimensions of the training inputs' span (quadrature)."""
    radial: int = eqx.field(static=True, default=90)
    """Radial nodes, or nodes a dimension."""
    angular: int = eqx.field(static=True, default=480)
    """Angular nodes in two dimensions."""
    cut: int = eqx.field(static=True, default=9)
    """Largest radius of the nodes."""
    hermite: int = eqx.field(static=True, default=28)
    """Nodes a training point of the two-layer Newton solver."""
    particles: int = eqx.field(static=True, default=500)
    """Neurons of a particle chain."""
    sweeps: int = eqx.field(static=True, default=200)
    """Recorded moves of a particle chain, after half as many that are not."""
    sites: int = eqx.field(static=True, default=1000)
    """Monte-Carlo sites a layer of one causal pass; even."""
    capacity: int = eqx.field(static=True, default=80)
    """Basis columns a layer that a causal pass may use."""
    seeds: int = eqx.field(static=True, default=16)
    """Independent repetitions of a sampled theory: their scatter is its standard error."""
    seed: int = eqx.field(static=True, default=0)
    """Key of a sampled theory."""
    tolerance: float = 0.01
    """Root mean square below which a field adds no basis column to a causal pass."""
