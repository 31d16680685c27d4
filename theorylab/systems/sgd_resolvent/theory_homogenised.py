"""SGD in continuous time (homogenised): the small-rate limit of the discrete Volterra equations."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from theorylab.solvers import volterra
from theorylab.solvers.resolvent import descent_stages, ellipse, ellipse_nodes, integrate_pairs, upper_edge
from theorylab.systems.sgd_resolvent.theory import REACH, ContourNumerics, Curves, Setting


def homogenised_numerics(physics: Setting, horizon: float) -> ContourNumerics:
    """Nodes and stages for `homogenised_curves` up to time `horizon`. Host only."""
    modes = physics.modes
    edge = upper_edge(
        np.asarray(modes.values), np.asarray(modes.multiplicity), float(physics.samples), float(physics.width), xp=np
    )
    growth = REACH / horizon
    stages = descent_stages(modes, growth, float(physics.samples), float(physics.width))
    return ContourNumerics(nodes=ellipse_nodes(float(edge), growth), stages=stages)


def homogenised_curves(
    physics: Setting, factor: ArrayLike, horizon: ArrayLike, points: int, numerics: ContourNumerics
) -> tuple[Float[Array, "points"], Curves]:
    """Homogenised SGD on `points` uniform times from 0 to `horizon`; docs/sgd_resolvent.md eq. (19).

    Differs from the discrete equations by a relative O(rate x upper edge). Trapezoid rule: error O(spacing^2),
    so the spacing should resolve 1 / (upper edge).

    Arguments:
      factor: noise per unit time, c_B / rate = (rate / batch) (P - batch) / (P - 1).

    Returns: times = rate x steps, shape (points,), and the curves on them.
    """
    factor = jnp.asarray(factor)
    times = jnp.linspace(0.0, horizon, points)
    z, weight = ellipse(physics.edge(), REACH / jnp.asarray(horizon), numerics.nodes)
    kappa, found = physics.kappa(z, numerics.stages)
    both = physics.transforms(z, kappa)
    propagator = jnp.exp(times[:, None] * z) * weight
    test = integrate_pairs(propagator, *both.test)
    test_kernel = factor * integrate_pairs(propagator, *both.test_kernel)
    spacing = times[1]
    if physics.fresh:
        loss = volterra.solve_continuous(test + physics.noise**2, test_kernel, spacing) - physics.noise**2
        return times, Curves(loss, jnp.full_like(loss, jnp.nan), found)
    train_kernel = factor * integrate_pairs(propagator, *both.train_kernel)
    train = volterra.solve_continuous(integrate_pairs(propagator, *both.train), train_kernel, spacing)
    loss = volterra.accumulate_continuous(test, test_kernel, train, spacing)
    return times, Curves(loss, train, found)
