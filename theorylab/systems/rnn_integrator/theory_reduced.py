"""The exact reduction: the trained network lives in the span of its read-in and read-out vectors.

Equation numbers are those of docs/rnn_integrator.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import Status, require, status_where
from theorylab.solvers import ode


class Reduced(NamedTuple):
    """The network in its own subspace: W = Q M Q^T, u = Q p, v = Q q; d is 1, 2, or the Fock dimension."""

    recurrent: Float[Array, "d d"]
    readin: Float[Array, "d"]
    readout: Float[Array, "d"]


class Task(NamedTuple):
    """What is learned and what learns.

    Arguments:
      target: impulse response to be learned, one value a lag.
      weights: loss weight of each lag (quadrature weights included, in continuous time).
      mask: 1 or 0 for recurrent, read-in, read-out weights: trained or frozen.
    """

    target: Float[Array, "lag"]
    weights: Float[Array, "lag"]
    mask: tuple[float, float, float] = (1.0, 1.0, 1.0)


def apply(m: Float[Array, "d d"], x: Float[Array, "d"]) -> Float[Array, "d"]:
    """M x; written out where M is tiny, so that it fuses, also under vmap (a BLAS call costs more than it computes)."""
    return (m * x[None]).sum(-1) if m.shape[0] <= 4 else m @ x


def power_sequence(m: Float[Array, "d d"], x: Float[Array, "d"], lags: int) -> Float[Array, "lag d"]:
    """M^tau x for tau = 0 .. lags - 1, by a scan over lags."""

    def step(h: Float[Array, "d"], _: None) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        return apply(m, h), h

    return jax.lax.scan(step, x, None, length=lags)[1]


def adjoint_sequence(
    m: Float[Array, "d d"], errors: Float[Array, "lag"], v: Float[Array, "d"]
) -> Float[Array, "lag d"]:
    """sum_j (M^T)^j v r_{tau+j} for every lag tau: the errors carried backwards, eq. (7)."""

    def step(b: Float[Array, "d"], error: Float[Array, ""]) -> tuple[Float[Array, "d"], Float[Array, "d"]]:
        b = apply(m.T, b) + error * v
        return b, b

    return jax.lax.scan(step, jnp.zeros_like(v), errors, reverse=True)[1]


def response(state: Reduced, lags: int) -> Float[Array, "lag"]:
    """Impulse response k_tau = q . M^tau p, eq. (2)."""
    return power_sequence(state.recurrent, state.readin, lags) @ state.readout


def loss(state: Reduced, task: Task) -> Float[Array, ""]:
    """Population loss 1/2 sum_tau w_tau (k_tau - k*_tau)^2 for white noise of unit variance, eq. (4)."""
    error = response(state, task.target.shape[0]) - task.target
    return 0.5 * jnp.sum(task.weights * error**2)


def gradient(
    state: Reduced, task: Task, measure: Callable[[Float[Array, "lag"]], Float[Array, "lag"]] | None = None
) -> Reduced:
    """Exact gradient of the population loss in O(T) per entry, eq. (7), trained parts only.

    Arguments:
      measure: maps k - k* to the weighted error r; `task.weights` times it where None. Stochastic gradient descent
        puts the sample covariance of its inputs here, eq. (26).
    Raises: `Refused` where the target and the weights differ in length.
    """
    lags = task.target.shape[0]
    require(
        task.weights.shape == task.target.shape,
        f"the loss weights must have the target's length, got {task.weights.shape} and {task.target.shape}",
    )
    forward = power_sequence(state.recurrent, state.readin, lags)
    error = forward @ state.readout - task.target
    weighted = task.weights * error if measure is None else measure(error)
    backward = adjoint_sequence(state.recurrent, weighted, state.readout)
    recurrent = backward[1:].T @ forward[:-1]
    w, u, v = task.mask
    return Reduced(w * recurrent, u * backward[0], v * (weighted @ forward))


Force = Callable[[Reduced, Any], Reduced]
"""Gradient of the loss at a state, given its arguments."""
Record = Callable[[Reduced], dict[str, Array]]


def flow(
    force: Force,
    start: Reduced,
    args: Any,
    times: Float[ArrayLike, "record"],
    record: Record,
    *,
    rtol: ArrayLike,
    atol: ArrayLike,
    max_steps: int,
    stiff: bool = False,
) -> tuple[dict[str, Array], Int[Array, ""]]:
    """Gradient flow d theta / ds = -force(theta), eq. (6): what `record` says at the given times, and a status."""
    solution = ode.solve(
        lambda s, y, a: jax.tree.map(jnp.negative, force(y, a)),
        start,
        times,
        args,
        rtol=rtol,
        atol=atol,
        max_steps=max_steps,
        stiff=stiff,
        fn=record,
    )
    return solution.values, solution.status


def descent(
    force: Force,
    start: Reduced,
    args: Any,
    rate: Float[ArrayLike, ""],
    recorded: Int[ArrayLike, "record"],
    record: Record,
) -> tuple[dict[str, Array], Int[Array, ""]]:
    """Gradient descent theta <- theta - rate force(theta), eq. (6): what `record` says after the given increasing
    numbers of steps, the first of which is 0, and a status."""

    def step(_: Any, state: Reduced) -> Reduced:
        return jax.tree.map(lambda x, g: x - rate * g, state, force(state, args))

    def stretch(state: Reduced, stride: Int[Array, ""]) -> tuple[Reduced, dict[str, Array]]:
        state = jax.lax.fori_loop(0, stride, step, state)
        return state, record(state)

    _, curves = jax.lax.scan(stretch, start, jnp.diff(jnp.asarray(recorded), prepend=0))
    return curves, status_where(~ode.all_finite(curves), Status.NOT_FINITE)


def sampled_descent(
    start: Reduced, task: Task, rate: Float[ArrayLike, ""], covariances: Float[Array, "step lag lag"]
) -> tuple[Reduced, Float[Array, "step"]]:
    """Stochastic gradient descent on given noise, through the sample covariance of its lagged inputs, eq. (26):
    exact path by path.

    Returns: the final state, and the population loss before each step.
    """

    def step(state: Reduced, covariance: Float[Array, "lag lag"]) -> tuple[Reduced, Float[Array, ""]]:
        slope = gradient(state, task, lambda error: covariance @ error)
        return jax.tree.map(lambda x, g: x - rate * g, state, slope), loss(state, task)

    return jax.lax.scan(step, start, covariances)


def lagged_covariance(x: Float[Array, "batch lag"], average: bool) -> Float[Array, "lag lag"]:
    """Sample covariance C of the lagged inputs, eq. (26); its mean is diag(w).

    Arguments:
      x: a batch of input sequences, in order of time.
      average: the loss is averaged over the sequence, rather than taken at its end.
    """
    batch, lags = x.shape
    if not average:
        ends = x[:, ::-1]
        return ends.T @ ends / batch
    at, lag = jnp.arange(lags)[:, None], jnp.arange(lags)[None]
    windows = jnp.where(lag <= at, x[:, at - lag], 0.0)
    return jnp.einsum("bti,btj->ij", windows, windows) / (batch * lags)


def invariants(block: Float[Array, "d d"]) -> dict[str, Float[Array, ""]]:
    """What the spectrum is told by, without sorting: the overlap n . W n (d = 1), or trace and discriminant (d = 2),
    eqs. (9) and (30)."""
    if block.shape[0] == 1:
        return {"overlap": block[0, 0]}
    trace = block[0, 0] + block[1, 1]
    # (m11 - m22)^2 + 4 m12 m21 = trace^2 - 4 det, without the cancellation
    return {"trace": trace, "discriminant": (block[0, 0] - block[1, 1]) ** 2 + 4.0 * block[0, 1] * block[1, 0]}
