"""Power-law tasks learned richly from small initial weights: the rank-one reduction (docs section 6)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.core import Prediction, require
from theorylab.data import gaussian
from theorylab.data.spectra import Spectrum
from theorylab.solvers import ode

MODES = 1e10
"""Modes of the power law: many enough that none of the fitted times reaches the last one."""
GROUPS = 120
"""Logarithmic groups they are gathered in; twice as many change the loss by 1e-3 and no exponent."""


def power_law(exponent: ArrayLike, task_exponent: ArrayLike, modes: float = MODES, groups: int = GROUPS) -> Spectrum:
    """Not normalized: lambda_k = k^-a, lambda_k w*_k^2 = k^-(a b + 1), in logarithmic groups."""
    return gaussian.power_law(*gaussian.log_groups(int(modes), groups), exponent, task_exponent, normalized=False)


def curve(
    times: Float[ArrayLike, "time"],
    depth: int,
    spectrum: Spectrum,
    *,
    start: ArrayLike = 1.0,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    max_steps: int = 20_000,
) -> Prediction:
    """Test loss sum m lambda (w* - beta)^2 of beta = c^L a, docs eq. (30), by an implicit solver.

    Arguments:
      times: increasing, positive; in units of gradient-flow time times richness^(2L/(L+1)).
      depth: hidden layers L >= 1.
      spectrum: of `power_law`, or any other.
      start: initial c.

    Returns: curve "loss", (time,).

    Raises: `Refused` for depth below 1.
    """
    require(depth >= 1, f"the rank-one reduction needs a hidden layer, got depth {depth}")
    lam = jnp.asarray(spectrum.values)
    power = jnp.sqrt(spectrum.multiplicity * spectrum.power)
    target = power / jnp.sqrt(lam)

    def rhs(t: Any, state: tuple[Array, Array], args: Any) -> tuple[Array, Array]:
        modes, scale = state
        force = lam * (target - scale**depth * modes)
        return scale**depth * force, scale ** (depth - 1) * jnp.vdot(modes, force)

    def loss(state: tuple[Array, Array]) -> Array:
        modes, scale = state
        return jnp.sum((power - jnp.sqrt(lam) * scale**depth * modes) ** 2)

    y0 = (jnp.zeros_like(lam), jnp.asarray(start, lam.dtype))
    grid = jnp.concatenate([jnp.zeros(1), jnp.asarray(times, float)])
    solution = ode.solve(rhs, y0, grid, rtol=rtol, atol=atol, max_steps=max_steps, stiff=True, fn=loss)
    return Prediction({"loss": solution.values[1:]}, status=solution.status)


def lazy_curve(times: Float[ArrayLike, "time"], depth: int, spectrum: Spectrum) -> Float[Array, "time"]:
    """Test loss of the lazy network's gradient flow, sum m lambda w*^2 exp(-2 (L + 1) lambda t)."""
    decay = jnp.exp(-2 * (depth + 1) * jnp.outer(jnp.asarray(times, float), jnp.asarray(spectrum.values)))
    return decay @ (spectrum.multiplicity * spectrum.power)


def lazy_slope(task_exponent: ArrayLike) -> Float[Array, ""]:
    """Exponent of a lazy network: loss ~ time^-b."""
    return jnp.asarray(task_exponent, float)


def rich_slope(task_exponent: ArrayLike, depth: int = 1) -> Float[Array, ""]:
    """Exponent of a rich network, docs eq. (31): b (L + 1) / (1 + L b) for hard tasks b < 1, b for easy ones.
    At L = 1 this is the 2 b / (1 + b) that `paper_slope` has at every depth."""
    b = jnp.asarray(task_exponent, float)
    return jnp.where(b < 1, b * (depth + 1) / (1 + depth * b), b)


def paper_slope(task_exponent: ArrayLike) -> Float[Array, ""]:
    """2 b / (1 + b) for hard tasks, at any depth; the rank-one reduction bears it out for L = 1 only."""
    return rich_slope(task_exponent, 1)


def fitted_slope(times: Float[ArrayLike, "time"], loss: Float[ArrayLike, "time"]) -> Float[Array, ""]:
    """Minus the slope of log loss against log time, least squares."""
    x, y = jnp.log(jnp.asarray(times)), jnp.log(jnp.asarray(loss))
    x = x - x.mean()
    return -jnp.vdot(x, y) / jnp.vdot(x, x)
