"""One hidden layer: the posterior is the maximum of a concave function of P numbers, eqs. (17)-(19).

Expectations over the prior are sums over nodes in the span of the training inputs (at most three dimensions), or for
ReLU in two dimensions an integral over directions, the radius done exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import Refused
from theorylab.solvers import fixed_point, quadrature
from theorylab.systems.adaptive_kernels import theory_activation as activation_
from theorylab.systems.adaptive_kernels.setting import BINS
from theorylab.systems.adaptive_kernels.theory_lazy import Activation

NEGLIGIBLE = 1e-11
"""Eigenvalues of the input kernel below this, relative to the largest, are zero."""
MOST_NODES = 2_000_000


class Answer(NamedTuple):
    """The adapted two-layer kernel machine.

    Arguments:
      force: v = beta (y - f), (P,).
      function: f at all points, training points first.
      kernel: Phi, (P, P).
      density: of the first training point's preactivation, a value a bin.
      maximum: S*, the value of eq. (17).
      steps, residual, status: of Newton's method.
    """

    force: Float[Array, "samples"]
    function: Float[Array, "points"]
    kernel: Float[Array, "samples samples"]
    density: Float[Array, "bins"]
    maximum: Float[Array, ""]
    steps: Int[Array, ""]
    residual: Float[Array, ""]
    status: Int[Array, ""]


def rank_of(kernel: Float[np.ndarray, "n n"]) -> int:
    """Dimension of the inputs' span; host only."""
    values = np.linalg.eigvalsh(kernel)
    return int(np.sum(values > NEGLIGIBLE * values[-1]))


def span(kernel: Float[Array, "n n"], rank: int) -> Float[Array, "n rank"]:
    """A with A A^T = kernel: the inputs in coordinates of their span."""
    values, vectors = jnp.linalg.eigh(kernel)
    return vectors[:, -rank:] * jnp.sqrt(jnp.maximum(values[-rank:], 0.0))


def weight_nodes(rank: int, radial: int, angular: int, cut: float) -> quadrature.Nodes:
    """Nodes for a standard normal vector of `rank` <= 3 dimensions: polar in two, uniform grids in one and three.

    Raises: `Refused` for more dimensions or nodes than quadrature is for.
    """
    if rank == 1:
        return quadrature.trapezoid(1, 2 * radial + 1, cut)
    if rank == 2:
        line, weights = np.polynomial.legendre.leggauss(radial)
        radius = 0.5 * cut * (line + 1)
        weights = 0.5 * cut * weights * radius * np.exp(-0.5 * radius**2)
        angles = 2 * math.pi * np.arange(angular) / angular
        unit = np.stack([np.cos(angles), np.sin(angles)], 1)
        points = (radius[:, None, None] * unit).reshape(-1, 2)
        weights = np.repeat(weights / angular, angular)
        return quadrature.Nodes(points, weights / weights.sum())
    if rank > 3 or radial**rank > MOST_NODES:
        raise Refused(
            f"quadrature over a span of {rank} dimensions with {radial} nodes each is refused (at most 3 "
            f"dimensions and {MOST_NODES} nodes); choose backend='particles'"
        )
    line = np.linspace(-cut, cut, radial)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.exp(-0.5 * np.sum(points**2, axis=1))
    kept = weights > 1e-16
    return quadrature.Nodes(points[kept], weights[kept] / weights[kept].sum())


def by_quadrature(
    kernel: Float[Array, "points points"],
    targets: Float[Array, "samples"],
    activation: Activation,
    richness: ArrayLike,
    beta: ArrayLike,
    rank: int,
    *,
    radial: int = 90,
    angular: int = 480,
    cut: float = 9.0,
) -> Answer:
    """The posterior by Newton's method on eq. (17) over a fixed set of nodes.

    Arguments:
      kernel: of training inputs, then test inputs; the latter may leave the span of the former.
      rank: dimensions of the span of the training inputs.
      radial, angular, cut: of `weight_nodes`.
    """
    samples = targets.shape[0]
    inner = kernel[:samples, :samples]
    basis = span(inner, rank)
    nodes = weight_nodes(rank, radial, angular, cut)
    # behind a barrier, or the compiler spends its time on folding what depends on nodes alone
    points, weights = lax.optimization_barrier((jnp.asarray(nodes.points), jnp.asarray(nodes.weights)))
    h = points @ basis.T
    phi = activation_.value(activation, h)
    squared_radius = jnp.sum(points**2, axis=1)
    log_weights = jnp.log(weights)

    def tilted(v: Array) -> tuple[Array, Array, Array]:
        """ln Z, probabilities of the nodes, s = v . phi."""
        s = phi @ v
        exponent = log_weights + 0.5 * richness**2 * s**2
        top = lax.stop_gradient(jnp.max(exponent))
        p = jnp.exp(exponent - top)
        total = jnp.sum(p)
        return jnp.log(total) + top, p / total, s

    def inside(s: Array) -> Array:
        if activation not in ("linear", "relu"):
            return jnp.asarray(True)
        # the integrand falls only where richness^2 sigma^2 < 1 in every direction
        return jnp.asarray(richness**2 * jnp.max(s**2 / jnp.maximum(squared_radius, 1e-12)) < 1)

    def objective(v: Array) -> tuple[Array, Array, Array]:
        log_z, p, s = tilted(v)
        mean = phi.T @ (p[:, None] * phi)
        fourth = phi.T @ ((p * s**2)[:, None] * phi)
        return _concave(v, targets, richness, beta, log_z, mean, fourth, inside(s))

    found = fixed_point.maximise(objective, jnp.zeros_like(targets))
    v = found.at
    log_z, p, s = tilted(v)
    mean = phi.T @ (p[:, None] * phi)
    cross = kernel[samples:, :samples]
    # the test input in coordinates of the span, and what is left of its variance
    along = cross @ jnp.linalg.pinv(basis).T if cross.shape[0] else jnp.zeros((0, rank))
    rest = jnp.diagonal(kernel)[samples:] - jnp.sum(along**2, axis=1)
    rest = jnp.where(rest > 1e-10, rest, 0.0)
    test = (p * s) @ activation_.shifted(activation, points @ along.T, rest)
    value = jnp.asarray(richness**2 * (targets @ v - v @ v / (2 * beta)) - log_z)
    return Answer(
        v,
        jnp.concatenate([mean @ v, test]),
        mean,
        histogram(h[:, 0], p),
        value,
        found.steps,
        found.residual,
        found.status,
    )


