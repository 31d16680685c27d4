"""Robust nonlinear least squares from many starts at once, and what the data say of the answer.

Levenberg-Marquardt with Huber weights, every start or resample a lane of one compiled program. The generic solver of
optimistix stops each lane by itself and has no robust loss; here the number of steps is an argument, so that one
program serves many starts, the refinement and all resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int, Key

from theorylab.core import require
from theorylab.core.elimination import solved

EASE, TIGHTEN = 1 / 5, 4.0
"""Factors of the damping after a step that is taken, and one that is refused."""
DAMPING = (1e-12, 1e12)
GAUSSIAN = 1.35 * 1.4826
"""Huber's threshold in median absolute residuals: 95 % efficient where the noise is Gaussian."""

Residuals = Callable[[Float[Array, "parameters"], Any], Float[Array, "points"]]


class Minima(NamedTuple):
    """Where each lane ended.

    Arguments:
      at: parameters, (lanes, parameters).
      loss: weighted sum of Huber terms there, (lanes,).
      slope: largest cosine between the residuals and a column of the Jacobian: 0 at a minimum, (lanes,).
    """

    at: Float[Array, "lanes parameters"]
    loss: Float[Array, "lanes"]
    slope: Float[Array, "lanes"]


class Ends(NamedTuple):
    """`Minima` on the host."""

    at: Float[np.ndarray, "lanes parameters"]
    loss: Float[np.ndarray, "lanes"]
    slope: Float[np.ndarray, "lanes"]


def huber(residuals: Float[Array, "*shape"], threshold: Float[ArrayLike, ""]) -> Float[Array, "*shape"]:
    """r^2/2 up to the threshold, threshold (|r| - threshold/2) beyond."""
    size = jnp.abs(residuals)
    inside = jnp.minimum(size, threshold)
    # an infinite threshold is plain least squares; inf * 0 must not arise
    beyond = jnp.where(size > threshold, jnp.where(jnp.isfinite(threshold), threshold, 0.0) * (size - inside), 0.0)
    return 0.5 * inside**2 + beyond


