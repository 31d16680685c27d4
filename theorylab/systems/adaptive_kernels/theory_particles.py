"""One hidden layer in any dimension, by sampled neurons: the posterior, and gradient flow in time.

The posterior's particles carry first-layer weights only; the readout is integrated out, so that kernel and predictor
move together (docs/adaptive_kernels.md eq. (22)). The flow's particles carry both and obey eq. (26).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Key

from theorylab.core import Prediction, Refused
from theorylab.solvers import ode, quadrature
from theorylab.systems.adaptive_kernels import theory_activation as activation_
from theorylab.systems.adaptive_kernels import theory_two_layer as two_layer
from theorylab.systems.adaptive_kernels.setting import Data, recorded_steps
from theorylab.systems.adaptive_kernels.theory_lazy import Activation

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.numerics import KernelNumerics

LEAPFROGS = 10
TARGET = 0.8
LOG2_PARTICLES = 12
"""Particles of a flow: 2^12, and their partners with the opposite readout."""
SCRAMBLES = 4
"""Independent scrambled sets of a flow's particles: their scatter is the standard error."""
LEAST_SHARE = 1e-2
"""Effective share of importance samples below which they are refused."""


class Chain(NamedTuple):
    """A sampled posterior, one entry a seed.

    Arguments:
      function: f at all points, training points first.
      kernel: Phi at training points.
      density: of the first training point's preactivation.
    """

    function: Float[Array, "seeds points"]
    kernel: Float[Array, "seeds samples samples"]
    density: Float[Array, "seeds bins"]


def posterior(system: AdaptiveKernels, data: Data, numerics: KernelNumerics) -> Chain:
    """Independent particle chains; their bias is of order 1 / particles, docs/adaptive_kernels.md eq. (22)."""
    points = data.points / data.points.shape[1] ** 0.5
    samples = data.targets.shape[0]
    train = points[:samples]
    m = numerics.particles
    beta, gamma = system.beta, system.richness

    def force_of(w: Array) -> tuple[Array, Array, Array, Array]:
        h = w @ train.T
        phi = activation_.value(system.activation, h)
        kernel = phi.T @ phi / m
        v = jnp.linalg.solve(kernel + jnp.eye(samples) / beta, data.targets)
        return h, phi, kernel, v

    def energy(w: Array) -> tuple[Array, Array]:
        h, phi, _, v = force_of(w)
        value = 0.5 * jnp.sum(w**2) + 0.5 * m * gamma**2 * (data.targets @ v)
        push = (phi @ v)[:, None] * activation_.slope(system.activation, h) * v
        return value, w - gamma**2 * push @ train

    def record(w: Array) -> tuple[Array, Array, Array]:
        h, _, kernel, v = force_of(w)
        everywhere = activation_.value(system.activation, w @ points.T)
        phi = everywhere[:, :samples]
        function = everywhere.T @ (phi @ v) / m
        return function, kernel, two_layer.histogram(h[:, 0], jnp.full(m, 1 / m))

    def chain(key: Array) -> tuple[Array, Array, Array]:
        start_key, move_key = jax.random.split(key)
        w = jax.random.normal(start_key, (m, points.shape[1]))

        def move(carry, item):
            w, log_step, total = carry
            key, i = item
            w, accepted = _trajectory(energy, w, key, jnp.exp(log_step))
            warming = i < numerics.sweeps // 2
            gain = jnp.where(warming, (i + 4.0) ** -0.6, 0.0)
            total = jax.tree.map(lambda x, new: x + jnp.where(warming, 0.0, new), total, record(w))
            return (w, log_step + gain * (accepted - TARGET), total), None

        zero = jax.tree.map(jnp.zeros_like, record(w))
        moves = numerics.sweeps + numerics.sweeps // 2
        items = (jax.random.split(move_key, moves), jnp.arange(moves))
        (_, _, total), _ = lax.scan(move, (w, jnp.log(0.1), zero), items)
        return jax.tree.map(lambda x: x / numerics.sweeps, total)

    return Chain(*lax.map(chain, jax.random.split(jax.random.key(numerics.seed), numerics.seeds)))


def _trajectory(energy, w: Array, key: Key[Array, ""], step: Array) -> tuple[Array, Array]:
    """One Hamiltonian move of all particles together, and its acceptance probability."""
    jitter_key, momentum_key, accept_key = jax.random.split(key, 3)
    step = step * jax.random.uniform(jitter_key, (), w.dtype, 0.7, 1.3)
    momentum = jax.random.normal(momentum_key, w.shape)
    value, slope = energy(w)

    def leap(carry, _):
        at, p, slope, _ = carry
        p = p - 0.5 * step * slope
        at = at + step * p
        value, slope = energy(at)
        return (at, p - 0.5 * step * slope, slope, value), None

    (new, final, _, new_value), _ = lax.scan(leap, (w, momentum, slope, value), None, length=LEAPFROGS)
    gain = value - new_value + 0.5 * (jnp.sum(momentum**2) - jnp.sum(final**2))
    probability = jnp.where(jnp.isfinite(gain), jnp.exp(jnp.minimum(gain, 0.0)), 0.0)
    accepted = jax.random.uniform(accept_key) < probability
    return jnp.where(accepted, new, w), probability


