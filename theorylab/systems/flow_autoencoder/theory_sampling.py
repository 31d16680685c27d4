"""The law of what the trained network generates, along the target's directions and in the bulk.

A generated point is X = G + W^T S / sqrt(d): G follows a linear recursion (or equation) and is Gaussian, S depends on
the r hidden projections only. Given those, X projected on the target's directions is Gaussian with a covariance that
is the same for all of them. Docs eqs. (19)-(26).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Int

from theorylab.core import Status
from theorylab.solvers import ode, quadrature
from theorylab.systems.flow_autoencoder import setting
from theorylab.systems.flow_autoencoder.setting import Schedule
from theorylab.systems.flow_autoencoder.theory_drift import Order, activate

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder, FlowNumerics

RADIUS = 8.0
"""Initial hidden projections are followed up to this many standard deviations."""
JITTER = 1e-12
"""Added to variances that may be zero to round-off."""


class Law(NamedTuple):
    """The law of a generated point along the target's directions: a mixture of Gaussians of equal covariance.

    Arguments:
      weights, means: of the mixture, shapes (points,) and (points, directions).
      covariance: (directions, directions).
      bulk: variance Gamma^2 in every direction outside the span of weights and target.
      hidden: W X / sqrt(d) at the points, (points, units).
      across: standard normal numbers beside the points, (points, directions - 1), for what is no closed form.
    """

    weights: Float[Array, "points"]
    means: Float[Array, "points directions"]
    covariance: Float[Array, "directions directions"]
    bulk: Float[Array, ""]
    hidden: Float[Array, "points units"]
    across: Float[Array, "points others"]


class Noise(NamedTuple):
    """Standard normal numbers behind the hidden projections: at the start (points, units), and at every later step
    of a noisy sampler (steps, points, units); `across` as in `Law`."""

    weights: Float[np.ndarray, "points"]
    first: Float[np.ndarray, "points units"]
    later: Float[np.ndarray, "steps points units"]
    across: Float[np.ndarray, "points others"]


def noise_points(units: int, directions: int, noisy_steps: int, numerics: FlowNumerics) -> Noise:
    """A uniform grid where one number decides (one unit, one direction, no noise), joint Sobol points elsewhere."""
    if units == 1 and directions == 1 and noisy_steps == 0:
        nodes = quadrature.trapezoid(1, numerics.start_nodes, RADIUS)
        nothing = np.zeros((0, *nodes.points.shape))
        return Noise(nodes.weights, nodes.points, nothing, np.zeros((len(nodes.weights), 0)))
    widths = [units] * (1 + noisy_steps) + [directions - 1]
    *parts, across = quadrature.sobol_normal(widths, numerics.particles, seed=2)
    count = parts[0].shape[0]
    later = np.stack(parts[1:]) if noisy_steps else np.zeros((0, count, units))
    return Noise(np.full(count, 1.0 / count), parts[0], later, across)


def law_of(
    system: FlowAutoencoder,
    order: Order,
    skip: Float[Array, "times"],
    numerics: FlowNumerics,
    points: Noise | None = None,
) -> tuple[Law, Int[Array, ""]]:
    """What the network of these order parameters and skips generates, by the system's sampler, from given points or
    from those of `noise_points`."""
    noisy = len(system.grid_times) - 1 if system.sampler == "sde" else 0
    if points is None:
        points = noise_points(system.units, order.overlap.shape[1], noisy, numerics)
    if system.sampler == "flow":
        return flow_law(system, order, skip, points, numerics)
    at = setting.schedule(system)
    diffusion = jnp.asarray(system.diffusion) if noisy else jnp.zeros(())
    return discrete_law(order, skip, at, system.steps_in_time, diffusion, points, system.activation), _fine()


def _fine() -> Int[Array, ""]:
    return jnp.asarray(Status.SUCCESSFUL, jnp.int32)


def discrete_law(
    order: Order,
    skip: Float[Array, "times"],
    at: Schedule,
    steps: Float[np.ndarray, "times"],
    diffusion: Float[Array, ""],
    points: Noise,
    activation: str,
) -> Law:
    """The law of the Euler and Euler-Maruyama samplers, the last step of which is without noise; eqs. (19)-(22)."""
    root = jnp.linalg.cholesky(order.norm)
    count = at.time.shape[0]
    # noise of the first steps only: the last lands on the denoised point
    stirred = diffusion * (jnp.arange(count) < count - 1)
    toward = at.push + stirred * at.beta / at.alpha**2
    stays = 1 + jnp.asarray(steps) * (at.pull - stirred / at.alpha**2 + toward * skip)
    pushes = steps * toward * at.gain
    sizes = jnp.sqrt(2 * stirred * steps)
    kicks = jnp.zeros((count, *points.first.shape)).at[: points.later.shape[0]].set(points.later) @ root.T

    def step(carry: tuple[Array, Array, Array], now: tuple[Array, ...]) -> tuple[tuple[Array, Array, Array], None]:
        linear, pushed, variance = carry
        stay, push, size, inner, kick = now
        f, _ = activate(activation, inner * (linear + pushed @ order.norm) + order.bias)
        return (stay * linear + size * kick, stay * pushed + push * f, stay**2 * variance + size**2), None

    if points.later.shape[0] == 0:
        kicks = jnp.zeros((count, 1, 1))
    first = points.first @ root.T
    begin = (first, jnp.zeros_like(first), jnp.ones(()))
    (linear, pushed, variance), _ = jax.lax.scan(
        step, begin, (stays, jnp.asarray(pushes), jnp.asarray(sizes), at.inner, kicks)
    )
    return _law(order, root, points, linear, pushed, variance)


def _law(order: Order, root: Array, points: Noise, linear: Array, pushed: Array, variance: Array) -> Law:
    """The mixture from the hidden projections of G, from S, and from the variance of G; eq. (21)."""
    whitened = jax.scipy.linalg.solve_triangular(root, order.overlap, lower=True)  # units x directions
    back = jax.scipy.linalg.solve_triangular(root, linear.T, lower=True).T
    means = back @ whitened + pushed @ order.overlap
    directions = order.overlap.shape[1]
    covariance = variance * (jnp.eye(directions) - whitened.T @ whitened)
    weights, across = jnp.asarray(points.weights), jnp.asarray(points.across)
    return Law(weights, means, covariance, variance, linear + pushed @ order.norm, across)


def flow_law(
    system: FlowAutoencoder, order: Order, skip: Float[Array, "times"], points: Noise, numerics: FlowNumerics
) -> tuple[Law, Int[Array, ""]]:
    """The law of the continuous flow, solved to just short of time 1 and then denoised; eqs. (23), (24)."""
    root = jnp.linalg.cholesky(order.norm)
    first = points.first @ root.T
    interpolate = skip_between(system, skip)

    def rhs(t: Float[Array, ""], state: tuple[Array, Array, Array], args: None) -> tuple[Array, Array, Array]:
        linear, pushed, _ = state
        at = setting.schedule(system, t)
        f, _ = activate(system.activation, at.inner * (linear + pushed @ order.norm) + order.bias)
        stay = at.pull + at.push * interpolate(t)
        return stay * linear, stay * pushed + at.push * at.gain * f, stay

    times = jnp.array([0.0, 1 - setting.STOP])
    begin = (first, jnp.zeros_like(first), jnp.zeros(()))
    solution = ode.solve(rhs, begin, times, rtol=1e-7, atol=1e-9, max_steps=numerics.max_steps)
    linear, pushed, log_scale = jax.tree.map(lambda leaf: leaf[-1], solution.values)
    at, last = setting.schedule(system, times[-1]), interpolate(times[-1])
    f, _ = activate(system.activation, at.inner * (linear + pushed @ order.norm) + order.bias)
    variance = (last * jnp.exp(log_scale)) ** 2
    return (
        _law(order, root, points, last * linear, last * pushed + at.gain * f, variance),
        solution.status,
    )


def skip_between(system: FlowAutoencoder, skip: Float[Array, "times"]) -> Callable[[Array], Array]:
    """The skip at any time: b* plus the interpolated deviation from it, which ends at zero at time 1; eq. (23)."""
    grid = setting.schedule(system)
    off = jnp.append(skip - setting.optimal_skip(grid, setting.noise(system)), 0.0)
    knots = jnp.append(grid.time, 1.0)
    return lambda t: (
        setting.optimal_skip(setting.schedule(system, t), setting.noise(system)) + jnp.interp(t, knots, off)
    )


# -- what is read off a law -----------------------------------------------------------------------------------


def density(law: Law, edges: Float[Array, "edges"]) -> Float[Array, "directions bins"]:
    """Probability of each bin along each direction, divided by its width; eq. (22)."""
    scale = jnp.sqrt(jnp.maximum(jnp.diagonal(law.covariance), JITTER))

    def along(mean: Float[Array, "points"], sd: Float[Array, ""]) -> Float[Array, "bins"]:
        below = jax.lax.map(lambda edge: law.weights @ norm.cdf((edge - mean) / sd), edges)
        return jnp.diff(below) / jnp.diff(edges)

    return jnp.stack([along(law.means[:, i], scale[i]) for i in range(law.means.shape[1])])


def spread(law: Law) -> Float[Array, "directions"]:
    """Standard deviation along each direction."""
    mean = law.weights @ law.means
    return jnp.sqrt(law.weights @ (law.means - mean) ** 2 + jnp.diagonal(law.covariance))


def mean(law: Law) -> Float[Array, "directions"]:
    """Mean along each direction."""
    return law.weights @ law.means


def separation(law: Law) -> Float[Array, "directions"]:
    """E|v . X| along each direction: folded normal distributions; eq. (26)."""
    sd = jnp.sqrt(jnp.maximum(jnp.diagonal(law.covariance), JITTER))
    ratio = law.means / sd
    return law.weights @ (2 * sd * norm.pdf(ratio) + law.means * (1 - 2 * norm.cdf(-ratio)))


def occupancy(law: Law, centres: Float[Array, "modes directions"]) -> Float[Array, "modes"]:
    """Probability that a generated point is nearest to each centre; eq. (25).

    Along one line through each sampled point the nearest centre's cell is an interval, whose Gaussian probability is
    exact: with one direction nothing is sampled, and derivatives are right in any number.
    """
    directions = centres.shape[1]
    root = jnp.linalg.cholesky(law.covariance + JITTER * jnp.eye(directions)) @ _turn(directions)
    at, line = law.means + law.across @ root[:, :-1].T, root[:, -1]

    def cell(k: Array) -> Float[Array, ""]:
        normal = centres[k] - centres
        inside = jnp.sum(normal * (centres[k] + centres), axis=1) / 2
        height, slope = at @ normal.T - inside, normal @ line
        steep = jnp.abs(slope) > 1e-9
        own = jnp.arange(centres.shape[0]) == k
        crossing = -height / jnp.where(steep, slope, 1.0)
        low = jnp.max(jnp.where(steep & (slope > 0), crossing, -jnp.inf), axis=1)
        high = jnp.min(jnp.where(steep & (slope < 0), crossing, jnp.inf), axis=1)
        allowed = jnp.all(own | steep | (height >= 0), axis=1)
        return law.weights @ jnp.where(allowed & (high > low), norm.cdf(high) - norm.cdf(low), 0.0)

    return jax.lax.map(cell, jnp.arange(centres.shape[0]))


def _turn(directions: int) -> Float[np.ndarray, "directions directions"]:
    """A fixed rotation whose last column is along no axis or diagonal."""
    if directions == 1:
        return np.ones((1, 1))
    generic = np.eye(directions)
    generic[:, -1] = np.sqrt(np.arange(directions) + 1.3) + 0.1
    turned, _ = np.linalg.qr(generic[:, ::-1])
    return turned[:, ::-1]
