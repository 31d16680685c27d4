"""Linear random features: the renormalised ridge on complex nodes, and the upper spectral edge.

For A = F F^T S with S the sample covariance of `samples` Gaussian rows and F of `width` Gaussian features,
(z + A)^{-1} is equivalent to (Sigma + kappa)^{-1} / (R_u R_r), where z = kappa R_u R_r,
R_r = 1 - df1(kappa) / samples, R_u = 1 - df1(kappa) / width: docs/sgd_resolvent.md eq. (1).
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Complex

from theorylab.solvers.resolvent.modes import Modes, resolvent_parts

SHRINK = 0.6
"""Ratio of the heights above the nodes at two stages of the descent."""
HEIGHT = 20.0
"""First height above the nodes, in units of lambda_max + tr Sigma (1/P + 1/N), which bounds every edge / 4."""
CLEARANCE = 0.2
"""The last height, in units of the smallest distance between a node and the cut."""
NEWTON_STEPS = 3
"""Newton steps a stage, after a tangent predictor over at most SHRINK^-1 - 1 of the distance to the cut."""
FINAL_STEPS = 4
"""Newton steps on the nodes themselves."""
RESIDUAL = 1e-12
"""Largest relative residual of z = kappa R_u R_r that is accepted."""


def _balance(modes: Modes, kappa: Any, inverse_samples: Any, inverse_width: Any) -> tuple[Any, Any]:
    """z(kappa) and dz/dkappa, in the arrays (numpy, JAX) of its arguments."""
    real, imag = resolvent_parts(modes.values, kappa)
    weight = modes.multiplicity * modes.values
    freedom = real @ weight + 1j * (imag @ weight)
    squares = (real * real - imag * imag) @ weight + 2j * ((real * imag) @ weight)
    data = 1 - freedom * inverse_samples
    features = 1 - freedom * inverse_width
    slope = data * features + kappa * squares * (features * inverse_samples + data * inverse_width)
    return kappa * data * features, slope


def descent_stages(modes: Modes, nearest: float, samples: float, width: float) -> int:
    """Stages that `renormalised_nodes` needs, rounded up to a multiple of 8. Host only.

    Arguments:
      nearest: lower bound on the distance of every node from the cut [-edge, 0].
    """
    if math.isinf(samples) and math.isinf(width):
        return 0
    values, multiplicity = np.asarray(modes.values), np.asarray(modes.multiplicity)
    height = HEIGHT * float(np.max(values) + np.sum(multiplicity * values) * (1 / samples + 1 / width))
    needed = max(1, math.ceil(math.log(height / (CLEARANCE * nearest)) / -math.log(SHRINK)))
    return 8 * math.ceil(needed / 8)


def renormalised_nodes(
    modes: Modes, z: Complex[Array, "nodes"], samples: ArrayLike, width: ArrayLike, stages: int
) -> tuple[Complex[Array, "nodes"], Bool[Array, ""]]:
    """kappa(z) on the branch analytic off the cut [-edge, 0], for nodes of the closed upper half plane.

    Vertical homotopy: all nodes are lowered together from a height where kappa = z + tr Sigma (1/P + 1/N) to
    their places, the height shrinking geometrically. A step is then a fixed fraction of the distance to the
    cut, inside which kappa is analytic, so Newton's method cannot leave the branch. First derivatives are
    exact (one Newton step of the implicit function theorem); the path itself is not differentiated.

    Arguments:
      z: nodes with Im z >= 0, shape (nodes,).
      samples, width: P and N, `inf` allowed.
      stages: from `descent_stages`; more only end nearer to the nodes.

    Returns: kappa, shape (nodes,), and whether every residual is below 1e-12 |z| and on the right branch.
    """
    if _infinite(samples) and _infinite(width):
        return z, jnp.asarray(True)
    inverse_samples, inverse_width = 1.0 / jnp.asarray(samples, float), 1.0 / jnp.asarray(width, float)
    fixed, target = jax.lax.stop_gradient((modes, z))
    rates = jax.lax.stop_gradient((inverse_samples, inverse_width))
    shift = fixed.trace() * (rates[0] + rates[1])
    highest = 1j * HEIGHT * (jnp.max(fixed.values) + shift)

    def newton(kappa: Array, goal: Array) -> Array:
        value, slope = _balance(fixed, kappa, *rates)
        return kappa - (value - goal) / slope

    def stage(kappa: Array, heights: Array) -> tuple[Array, None]:
        _, slope = _balance(fixed, kappa, *rates)
        kappa = kappa + (heights[1] - heights[0]) / slope
        goal = target + heights[1]
        return jax.lax.fori_loop(0, NEWTON_STEPS, lambda _, k: newton(k, goal), kappa), None

    heights = jnp.append(highest * SHRINK ** jnp.arange(stages + 1, dtype=float), 0.0)
    start = target + highest
    kappa = jax.lax.fori_loop(0, FINAL_STEPS, lambda _, k: newton(k, start), start + shift)
    kappa, _ = jax.lax.scan(stage, kappa, jnp.stack([heights[:-1], heights[1:]], -1))
    kappa = jax.lax.stop_gradient(jax.lax.fori_loop(0, FINAL_STEPS, lambda _, k: newton(k, target), kappa))

    value, slope = _balance(modes, kappa, inverse_samples, inverse_width)
    residual = jnp.abs(jax.lax.stop_gradient(value) - target)
    found = jnp.all(residual < RESIDUAL * (jnp.abs(target) + jnp.abs(kappa)))
    right = jnp.all(kappa.imag >= -RESIDUAL * jnp.abs(kappa))
    return kappa - (value - z) / jax.lax.stop_gradient(slope), found & right


def renormalised_nodes_host(
    modes: Modes, z: Complex[np.ndarray, "nodes"], samples: float, width: float, nearest: float
) -> Complex[np.ndarray, "nodes"]:
    """`renormalised_nodes` in numpy, for what is asked before anything is compiled; NaN where no root was found."""
    if math.isinf(samples) and math.isinf(width):
        return z
    rates = (1 / samples, 1 / width)
    shift = modes.trace() * sum(rates)
    highest = HEIGHT * float(np.max(modes.values) + shift)
    stages = descent_stages(modes, nearest, samples, width)
    heights = [*(highest * SHRINK**m for m in range(stages + 1)), 0.0]
    kappa = z + 1j * highest + shift
    for above, height in zip([heights[0], *heights[:-1]], heights, strict=True):
        goal = z + 1j * height
        if above != height:
            kappa = kappa + 1j * (height - above) / _balance(modes, kappa, *rates)[1]
        for _ in range(FINAL_STEPS if height == 0 else NEWTON_STEPS):
            value, slope = _balance(modes, kappa, *rates)
            kappa = kappa - (value - goal) / slope
    residual = np.abs(_balance(modes, kappa, *rates)[0] - z)
    good = (residual < RESIDUAL * (np.abs(z) + np.abs(kappa))) & (kappa.imag >= -RESIDUAL * np.abs(kappa))
    return np.where(good, kappa, np.nan)


def _infinite(size: Any) -> bool:
    return isinstance(size, (int, float)) and math.isinf(size)


def upper_edge(
    values: Any,
    multiplicity: Any,
    samples: ArrayLike,
    width: ArrayLike,
    xp: ModuleType = jnp,
) -> Any:
    """Upper edge of the spectrum of F F^T S in the limit: the smallest x prod_i (1 + sum m lambda/(x - lambda)/n_i).

    docs/sgd_resolvent.md eq. (3). Grids refined four times in u, x = lambda_max (1 + e^u); the minimum is
    flat, so the last spacing of 1e-7 leaves 1e-14.
    Eigenvalues and multiplicities have shape (modes,); `xp` is `numpy` on the host, `jax.numpy` under a trace.
    """
    values, multiplicity = xp.asarray(values), xp.asarray(multiplicity)
    largest = xp.max(values)
    weight = multiplicity * values
    inverse = [1.0 / xp.asarray(n, dtype=values.dtype) for n in (samples, width)]

    def product(u: Any) -> Any:
        excess = largest * xp.exp(u)
        pull = xp.sum(weight / (excess[:, None] + (largest - values)), -1)
        return (largest + excess) * (1 + pull * inverse[0]) * (1 + pull * inverse[1])

    grid = xp.linspace(-40.0, 12.0, 521, dtype=values.dtype)
    step = grid[1] - grid[0]
    edge = xp.min(product(grid))
    for _ in range(4):
        trial = product(grid)
        edge = xp.minimum(edge, xp.min(trial))
        centre = grid[xp.argmin(trial)]
        grid = centre + step * xp.linspace(-1.0, 1.0, 81, dtype=values.dtype)
        step = step / 40
    return xp.minimum(edge, xp.min(product(grid)))