def relu_radial(
    kernel: Float[Array, "points points"],
    targets: Float[Array, "samples"],
    richness: ArrayLike,
    beta: ArrayLike,
    *,
    angles: int = 40_000,
) -> Answer:
    """ReLU inputs in two dimensions: the radius exactly, the direction by midpoints, eqs. (20)-(21).

    Arguments:
      kernel: of training and test inputs, of rank 2 together.
    """
    samples = targets.shape[0]
    basis = span(kernel, 2)
    turn = lax.optimization_barrier(2 * math.pi * (jnp.arange(angles) + 0.5) / angles)
    unit = jnp.stack([jnp.cos(turn), jnp.sin(turn)], 1)
    raw = unit @ basis.T
    everywhere = jnp.maximum(raw, 0.0)
    phi = everywhere[:, :samples]
    dims = 2

    def left(v: Array) -> tuple[Array, Array]:
        sigma = phi @ v
        return sigma, jnp.asarray(1 - richness**2 * sigma**2)

    def objective(v: Array) -> tuple[Array, Array, Array]:
        sigma, rest = left(v)
        ok = jnp.min(rest) > 0
        rest = jnp.maximum(rest, 1e-12)
        z = jnp.mean(rest ** (-dims / 2))
        mean = phi.T @ ((dims * rest ** (-dims / 2 - 1) / (angles * z))[:, None] * phi)
        weight = dims * (dims + 2) * rest ** (-dims / 2 - 2) * sigma**2 / (angles * z)
        fourth = phi.T @ (weight[:, None] * phi)
        return _concave(v, targets, richness, beta, jnp.log(z), mean, fourth, ok)

    found = fixed_point.maximise(objective, jnp.zeros_like(targets))
    v = found.at
    sigma, rest = left(v)
    z = jnp.mean(rest ** (-dims / 2))
    weight = dims * rest ** (-dims / 2 - 1) / (angles * z)
    value = jnp.asarray(richness**2 * (targets @ v - v @ v / (2 * beta)) - jnp.log(z))
    return Answer(
        v,
        everywhere.T @ (weight * sigma),
        phi.T @ (weight[:, None] * phi),
        _radial_density(raw[:, 0], rest, z),
        value,
        found.steps,
        found.residual,
        found.status,
    )


def _concave(
    v: Array,
    targets: Array,
    richness: ArrayLike,
    beta: ArrayLike,
    log_z: Array,
    mean: Array,
    fourth: Array,
    inside: Array,
) -> tuple[Array, Array, Array]:
    """Eqs. (17)-(19), all divided by richness^2 so that the lazy limit is an ordinary ridge regression."""
    value = targets @ v - v @ v / (2 * beta) - log_z / richness**2
    gradient = targets - v / beta - mean @ v
    along = mean @ v
    curvature = jnp.eye(v.shape[0]) / beta + mean + richness**2 * (fourth - jnp.outer(along, along))
    return jnp.where(inside, value, -jnp.inf), gradient, curvature


def histogram(values: Float[Array, "nodes"], shares: Float[Array, "nodes"]) -> Float[Array, "bins"]:
    """Density of weighted values on the bins; a value's share is spread over the bin's width around it."""
    width = BINS[1] - BINS[0]
    place = (values - BINS[0]) / width - 0.5
    lower = jnp.floor(place).astype(int)
    upper_part = place - lower
    count = len(BINS) - 1
    found = jnp.zeros(count)
    for at, part in ((lower, 1 - upper_part), (lower + 1, upper_part)):
        found = found.at[at].add(jnp.where((at >= 0) & (at < count), shares * part, 0.0), mode="drop")
    return found / width


def gaussian_density(variance: ArrayLike) -> Float[Array, "bins"]:
    """Mean density of N(0, variance) in each bin."""
    cumulative = 0.5 * (1 + lax.erf(jnp.asarray(BINS) / jnp.sqrt(2 * jnp.asarray(variance))))
    return jnp.diff(cumulative) / (BINS[1] - BINS[0])


def _radial_density(raw: Array, rest: Array, z: Array) -> Float[Array, "bins"]:
    """Share of r u . x in each bin, by its width: the radius has density r exp(-r^2 rest / 2) along each direction."""
    edges = jnp.asarray(BINS)

    def beyond(edge: Array) -> Array:
        # share beyond the edge, on the edge's own side of zero
        reaches = raw * jnp.where(edge >= 0, 1.0, -1.0) > 0
        ratio = jnp.where(reaches, edge / jnp.where(reaches, raw, 1.0), 0.0)
        return jnp.mean(jnp.where(reaches, jnp.exp(-0.5 * ratio**2 * rest) / rest, 0.0)) / z

    total = lax.map(beyond, edges)
    below = jnp.where(edges >= 0, 1 - total, total)
    return jnp.diff(below) / (BINS[1] - BINS[0])
