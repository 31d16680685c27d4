"""Gaussian mixtures whose means lie in few of many dimensions."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Key


class Mixture(NamedTuple):
    """Modes of equal isotropic covariance noise^2 I, means in the span of the first few axes.

    Arguments:
      means: shape (modes, directions), lengths of order one.
      shares: probabilities of the modes, shape (modes,), summing to one.
      noise: standard deviation in every direction.
    """

    means: Float[Array, "modes directions"]
    shares: Float[Array, "modes"]
    noise: Float[Array, ""]


def place(
    mixture: Mixture, uniform: Float[Array, "count"], normal: Float[Array, "count dimension"]
) -> Float[Array, "count dimension"]:
    """Points of the mixture from uniform numbers, which choose the modes, and standard normal ones."""
    label = jnp.sum(uniform[:, None] > jnp.cumsum(mixture.shares)[None, :-1], axis=1)
    directions = mixture.means.shape[1]
    return (mixture.noise * normal).at[:, :directions].add(mixture.means[label].astype(normal.dtype))


def sample(
    key: Key[Array, ""], mixture: Mixture, count: int, dimension: int, dtype: DTypeLike
) -> Float[Array, "count dimension"]:
    """`count` independent points in `dimension` dimensions."""
    label_key, noise_key = jax.random.split(key)
    uniform = jax.random.uniform(label_key, (count,), dtype)
    return place(mixture, uniform, jax.random.normal(noise_key, (count, dimension), dtype))


def pair(separation: Float[ArrayLike, ""], share: Float[ArrayLike, ""], noise: Float[ArrayLike, ""]) -> Mixture:
    """Two modes at +separation (probability `share`) and -separation along one axis."""
    a, p = jnp.asarray(separation), jnp.asarray(share)
    return Mixture(jnp.stack([a, -a])[:, None], jnp.stack([p, 1 - p]), jnp.asarray(noise))


def cross(separation: Float[ArrayLike, ""], share: Float[ArrayLike, ""], noise: Float[ArrayLike, ""]) -> Mixture:
    """Four modes: a pair at +-separation on the first axis sharing `share` equally, a pair on the second the rest."""
    a, p = jnp.asarray(separation), jnp.asarray(share)
    zero = jnp.zeros_like(a)
    rows = [jnp.stack([a, zero]), jnp.stack([-a, zero]), jnp.stack([zero, a]), jnp.stack([zero, -a])]
    shares = jnp.stack([p, p, 1 - p, 1 - p]) / 2
    return Mixture(jnp.stack(rows), shares, jnp.asarray(noise))


def nearest(points: Float[Array, "count directions"], means: Float[Array, "modes directions"]) -> Float[Array, "modes"]:
    """Share of the points that lie nearest to each mean."""
    label = jnp.argmin(jnp.sum((points[:, None] - means[None]) ** 2, axis=-1), axis=1)
    return jnp.mean(label[:, None] == jnp.arange(means.shape[0])[None], axis=0, dtype=points.dtype)