def importance(
    kernel: Float[Array, "samples samples"],
    activation: Activation,
    force: Float[Array, "samples"],
    richness: float,
    key: Key[Array, ""],
    draws: int,
) -> tuple[Float[Array, "samples samples"], float]:
    """Phi of the tilted density by weighting draws from the prior, and their effective share; host only.

    Raises: `Refused` where fewer than a hundredth of the draws count, and where their variance is infinite.
    """
    root = jnp.linalg.cholesky(kernel + 1e-12 * jnp.eye(kernel.shape[0]))
    phi = activation_.value(activation, jax.random.normal(key, (draws, kernel.shape[0])) @ root.T)
    logits = 0.5 * richness**2 * (phi @ force) ** 2
    weights = np.asarray(jax.nn.softmax(logits))
    share = float(1 / np.sum(weights**2) / draws)
    if share < LEAST_SHARE:
        raise Refused(
            f"only a share {share:.1e} of {draws} importance samples counts (least {LEAST_SHARE:g}): the adapted "
            "density is too far from the prior; use quadrature or particles"
        )
    return phi.T @ (jnp.asarray(weights)[:, None] * phi), share


# -- gradient flow ------------------------------------------------------------------------------------------


def flow(
    inputs: Float[Array, "points dimension"],
    targets: Float[Array, "samples"],
    activation: Activation,
    richness: ArrayLike,
    ridge: ArrayLike,
    times: Float[Array, "time"],
    weights: Float[Array, "particles dimension"],
    readouts: Float[Array, "particles"],
    *,
    rtol: ArrayLike = 1e-6,
    atol: ArrayLike = 1e-8,
    max_steps: int = 20_000,
) -> tuple[dict[str, Array], Array]:
    """Gradient flow of particles (w, z) and their partners (w, -z), eq. (26).

    Arguments:
      inputs: training inputs, then test inputs.

    Returns: function (T, n), kernels Phi and G (T, n, n), Lyapunov function (T,), by name; and a status.
    """
    points = inputs / inputs.shape[1] ** 0.5
    samples = targets.shape[0]
    count = 2 * weights.shape[0]
    start = (jnp.concatenate([weights, weights]), jnp.concatenate([readouts, -readouts]))

    def parts(state: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        w, z = state
        h = w @ points.T
        phi = activation_.value(activation, h)
        return h, phi, jnp.asarray(z @ phi / (count * richness))

    def rhs(t: Array, state: tuple[Array, Array], args: None) -> tuple[Array, Array]:
        del t, args
        w, z = state
        h, phi, f = parts(state)
        error = targets - f[:samples]
        slope = activation_.slope(activation, h[:, :samples])
        dw = richness * (z[:, None] * slope * error) @ points[:samples] - ridge * w
        return dw, jnp.asarray(richness * phi[:, :samples] @ error - ridge * z)

    def record(state: tuple[Array, Array]) -> dict[str, Array]:
        w, z = state
        h, phi, f = parts(state)
        g = activation_.slope(activation, h) * z[:, None]
        size = (jnp.sum(w**2) + jnp.sum(z**2)) / count
        lyapunov = 0.5 * richness**2 * jnp.sum((targets - f[:samples]) ** 2) + 0.5 * ridge * size
        kernels = {"features": phi.T @ phi / count, "gradients": g.T @ g / count}
        return {"function": f, "lyapunov": jnp.asarray(lyapunov), **kernels}

    solved = ode.solve(rhs, start, times, rtol=rtol, atol=atol, max_steps=max_steps, fn=record)
    return solved.values, solved.status


def sobol_particles(dimension: int, seed: int, log2_count: int = LOG2_PARTICLES) -> tuple[np.ndarray, np.ndarray]:
    """Weights and readouts from one joint scrambled Sobol set, (2^n, D) and (2^n,)."""
    weights, readouts = quadrature.sobol_normal([dimension, 1], log2_count, seed)
    return weights, readouts[:, 0]


def training(system: AdaptiveKernels, data: Data, numerics: KernelNumerics) -> Prediction:
    """Gradient flow of one hidden layer in time, with the standard error of its particles."""
    times = jnp.asarray(recorded_steps(system.steps, system.records)) * system.rate
    samples = data.targets.shape[0]
    found = []
    for seed in range(SCRAMBLES):
        weights, readouts = sobol_particles(data.inputs.shape[1], seed)
        found.append((jnp.asarray(weights), jnp.asarray(readouts)))
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *found)

    def one(particles: tuple[Array, Array]) -> tuple[dict[str, Array], Array]:
        values, status = flow(
            data.points,
            data.targets,
            system.activation,
            system.richness,
            system.ridge,
            times,
            *particles,
            max_steps=numerics.max_steps,
        )
        f = values["function"]
        curves = {
            "train_function": f[:, :samples],
            "feature_kernel": values["features"][:, None],
            "gradient_kernel": values["gradients"][:, None],
            "lyapunov": values["lyapunov"],
        }
        if system.tests:
            curves["test_function"] = f[:, samples:]
        if system.test_targets_known:
            curves["loss"] = jnp.mean((f[:, samples:] - data.test_targets) ** 2, axis=1)
        return {name: jnp.moveaxis(curve, 0, -1) for name, curve in curves.items()}, status

    many, statuses = lax.map(one, stacked)
    error = jax.tree.map(lambda x: jnp.std(x, 0, ddof=1) / SCRAMBLES**0.5, many)
    return Prediction(jax.tree.map(lambda x: jnp.mean(x, 0), many), jnp.max(statuses), error)
