"""Two nonlinear hidden layers at a few training points: Newton's method on the saddle point, eqs. (8)-(10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import Prediction, Refused, worst
from theorylab.solvers import fixed_point
from theorylab.systems.adaptive_kernels import theory_activation as activation_
from theorylab.systems.adaptive_kernels import theory_lazy as lazy
from theorylab.systems.adaptive_kernels.setting import Data
from theorylab.systems.adaptive_kernels.theory_lazy import Activation

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.numerics import KernelNumerics

STAGES = 6
"""Values of the richness that the solution is continued through, from a tenth of it."""
MOST_NODES = 2_000_000


class Answer(NamedTuple):
    """Two adapted layers.

    Arguments:
      function: f at all points, training points first.
      kernels: Phi^1, Phi^2 at training points, (2, P, P).
      residual, status: of the saddle point's equations.
    """

    function: Float[Array, "points"]
    kernels: Float[Array, "2 samples samples"]
    residual: Float[Array, ""]
    status: Int[Array, ""]


def tensor_nodes(count: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite nodes of `dims` standard normals, (count^dims, dims), and weights; negligible ones left out.

    Raises: `Refused` above two million nodes.
    """
    if count**dims > MOST_NODES:
        raise Refused(
            f"{count}^{dims} quadrature nodes are more than {MOST_NODES}: use at most 4 training points, or lower "
            "hermite"
        )
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    weights = weights / weights.sum()
    points = np.stack(np.meshgrid(*[nodes] * dims, indexing="ij"), -1).reshape(-1, dims)
    shares = np.prod(np.stack(np.meshgrid(*[weights] * dims, indexing="ij"), -1).reshape(-1, dims), axis=1)
    # a tilt may raise a far node's share by many orders: only what is hopeless is left out
    kept = shares > 1e-24
    return points[kept], shares[kept]


def posterior(
    kernel: Float[Array, "points points"],
    targets: Float[Array, "samples"],
    activation: Activation,
    richness: ArrayLike,
    beta: ArrayLike,
    count: int,
) -> Answer:
    """The saddle point for K of full rank at the training points, continued in the richness from the lazy solution.

    Arguments:
      count: Gauss-Hermite nodes a training point.
    """
    samples = targets.shape[0]
    inner = kernel[:samples, :samples]
    # behind a barrier, or the compiler spends its time on folding what depends on nodes alone
    points, shares = lax.optimization_barrier(tuple(map(jnp.asarray, tensor_nodes(count, samples))))
    log_shares = jnp.log(shares)
    upper = np.triu_indices(samples)
    h_first = points @ jnp.linalg.cholesky(inner).T
    phi_first = activation_.value(activation, h_first)

    def unpack(u: Array) -> tuple[Array, Array]:
        flat, v = u[: len(upper[0])], u[len(upper[0]) :]
        half = jnp.zeros((samples, samples)).at[upper].set(flat)
        return half + half.T - jnp.diag(jnp.diagonal(half)), v

    def averages(first: Array, v: Array, gamma: ArrayLike) -> tuple[Array, Array, Array, Array]:
        """Tilted shares of both layers' nodes, the second's fields, and Phihat^1."""
        root = jnp.linalg.cholesky(first)
        h = points @ root.T
        second = jax.nn.softmax(log_shares + 0.5 * gamma**2 * (activation_.value(activation, h) @ v) ** 2)
        moment = h.T @ (second[:, None] * h)
        inverse = jnp.linalg.inv(first)
        hat = inverse - inverse @ moment @ inverse
        one = jax.nn.softmax(log_shares - 0.5 * jnp.sum((phi_first @ hat) * phi_first, axis=1))
        return one, second, h, hat

    def equations(u: Array, gamma: ArrayLike) -> Array:
        first, v = unpack(u)
        one, second, h, _ = averages(first, v, gamma)
        phi = activation_.value(activation, h)
        kernel_gap = (first - phi_first.T @ (one[:, None] * phi_first))[upper]
        return jnp.concatenate([kernel_gap, targets - v / beta - phi.T @ (second * (phi @ v))])

    lazy_kernels = lazy.nngp(activation, inner, 2)
    lazy_force = jnp.linalg.solve(lazy_kernels[1] + jnp.eye(samples) / beta, targets)
    start = jnp.concatenate([lazy_kernels[0][upper], lazy_force])

    def stage(u: Array, fraction: Array) -> tuple[Array, Array]:
        gamma = lax.stop_gradient(jnp.asarray(richness) * fraction)
        found = fixed_point.solve(lambda x: equations(x, gamma), u)
        return found.at, found.status

    near, statuses = lax.scan(stage, start, jnp.linspace(0.1, 1.0, STAGES))
    near = lax.stop_gradient(near)
    jacobian = lax.stop_gradient(jax.jacfwd(lambda x: equations(x, richness))(near))
    gap = equations(near, richness)
    u = near - jnp.linalg.solve(jacobian, gap)
    first, v = unpack(u)
    one, second, h, _ = averages(first, v, richness)
    phi = activation_.value(activation, h)
    kernels = jnp.stack([first, phi.T @ (second[:, None] * phi)])
    tests = kernel[samples:, :samples]
    test = jnp.zeros(0)
    if tests.shape[0]:
        # every test input by itself: Gaussian given the training fields under the prior, which only they tilt
        mean, rest = _given(inner, tests, jnp.diagonal(kernel)[samples:])
        features = activation_.shifted(activation, h_first @ mean.T, rest)
        cross = features.T @ (one[:, None] * phi_first)
        square = one @ activation_.average(lambda g: activation_.value(activation, g) ** 2, h_first @ mean.T, rest)
        mean, rest = _given(first, cross, square)
        test = (second * (phi @ v)) @ activation_.shifted(activation, h @ mean.T, rest)
    function = jnp.concatenate([kernels[1] @ v, test])
    return Answer(function, kernels, jnp.max(jnp.abs(gap)), worst(*(statuses[i] for i in range(STAGES))))


def _given(inner: Array, cross: Array, variance: Array) -> tuple[Array, Array]:
    """Coefficients of the conditional mean on the training fields, and the conditional variance."""
    mean = jnp.linalg.solve(inner, cross.T).T
    return mean, jnp.maximum(variance - jnp.sum(mean * cross, axis=1), 0.0)


def predict(
    system: AdaptiveKernels, data: Data, kernel: Array, numerics: KernelNumerics, facts: dict[str, Array]
) -> Prediction:
    """The observables of two nonlinear hidden layers."""
    from theorylab.systems.adaptive_kernels import theory

    answer = posterior(kernel, data.targets, system.activation, system.richness, system.beta, numerics.hermite)
    curves = theory.posterior_curves(system, data, answer.function, answer.kernels, None)
    return Prediction(curves, answer.status, facts={**facts, "residual": answer.residual})
