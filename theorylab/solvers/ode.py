"""Ordinary differential equations: the one place that knows diffrax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree

from theorylab.core import Status

State = PyTree[Float[Array, "..."]]
Rhs = Callable[[Float[Array, ""], State, Any], State]


class Solution(NamedTuple):
    """What a solve returns.

    Arguments:
      values: the state (or `fn` of it) at the asked times, time the leading axis of every leaf.
      status: a code of `Status`: successful, MAX_STEPS, STEP_FAILED or NOT_FINITE.
      steps: accepted and rejected steps.
    """

    values: PyTree[Array]
    status: Int[Array, ""]
    steps: Int[Array, ""]


def solve(
    rhs: Rhs,
    y0: State,
    times: Float[ArrayLike, "time"],
    args: Any = None,
    *,
    rtol: ArrayLike = 1e-9,
    atol: ArrayLike = 1e-11,
    max_steps: int = 200_000,
    stiff: bool = False,
    fn: Callable[[State], PyTree[Array]] | None = None,
) -> Solution:
    """Solve dy/dt = rhs(t, y, args), y(times[0]) = y0, with steps chosen by a PI controller.

    Works under jit, vmap and forward-mode derivatives (jvp, jacfwd); never raises on a failed solve, but says so
    in `status`. Values after a failure are not finite.

    Arguments:
      rhs: the right-hand side; traced once.
      y0: initial state, a pytree of floating arrays.
      times: increasing times, the first of which is the initial one; shape (time,).
      args: a pytree handed to `rhs`.
      rtol, atol: tolerance of a step, relative and absolute.
      max_steps: steps after which the solve is given up.
      stiff: Kvaerno's implicit fifth-order method in place of Tsitouras' explicit one. It factors the Jacobian of
        the whole state: for small states only, and where explicit steps are held back by stability.
      fn: what to record of a state; the state itself where None.
    """
    times = jnp.asarray(times)
    solver = diffrax.Kvaerno5() if stiff else diffrax.Tsit5()
    record = (lambda t, y, args: y) if fn is None else (lambda t, y, args: fn(y))
    controller = diffrax.PIDController(
        rtol=rtol,  # pyright: ignore[reportArgumentType]
        atol=atol,  # pyright: ignore[reportArgumentType]
        pcoeff=0.3,
        icoeff=0.4,
    )
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(rhs),  # pyright: ignore[reportArgumentType]
        solver,
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=y0,
        args=args,
        saveat=diffrax.SaveAt(ts=times, fn=record),
        stepsize_controller=controller,
        adjoint=diffrax.ForwardMode(),
        max_steps=max_steps,
        throw=False,
    )
    values = solution.ys
    code = jnp.where(
        solution.result == diffrax.RESULTS.successful,
        jnp.where(all_finite(values), jnp.int32(Status.SUCCESSFUL), jnp.int32(Status.NOT_FINITE)),
        jnp.where(
            solution.result == diffrax.RESULTS.max_steps_reached,
            jnp.int32(Status.MAX_STEPS),
            jnp.int32(Status.STEP_FAILED),
        ),
    )
    return Solution(values, code, jnp.asarray(solution.stats["num_steps"]))


def all_finite(tree: PyTree[Array]) -> Bool[Array, ""]:
    """Whether every entry of every leaf is finite; traceable."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))
