"""Contours around the spectrum: f(A) = (1/2 pi i) times the integral of f(z) (z + A)^{-1} around [-edge, 0].

Only nodes of the upper half plane are kept; `integrate_pairs` adds their mirror images. Every contour
includes z = 0, where label noise has a pole and where a rank-deficient matrix has its zero modes.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

PARABOLA_NODES = 14
"""Upper nodes of a parabola: 1e-13 absolute error of a double integral; round-off grows beyond 18."""


def parabola(
    times: Float[Array, "times"], nodes: int = PARABOLA_NODES
) -> tuple[Complex[Array, "times nodes"], Complex[Array, "times nodes"]]:
    """Nodes and weights for f(z) = exp(z t), one contour for each time t > 0, whatever the spectrum.

    z = mu (1 + i theta)^2, theta_j = (j + 1/2) h, h = 3 / nodes, mu = pi nodes / (12 t).
    """
    spacing = 3.0 / nodes
    ray = 1 + 1j * (jnp.arange(nodes) + 0.5) * spacing
    scale = math.pi * nodes / (12.0 * jax.lax.stop_gradient(times))[:, None]
    return scale * ray**2, scale * ray * spacing / math.pi


def smallest_parabola_node(longest: float, nodes: int = PARABOLA_NODES) -> float:
    """Lower bound on |z| over parabolas up to time `longest`. Host only."""
    return math.pi * nodes / (12.0 * longest)


def ellipse(
    edge: Float[Array, ""], growth: Float[Array, ""], nodes: int
) -> tuple[Complex[Array, "upper"], Complex[Array, "upper"]]:
    """Nodes and weights of one ellipse with foci -edge and 0 that serves all times up to T.

    z = -edge/2 + (edge/2) cosh(u0 + i phi), phi_j = 2 pi (j + 1/2) / nodes, cosh u0 = 1 + 2 growth / edge.

    Arguments:
      edge: upper spectral edge.
      growth: the ellipse's reach beyond 0; 4 / T bounds exp(z T) by e^4.
      nodes: nodes of the full ellipse, even; from `ellipse_nodes`. Half of them are returned.
    """
    edge, growth = jax.lax.stop_gradient((jnp.asarray(edge), jnp.asarray(growth)))
    # arccosh(1 + x) without loss of digits at small x
    excess = 2 * growth / edge
    opening = jnp.log1p(excess + jnp.sqrt(excess * (2 + excess)))
    angle = opening + 2j * math.pi * (jnp.arange(nodes // 2) + 0.5) / nodes
    return edge / 2 * (jnp.cosh(angle) - 1), edge / 2 * jnp.sinh(angle) / nodes


def ellipse_nodes(edge: float, growth: float) -> int:
    """Nodes that an ellipse needs for 1e-12, rounded up to a multiple of 32. Host only."""
    opening = math.acosh(1 + 2 * growth / edge)
    return 32 * math.ceil((30 / opening + 20) / 32)


def integrate_pairs(
    propagator: Complex[Array, "... nodes"],
    same: Complex[Array, "nodes nodes"],
    mixed: Complex[Array, "nodes nodes"],
) -> Float[Array, "..."]:
    """(1/2 pi i)^2 double integral of f(z) f(z') C(z, z') over all pairs of nodes, mirror images included.

    Arguments:
      propagator: f_t(z_j) times the node's weight, shape (times, nodes).
      same: C(z_j, z_k).
      mixed: C(z_j, conj z_k).
    """
    total = (propagator @ same) * propagator + (propagator @ mixed) * jnp.conj(propagator)
    return 2 * jnp.sum(total.real, -1)
