"""The flow of a two-layer linear network with a running correlation, and where it ends; docs/error_broadcast.md
eqs. (11)-(17)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import require
from theorylab.solvers import ode


class Problem(NamedTuple):
    """y = target x + noise, x of covariance diag(variances).

    Arguments:
      target: A, shape (p, n).
      variances: shape (n,).
      noise: standard deviation of each output's noise.
    """

    target: Float[Array, "p n"]
    variances: Float[Array, "n"]
    noise: ArrayLike

    @property
    def wiener(self) -> Any:
        """sigma^2 p: the least mean square error at full rank."""
        return jnp.asarray(self.noise) ** 2 * self.target.shape[0]


class Weights(NamedTuple):
    """W1 (H, n), W2 (p, H), R (H, p)."""

    first: Float[Array, "H n"]
    second: Float[Array, "p H"]
    feedback: Float[Array, "H p"]


Rule = Literal["ebd", "dfa", "bp"]


def correlation(problem: Problem, weights: Weights) -> Float[Array, "p n"]:
    """E = E[e x^T] = (W2 W1 - A) Sigma, eq. (11)."""
    return (weights.second @ weights.first - problem.target) * problem.variances


def mean_square(problem: Problem, weights: Weights) -> Float[Array, ""]:
    """Mean square error over all outputs, noise included; eq. (13)."""
    off = weights.second @ weights.first - problem.target
    return jnp.sum(off * off * problem.variances) + problem.wiener


def layer_correlation(problem: Problem, weights: Weights) -> Float[Array, "H p"]:
    """E[h e^T] = W1 E^T: what R would be without memory."""
    return weights.first @ correlation(problem, weights).T


def slopes(
    problem: Problem, weights: Weights, rule: Rule, memory: ArrayLike, hidden_rate: ArrayLike, readout_rate: ArrayLike
) -> Weights:
    """Right-hand side of eq. (12)."""
    error = correlation(problem, weights)
    backward = weights.second.T if rule == "bp" else weights.feedback
    renewal = 1 / jnp.asarray(memory) if rule == "ebd" else 0.0
    return Weights(
        -jnp.asarray(hidden_rate) * backward @ error,
        -jnp.asarray(readout_rate) * error @ weights.first.T,
        renewal * (weights.first @ error.T - weights.feedback),
    )


def flow(
    problem: Problem,
    start: Weights,
    times: Float[ArrayLike, "time"],
    *,
    rule: Rule = "ebd",
    memory: ArrayLike = jnp.inf,
    hidden_rate: ArrayLike = 1.0,
    readout_rate: ArrayLike = 1.0,
    rtol: ArrayLike = 1e-8,
    atol: ArrayLike = 1e-10,
    max_steps: int = 200_000,
) -> ode.Solution:
    """Weights at `times` (the first is the start's), eq. (12).

    Arguments:
      memory: tau = step size / (1 - lambda), in units of `times`; inf is direct feedback alignment.

    Raises: `Refused` for a memory that is not positive.
    """
    require(memory > 0, f"memory must be positive (inf: direct feedback alignment), got {memory}")  # pyright: ignore[reportOperatorIssue]

    def rhs(t: Any, weights: Weights, args: Any) -> Weights:
        problem, memory, hidden_rate, readout_rate = args
        return slopes(problem, weights, rule, memory, hidden_rate, readout_rate)

    args = (problem, jnp.asarray(memory), hidden_rate, readout_rate)
    return ode.solve(rhs, start, times, args, rtol=rtol, atol=atol, max_steps=max_steps)


# -- where it ends ----------------------------------------------------------------------------------------------


def least_squares(problem: Problem, first: Float[Array, "H n"]) -> Float[Array, ""]:
    """LS(W1): mean square error of the best readout of W1 x; eq. (15). At H >= n the least there is."""
    if first.shape[0] >= first.shape[1]:
        return jnp.asarray(problem.wiener)
    root = jnp.sqrt(problem.variances)
    basis, _ = jnp.linalg.qr((first * root).T)
    signal = problem.target * root
    return problem.wiener + jnp.sum(signal**2) - jnp.sum((signal @ basis) ** 2)


def rank_optimum(problem: Problem, width: int) -> Float[Array, ""]:
    """Least mean square error of any rank-`width` map: where backpropagation ends; eq. (16)."""
    values = jnp.linalg.svd(problem.target * jnp.sqrt(problem.variances), compute_uv=False)
    return problem.wiener + jnp.sum(values[width:] ** 2)


def aligned_end(problem: Problem, feedback: Float[Array, "H p"]) -> Float[Array, ""]:
    """LS(R0 A): where direct feedback alignment ends, for H <= p; eq. (17). Raises: `Refused` for H > p."""
    width, outputs = feedback.shape
    require(width <= outputs, f"the end LS(R0 A) holds for width <= outputs, got {width} > {outputs}")
    return least_squares(problem, feedback @ problem.target)


class End(NamedTuple):
    """Arguments:
    mean_square: the error at the horizon.
    readout: norm of E W1^T, zero at a stationary point.
    hidden: norm of R E, zero at a stationary point.
    status: of the solve.
    """

    mean_square: Float[Array, ""]
    readout: Float[Array, ""]
    hidden: Float[Array, ""]
    status: Array


def end(problem: Problem, start: Weights, horizon: ArrayLike, **options: Any) -> End:
    """The flow at a late time, and how stationary it is. Options are those of `flow`. Raises: `Refused`."""
    solution = flow(problem, start, jnp.stack([0.0 * jnp.asarray(horizon), jnp.asarray(horizon)]), **options)
    last = Weights(*(leaf[-1] for leaf in solution.values))
    error = correlation(problem, last)
    return End(
        mean_square(problem, last),
        jnp.linalg.norm(error @ last.first.T),
        jnp.linalg.norm(last.feedback @ error),
        solution.status,
    )