@partial(jax.jit, static_argnums=0)
def levenberg_marquardt(
    residuals: Residuals,
    data: Any,
    starts: Float[Array, "lanes parameters"],
    weights: Float[Array, "lanes points"],
    threshold: Float[ArrayLike, ""],
    steps: Int[ArrayLike, ""],
) -> Minima:
    """Minima of sum_i w_i huber(r_i) near every start, each lane with its own weights.

    Arguments:
      residuals: (parameters, data) -> residuals, (points,); hashable, since a program is compiled for each.
      data: a pytree that the residuals read; shared by all lanes.
      threshold: of Huber's loss; inf for least squares.
      steps: number of steps, traced.

    Lanes whose step would not lower the loss (not finite: never) stay and are damped more.
    """

    def lane(start: Array, weight: Array) -> tuple[Array, Array, Array]:
        def normal(at: Array) -> tuple[Array, ...]:
            """Loss, gradient, curvature and slope; the residuals are traced here only, which halves the compilation."""
            slopes, r = jax.jacfwd(_twice(residuals), has_aux=True)(at, data)
            size = jnp.abs(r)
            robust = weight * jnp.where(size > threshold, threshold / jnp.where(size > threshold, size, 1.0), 1.0)
            weighted = robust[:, None] * slopes
            gradient, curvature = weighted.T @ r, weighted.T @ slopes
            norm = jnp.sqrt(jnp.diag(curvature) * jnp.sum(robust * r**2))
            slope = jnp.max(jnp.where(norm > 0, jnp.abs(gradient) / jnp.where(norm > 0, norm, 1.0), 0.0))
            return jnp.sum(weight * huber(r, threshold)), gradient, curvature, slope

        def step(_: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
            at, loss, gradient, curvature, slope, damping, trial = state
            there = normal(trial)
            better = there[0] < loss  # False for NaN
            here = (trial, *there)
            kept = [jnp.where(better, new, old) for new, old in zip(here, state[:5], strict=True)]
            at, loss, gradient, curvature, slope = kept
            damping = jnp.clip(damping * jnp.where(better, EASE, TIGHTEN), *DAMPING)
            scale = jnp.diag(curvature)
            scale = jnp.maximum(scale, 1e-14 * jnp.max(scale) + 1e-300)
            move = solved(curvature + damping * jnp.diag(scale), -gradient)
            return at, loss, gradient, curvature, slope, damping, at + move

        zero, inf = jnp.zeros_like(start), jnp.asarray(jnp.inf, start.dtype)
        first = (start, inf, zero, jnp.diag(zero), jnp.ones_like(inf), jnp.asarray(5e-2, start.dtype), start)
        at, loss, _, _, slope, _, _ = lax.fori_loop(0, steps + 1, step, first)
        return at, loss, slope

    return Minima(*jax.vmap(lane)(starts, weights))


def _twice(residuals: Residuals) -> Callable[..., tuple[Array, Array]]:
    def function(at: Array, data: Any) -> tuple[Array, Array]:
        found = residuals(at, data)
        return found, found

    return function


def in_blocks(
    residuals: Residuals,
    data: Any,
    starts: Float[ArrayLike, "many parameters"],
    weights: Float[ArrayLike, "many points"],
    threshold: float,
    steps: int,
    lanes: int,
) -> Ends:
    """`levenberg_marquardt` in blocks of `lanes`, the last one filled up: one program whatever the number of starts.
    Values on the host, in the enclosing precision."""
    starts, weights = np.asarray(starts), np.asarray(weights)
    weights = np.broadcast_to(weights, (len(starts), weights.shape[-1]))
    found = []
    for begin in range(0, len(starts), lanes):
        rows = np.minimum(np.arange(begin, begin + lanes), len(starts) - 1)
        block = levenberg_marquardt(
            residuals, data, jnp.asarray(starts[rows]), jnp.asarray(weights[rows]), threshold, steps
        )
        found.append(block)
    at, loss, slope = (
        np.concatenate([np.asarray(leaf) for leaf in leaves])[: len(starts)] for leaves in zip(*found, strict=True)
    )
    return Ends(at, loss, slope)


def automatic_threshold(residuals: Float[np.ndarray, "points"]) -> float:
    """1.35 robust standard deviations of a first fit's residuals; a tiny positive number for a perfect fit."""
    return max(GAUSSIAN * float(np.median(np.abs(residuals))), 1e-12)


def resampled(key: Key[Array, ""], cells: Int[np.ndarray, "points"], count: int) -> Float[np.ndarray, "count points"]:
    """Weights of points in `count` resamples of their cells (Bayesian bootstrap): independent exponential numbers,
    scaled to a mean of one over cells, (count, points).

    Whole cells drawn with replacement would do for a mean. In a fit they also leave corners of the design out, which
    makes slopes look less certain than they are: by 8 to 24 % in a law fitted to 5 x 5 cells.

    Arguments:
      cells: index 0..n-1 of each point's cell; points of one cell go together.
    """
    number = int(cells.max()) + 1
    drawn = np.asarray(jax.random.exponential(key, (count, number)), float)
    return (drawn * (number / drawn.sum(axis=1, keepdims=True)))[:, cells]


def t_intervals(
    estimate: Float[np.ndarray, "parameters"],
    resamples: Float[np.ndarray, "count parameters"],
    cells: int,
    parameters: int,
    level: float = 0.95,
) -> tuple[Float[np.ndarray, "parameters"], Float[np.ndarray, "parameters 2"]]:
    """Standard errors, and estimate +- t (cells - parameters) sqrt((cells + 1)/(cells - 1)) sd of the resamples.

    With few cells percentile intervals are too short: they know neither the degrees of freedom nor that weights of n
    cells give a mean only (n - 1)/(n + 1) of its variance.

    Raises: `Refused` for cells <= parameters + 2.
    """
    from scipy.stats import t

    require(
        cells > parameters + 2,
        f"intervals need more than {parameters + 2} cells for {parameters} parameters, there are {cells}",
    )
    stderr = np.sqrt((cells + 1) / (cells - 1)) * np.std(resamples, axis=0, ddof=1)
    reach = t.ppf(0.5 + level / 2, cells - parameters) * stderr
    return stderr, np.stack([estimate - reach, estimate + reach], axis=1)


class Curvature(NamedTuple):
    """What the data determine.

    Arguments:
      correlation: of the estimates, from the inverse of J^T W J, (parameters, parameters).
      weakest: smallest eigenvalue of J^T W J scaled to unit diagonal: 1 for independent parameters, 0 where a
        combination of them changes nothing.
      direction: that combination, a unit vector in scaled parameters, (parameters,).
    """

    correlation: Float[np.ndarray, "parameters parameters"]
    weakest: float
    direction: Float[np.ndarray, "parameters"]


def curvature(
    residuals: Residuals, data: Any, at: Float[ArrayLike, "parameters"], weights: Float[ArrayLike, "points"]
) -> Curvature:
    """Correlations of the estimates and the combination of parameters that is determined worst."""
    slopes = np.asarray(_jacobian(residuals, data, jnp.asarray(at)))
    weighted = np.sqrt(np.asarray(weights))[:, None] * slopes
    norms = np.linalg.norm(weighted, axis=0)
    unit = weighted / np.where(norms > 0, norms, 1.0)
    _, singular, right = np.linalg.svd(unit, full_matrices=False)
    inverse = (right.T / np.maximum(singular, 1e-12) ** 2) @ right
    scale = np.sqrt(np.diag(inverse))
    weakest = 0.0 if np.any(norms == 0) else float(singular[-1] ** 2)
    direction = np.where(norms == 0, 1.0, 0.0) if np.any(norms == 0) else right[-1]
    return Curvature(inverse / np.outer(scale, scale), weakest, direction)


@partial(jax.jit, static_argnums=0)
def _jacobian(residuals: Residuals, data: Any, at: Array) -> Array:
    return jax.jacfwd(residuals)(at, data)


def coefficient_of_determination(
    measured: Float[np.ndarray, "points"], predicted: Float[np.ndarray, "points"], weights: ArrayLike = 1.0
) -> float:
    """R^2 = 1 - sum w (measured - predicted)^2 / sum w (measured - mean)^2; NaN where all measured are equal."""
    weights = np.broadcast_to(np.asarray(weights, float), measured.shape)
    mean = np.sum(weights * measured) / np.sum(weights)
    spread = float(np.sum(weights * (measured - mean) ** 2))
    return 1 - float(np.sum(weights * (measured - predicted) ** 2)) / spread if spread > 0 else float("nan")
