"""Roots: all roots of a scalar equation, a concave maximum, a system of equations from a known neighbour.

Every answer is polished by one Newton step that is differentiated, while the search before it is not: derivatives in
whatever `function` closes over are those of the implicit function theorem, at the cost of one linear solve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optimistix
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import Status, status_where

BISECTIONS = 50
"""Halvings of a bracket before the Newton step that polishes the root."""


class Roots(NamedTuple):
    """Roots in ascending order.

    Arguments:
      values: NaN beyond the last one, (capacity,).
      found: roots found; more than the capacity is a failure (`status`).
      status: NO_ROOT where there is none, or more than `capacity`.
    """

    values: Float[Array, "capacity"]
    found: Int[Array, ""]
    status: Int[Array, ""]


def all_roots(
    function: Callable[[Float[Array, "..."]], Float[Array, "..."]],
    grid: Float[ArrayLike, "points"],
    capacity: int = 7,
) -> Roots:
    """Every root of a scalar function that a sign change on `grid` brackets; traceable, forward differentiable.

    Arguments:
      function: elementwise on arrays.
      grid: increasing points, dense enough to separate the roots, (points,).
      capacity: most roots that are returned.
    """
    grid = jnp.asarray(grid, float)
    values = lax.stop_gradient(function(grid))
    changes = (values[:-1] * values[1:] < 0) | (values[:-1] == 0)
    count = jnp.sum(changes)
    at = jnp.nonzero(changes, size=capacity, fill_value=0)[0]
    low, high = grid[at], grid[at + 1]
    left = values[at]

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        # a root on the grid itself has left = 0, and is then approached from above
        beyond = left * lax.stop_gradient(function(middle)) <= 0
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    low, high = lax.fori_loop(0, BISECTIONS, halve, (low, high))
    found = newton_step(function, 0.5 * (low + high))
    roots = jnp.where(jnp.arange(capacity) < count, found, jnp.nan)
    return Roots(roots, count, status_where((count == 0) | (count > capacity), Status.NO_ROOT))


def newton_step(function: Callable[[Array], Array], x: ArrayLike) -> Array:
    """x - f(x) / f'(x) of a scalar root that is known already: what carries the derivative."""
    x = lax.stop_gradient(jnp.asarray(x))
    slope = lax.stop_gradient(jax.grad(lambda at: jnp.sum(function(at)))(x))
    value = function(x)
    # at a double root, or a root met exactly, the step is 0 / 0
    return jnp.where(lax.stop_gradient(slope) == 0, x, x - value / jnp.where(slope == 0, 1.0, slope))


class Maximum(NamedTuple):
    """A maximum.

    Arguments:
      at: where, (n,).
      steps: Newton steps taken.
      residual: largest entry of the gradient there.
      status: NO_ROOT where it is not small.
    """

    at: Float[Array, "n"]
    steps: Int[Array, ""]
    residual: Float[Array, ""]
    status: Int[Array, ""]


Concave = Callable[[Float[Array, "n"]], tuple[Float[Array, ""], Float[Array, "n"], Float[Array, "n n"]]]


def maximise(
    function: Concave, start: Float[Array, "n"], *, tolerance: float = 1e-11, steps: int = 60, full: float = 1e-6
) -> Maximum:
    """Maximum of a concave function by Newton's method with Armijo backtracking.

    Arguments:
      function: value (-inf outside its domain), gradient and negative Hessian.
      start: inside the domain.
      tolerance: largest entry of the gradient at which it stops.
      steps: Newton steps after which it gives up.
      full: gradient below which steps are taken in full: there round-off of the value would stop backtracking.
    """

    def frozen(v: Array) -> tuple[Array, Array, Array]:
        return lax.stop_gradient(function(v))

    def unfinished(state: tuple[Array, ...]) -> Array:
        _, _, gradient, _, count = state
        return (jnp.max(jnp.abs(gradient)) > tolerance) & (count < steps)

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        v, value, gradient, curvature, count = state
        direction = jnp.linalg.solve(curvature, gradient)
        rise = gradient @ direction
        near = jnp.max(jnp.abs(gradient)) < full

        def too_far(length: Array) -> Array:
            there = frozen(v + length * direction)[0]
            return ~near & ~(there >= value + 1e-4 * length * rise) & (length > 1e-8)

        length = lax.while_loop(too_far, lambda t: 0.5 * t, jnp.ones_like(value))
        v = v + length * direction
        return (v, *frozen(v), count + 1)

    begin = lax.stop_gradient(start)
    v, _, _, curvature, count = lax.while_loop(unfinished, step, (begin, *frozen(begin), jnp.zeros((), int)))
    _, gradient, _ = function(lax.stop_gradient(v))
    residual = jnp.max(jnp.abs(lax.stop_gradient(gradient)))
    v = lax.stop_gradient(v) + jnp.linalg.solve(curvature, gradient)
    failed = ~(residual < 100 * tolerance)
    return Maximum(v, count, residual, status_where(failed, Status.NO_ROOT))


def solve(
    function: Callable[[Float[Array, "n"]], Float[Array, "n"]],
    start: Float[Array, "n"],
    *,
    tolerance: float = 1e-12,
    steps: int = 64,
) -> Maximum:
    """Root of a system of equations near `start`, by Powell's dog leg with a forward Jacobian.

    Raises nothing: `status` is NO_ROOT where the residual stays above 1e4 tolerances.
    """
    solver = optimistix.Dogleg(rtol=tolerance, atol=tolerance)
    found = optimistix.root_find(
        lambda x, args: lax.stop_gradient(function(x)) if args else function(x),
        solver,
        lax.stop_gradient(start),
        args=None,
        options={"jac": "fwd"},
        max_steps=steps,
        throw=False,
        adjoint=optimistix.ImplicitAdjoint(),
    )
    at = lax.stop_gradient(found.value)
    value = function(at)
    jacobian = lax.stop_gradient(jax.jacfwd(function)(at))
    residual = jnp.max(jnp.abs(lax.stop_gradient(value)))
    at = at - jnp.linalg.solve(jacobian, value)
    failed = ~(residual < 1e4 * tolerance)
    return Maximum(at, found.stats["num_steps"], residual, status_where(failed, Status.NO_ROOT))
