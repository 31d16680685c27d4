"""Two outlier eigenvalues: the trap on the symmetric manifold, and the pair's coalescence.

Equation numbers are those of docs/rnn_integrator.md.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.systems.rnn_integrator.theory_reduced import Reduced, Task, gradient, loss


class Trap(NamedTuple):
    """The saddle that u0 = v0 flows to: the best single real exponential.

    Arguments:
      eigenvalue, scale: lam* and c*.
      loss: the plateau's loss.
      escape_rate: largest eigenvalue of minus the Hessian there; an asymmetry delta takes log(1 / delta) over it.
    """

    eigenvalue: Float[Array, ""]
    scale: Float[Array, ""]
    loss: Float[Array, ""]
    escape_rate: Float[Array, ""]


def trap(target: Float[Array, "lag"], weights: Float[Array, "lag"], iterations: int = 40) -> Trap:
    """The trap of an oscillatory target, all weights trained, eq. (31), by damped Newton from lam = 1/2, c = 1."""
    task = Task(target, weights)

    def plane(x: Float[Array, "2"]) -> Float[Array, ""]:
        return loss(Reduced(x[:1, None], x[1:], x[1:]), task)

    slope, bend = jax.grad(plane), jax.hessian(plane)

    def newton(_: int, x: Float[Array, "2"]) -> Float[Array, "2"]:
        values, vectors = jnp.linalg.eigh(bend(x))
        step = vectors @ (vectors.T @ slope(x) / jnp.abs(values))
        return x - step * jnp.minimum(1.0, 0.1 / jnp.linalg.norm(step))

    lam, c = jax.lax.fori_loop(0, iterations, newton, jnp.array([0.5, 1.0], target.dtype))

    def forces(y: Float[Array, "8"]) -> Float[Array, "8"]:
        g = gradient(Reduced(y[:4].reshape(2, 2), y[4:6], y[6:]), task)
        return jnp.concatenate([g.recurrent.ravel(), g.readin, g.readout])

    zero = jnp.zeros_like(lam)
    at = jnp.stack([lam, zero, zero, zero, c, zero, c, zero])
    hessian = jax.jacfwd(forces)(at)
    rate = -jnp.linalg.eigvalsh(0.5 * (hessian + hessian.T))[0]
    return Trap(lam, c, plane(jnp.stack([lam, c])), rate)


def coalescence_time(time: Float[Array, "record"], discriminant: Float[Array, "record"]) -> Float[Array, ""]:
    """Time at which two real eigenvalues meet and leave as a conjugate pair, eq. (30): the discriminant's first
    change from positive to negative, interpolated linearly; infinite where there is none."""
    meets = (discriminant[:-1] > 0) & (discriminant[1:] <= 0)
    i = jnp.argmax(meets)
    before, after = discriminant[i], discriminant[i + 1]
    gap = jnp.where(meets[i], before - after, 1.0)
    return jnp.where(jnp.any(meets), time[i] + (time[i + 1] - time[i]) * before / gap, jnp.inf)
