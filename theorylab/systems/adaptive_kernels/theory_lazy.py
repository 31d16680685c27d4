"""Lazy kernels: the Gaussian-process (NNGP) and neural tangent kernels, in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import Refused
from theorylab.solvers import quadrature

Activation = Literal["linear", "relu", "erf", "tanh"]
NODES = 101
"""Nodes a dimension where an expectation has no closed form (tanh)."""


def gaussian_kernel(activation: Activation, covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """E[phi(h) phi(h)^T] for h ~ N(0, covariance), docs/adaptive_kernels.md eq. (5)."""
    return _pairwise(activation, covariance, slope=False)


def slope_kernel(activation: Activation, covariance: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """E[phi'(h) phi'(h)^T] for h ~ N(0, covariance), docs/adaptive_kernels.md eq. (6)."""
    return _pairwise(activation, covariance, slope=True)


def nngp(activation: Activation, kernel: Float[Array, "n n"], depth: int) -> Float[Array, "layer n n"]:
    """Phi_0^1, ..., Phi_0^L of the Gaussian process above the input kernel."""
    layers = []
    for _ in range(depth):
        kernel = gaussian_kernel(activation, kernel)
        layers.append(kernel)
    return jnp.stack(layers)


def ntk(activation: Activation, kernel: Float[Array, "n n"], depth: int) -> Float[Array, "n n"]:
    """The neural tangent kernel, sum over l of G_0^{l+1} Phi_0^l, docs/adaptive_kernels.md eq. (7)."""
    forward = [kernel, *nngp(activation, kernel, depth)]
    total, backward = forward[-1], jnp.ones_like(kernel)
    for below in forward[-2::-1]:
        backward = backward * slope_kernel(activation, below)
        total = total + backward * below
    return total


def ridge_predictor(
    kernel: Float[Array, "n n"], targets: Float[Array, "samples"], ridge: ArrayLike
) -> Float[Array, "n"]:
    """k(x, X) (k + ridge I)^{-1} y at all n points, of which the first P are the training points."""
    samples = targets.shape[0]
    inner = kernel[:samples, :samples] + ridge * jnp.eye(samples)
    return kernel[:, :samples] @ jnp.linalg.solve(inner, targets)


def homogeneity(activation: Activation, depth: int) -> int:
    """kappa = L + 1, the degree in all weights; by convention also 2 for one layer of erf or tanh."""
    if activation in ("linear", "relu") or depth == 1:
        return depth + 1
    raise Refused(
        f"the formula with ridge kappa lambda needs a homogeneous activation (linear, relu), got {activation} at "
        f"depth {depth}; the readout's identity, ridge lambda, holds for every activation"
    )


def _pairwise(activation: Activation, covariance: Array, slope: bool) -> Array:
    diagonal = jnp.diagonal(covariance)
    left, right = diagonal[:, None], diagonal[None, :]
    if activation == "linear":
        return jnp.ones_like(covariance) if slope else covariance
    if activation == "erf":
        if slope:
            return (2 / math.pi) / jnp.sqrt((1 + left) * (1 + right) - covariance**2)
        return (2 / math.pi) * jnp.arcsin(covariance / jnp.sqrt((1 + left) * (1 + right)))
    if activation == "relu":
        norms = jnp.sqrt(left * right)
        cosine = jnp.clip(covariance / norms, -1.0, 1.0)
        # the angle's derivative is infinite on the diagonal, where it is known to be zero
        inside = jnp.where(jnp.abs(cosine) < 1, cosine, 0.0)
        angle = jnp.where(jnp.abs(cosine) < 1, jnp.arccos(inside), jnp.where(cosine > 0, 0.0, math.pi))
        if slope:
            return (math.pi - angle) / (2 * math.pi)
        return norms / (2 * math.pi) * (jnp.sin(angle) + (math.pi - angle) * cosine)
    nodes, weights = quadrature.trapezoid(1, NODES)
    line, shares = jnp.asarray(nodes[:, 0]), jnp.asarray(weights)
    function: Callable[[Array], Array] = (lambda h: 1 - jnp.tanh(h) ** 2) if slope else jnp.tanh
    # h = sqrt(left) a, h' = (covariance / sqrt(left)) a + the rest b, a and b independent
    along = covariance / jnp.sqrt(left)
    across = jnp.sqrt(jnp.maximum(right - along**2, 0.0))

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        a, share = node
        second = function(along[..., None] * a + across[..., None] * line) @ shares
        return total + share * function(jnp.sqrt(diagonal) * a)[:, None] * second, None

    return lax.scan(add, jnp.zeros_like(covariance), (line, shares))[0]
