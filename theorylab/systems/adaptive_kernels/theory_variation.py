"""One ReLU layer in two dimensions: training with weight decay ends on total-variation regression, eqs. (33)-(35).

Between two neighbouring kinks (directions orthogonal to a training input) the activation pattern does not change, so
all neurons of one sign in such a cone act as one vector: 4 P vectors in cones, a convex problem without a grid.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int

from theorylab.core import Prediction, Status, status_where

if TYPE_CHECKING:
    from theorylab.systems.adaptive_kernels import AdaptiveKernels
    from theorylab.systems.adaptive_kernels.setting import Data

SWEEPS = 200_000
"""Most proximal steps; a few thousand are the rule."""
CHANGE = 1e-15
"""Largest change in a step at which the iteration ends."""


class Cones(NamedTuple):
    """Cones of constant activation pattern, counterclockwise.

    Arguments:
      left, right: unit vectors along each cone's two edges, (2P, 2).
      active: which training inputs are active inside, (2P, P).
    """

    left: Float[Array, "cones 2"]
    right: Float[Array, "cones 2"]
    active: Float[Array, "cones samples"]


class Answer(NamedTuple):
    """The regularised measure.

    Arguments:
      vectors: one in each cone for either sign, (2, 2P, 2); length is mass, direction is direction.
      variation: total mass, E |z| |w| / gamma0.
      objective: value of eq. (33).
      certificate: max_u |sum Delta relu(u . x)| gamma0 / (lambda sqrt D), 1 at the optimum with f not 0.
      status: NO_ROOT where the certificate is not met.
    """

    vectors: Float[Array, "2 cones 2"]
    variation: Float[Array, ""]
    objective: Float[Array, ""]
    certificate: Float[Array, ""]
    status: Int[Array, ""]


def cones(inputs: Float[Array, "samples 2"]) -> Cones:
    """The arcs between neighbouring kinks."""
    angle = jnp.arctan2(inputs[:, 1], inputs[:, 0])
    kinks = jnp.sort(jnp.mod(jnp.concatenate([angle + 0.5 * math.pi, angle - 0.5 * math.pi]), 2 * math.pi))
    following = jnp.concatenate([kinks[1:], kinks[:1] + 2 * math.pi])
    middle = 0.5 * (kinks + following)
    active = (_unit(middle) @ inputs.T > 0).astype(inputs.dtype)
    return Cones(_unit(kinks), _unit(following), active)


def total_variation(inputs: Float[Array, "samples 2"], targets: Float[Array, "samples"], strength: ArrayLike) -> Answer:
    """min over measures of |y - f|^2 / 2 + strength TV, by accelerated proximal steps with restarts.

    Arguments:
      strength: lambda / gamma0: nothing else of either matters.
    """
    arcs = cones(inputs)
    scaled = inputs / math.sqrt(2)
    # prediction of the vectors at the training inputs: sum over cones and signs of sign active (v . x) / sqrt D
    maps = arcs.active[:, :, None] * scaled
    maps = jnp.stack([maps, -maps])
    flat = maps.transpose(2, 0, 1, 3).reshape(targets.shape[0], -1)
    length = 1 / jnp.linalg.eigvalsh(flat @ flat.T)[-1]

    def proximal(v: Array) -> Array:
        error = flat @ v.reshape(-1) - targets
        moved = v - length * (flat.T @ error).reshape(v.shape)
        inside = _project(moved, arcs)
        size = _length(inside)[..., None]
        shrunk = jnp.maximum(size - length * strength, 0.0)
        return inside * shrunk / jnp.where(size > 0, size, 1.0)

    def unfinished(state: tuple[Array, ...]) -> Array:
        _, _, _, count, change = state
        return (change > CHANGE) & (count < SWEEPS)

    def sweep(state: tuple[Array, ...]) -> tuple[Array, ...]:
        v, ahead, momentum, count, _ = state
        new = proximal(ahead)
        # a step against the last one's direction: the momentum is dropped
        restart = jnp.sum((ahead - new) * (new - v)) > 0
        grown = 0.5 * (1 + jnp.sqrt(1 + 4 * momentum**2))
        grown = jnp.where(restart, 1.0, grown)
        ahead = new + jnp.where(restart, 0.0, (momentum - 1) / grown) * (new - v)
        return new, ahead, grown, count + 1, jnp.max(jnp.abs(new - v))

    zero = jnp.zeros((2, *arcs.left.shape))
    begin = (zero, zero, jnp.ones(()), jnp.zeros((), int), jnp.full((), jnp.inf))
    v = lax.while_loop(unfinished, sweep, begin)[0]
    rest = targets - flat @ v.reshape(-1)
    variation = jnp.sum(_length(v))
    certificate = largest_slope(arcs, maps, rest) / strength
    return Answer(
        v,
        variation,
        0.5 * jnp.sum(rest**2) + strength * variation,
        certificate,
        status_where(~(certificate < 1 + 1e-6), Status.NO_ROOT),
    )


def largest_slope(arcs: Cones, maps: Array, rest: Float[Array, "samples"]) -> Float[Array, ""]:
    """max over |u| = 1 of |sum_mu rest_mu relu(u . x_mu) / sqrt D|, exact: inside a cone the sum is linear in u."""
    along = _project(jnp.einsum("scpd,p->scd", maps, rest), arcs)
    return jnp.sqrt(jnp.max(jnp.sum(along**2, axis=-1)))


def collapse_strength(inputs: Float[Array, "samples 2"], targets: Float[Array, "samples"]) -> Float[Array, ""]:
    """lambda / gamma0 from which on the network ends at f = 0."""
    arcs = cones(inputs)
    maps = arcs.active[:, :, None] * inputs / math.sqrt(2)
    return largest_slope(arcs, jnp.stack([maps, -maps]), targets)


def evaluate(vectors: Float[Array, "2 cones 2"], inputs: Float[Array, "n 2"]) -> Float[Array, "n"]:
    """f at any inputs."""
    active = jnp.maximum(jnp.einsum("scd,nd->scn", vectors, inputs) / math.sqrt(2), 0.0)
    return jnp.sum(active[0] - active[1], axis=0)


def adapted_kernel(
    vectors: Float[Array, "2 cones 2"], inputs: Float[Array, "n 2"], richness: ArrayLike
) -> Float[Array, "n n"]:
    """Phi(x, x') = gamma0 sum_u |c_u| relu(u . x) relu(u . x') / D, eq. (35)."""
    v = vectors.reshape(-1, 2)
    size = _length(v)
    active = jnp.maximum(v @ inputs.T / math.sqrt(2), 0.0)
    weight = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1.0), 0.0)
    return jnp.asarray(richness * active.T @ (weight[:, None] * active))


def predict(system: AdaptiveKernels, data: Data, facts: dict[str, Array]) -> Prediction:
    """The observables of the end point."""
    from theorylab.systems.adaptive_kernels import theory

    answer = total_variation(data.inputs, data.targets, system.ridge / system.richness)
    function = evaluate(answer.vectors, data.points)
    kernel = adapted_kernel(answer.vectors, data.inputs, system.richness)
    curves = theory.posterior_curves(system, data, function, kernel[None], None)
    threshold = collapse_strength(data.inputs, data.targets)
    facts = {
        **facts,
        "variation": answer.variation,
        "objective": answer.objective,
        "certificate": answer.certificate,
        "collapse_ridge": threshold * system.richness,
    }
    return Prediction(curves, answer.status, facts=facts)


def _length(vectors: Array) -> Array:
    """Euclidean length over the last axis, with a derivative (zero) where the vector is zero."""
    square = jnp.sum(vectors**2, axis=-1)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def _unit(angle: Array) -> Array:
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)


def _project(vectors: Float[Array, "2 cones 2"], arcs: Cones) -> Float[Array, "2 cones 2"]:
    """Nearest point of its cone (narrower than a half turn) to every vector."""
    inside = (_cross(arcs.left, vectors) >= 0) & (_cross(vectors, arcs.right) >= 0)
    on_left = jnp.maximum(jnp.sum(vectors * arcs.left, axis=-1, keepdims=True), 0.0)
    on_right = jnp.maximum(jnp.sum(vectors * arcs.right, axis=-1, keepdims=True), 0.0)
    edge = jnp.where(on_left > on_right, on_left * arcs.left, on_right * arcs.right)
    return jnp.where(inside[..., None], vectors, edge)


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
