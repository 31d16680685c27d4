"""Deep linear networks, plain or residual, and their gradient descent as three explicit outer products.

f(x) = w . h^L(x) / (richness N), h^1 = W^0 x, h^{l+1} = N^-1/2 W^l h^l, or h^l + branch N^-1/2 W^l h^l. Only fields
of one vector are ever formed, never a gradient by samples (docs/deep_linear_dmft.md eqs. (1)-(2)).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Key

from theorylab.networks import parametrization


class DeepLinear(NamedTuple):
    """Weights of L >= 1 hidden layers, entries of order one.

    Arguments:
      first: W^0, (N, M).
      hidden: W^1..W^{L-1}, (L - 1, N, N).
      readout: w, (N,).
    """

    first: Float[Array, "width dimension"]
    hidden: Float[Array, "layers width width"]
    readout: Float[Array, "width"]


def init(key: Key[Array, ""], depth: int, width: int, dimension: int, dtype: DTypeLike) -> DeepLinear:
    """Standard normal weights of `depth` >= 1 hidden layers, cut from one stream."""
    sizes = (width * dimension, (depth - 1) * width**2, width)
    first, hidden, readout = jnp.split(jax.random.normal(key, (sum(sizes),), dtype), (sizes[0], sizes[0] + sizes[1]))
    return DeepLinear(first.reshape(width, dimension), hidden.reshape(depth - 1, width, width), readout)


def _scale(weights: DeepLinear) -> float:
    return weights.readout.shape[0] ** -0.5


def forward(
    weights: DeepLinear, x: Float[Array, "dimension"], branch: ArrayLike | None = None
) -> Float[Array, "layer width"]:
    """h^1, ..., h^L of the vector x.

    Arguments:
      branch: scale of the residual branches; None: plain layers.
    """

    def layer(h: Array, weight: Array) -> tuple[Array, Array]:
        mixed = _scale(weights) * (weight @ h)
        new = mixed if branch is None else h + branch * mixed
        return new, new

    first = weights.first @ x
    _, later = lax.scan(layer, first, weights.hidden)
    return jnp.concatenate([first[None], later])


def backward(weights: DeepLinear, branch: ArrayLike | None = None) -> Float[Array, "layer width"]:
    """g^1, ..., g^L: derivative of w . h^L by each hidden layer."""

    def layer(g: Array, weight: Array) -> tuple[Array, Array]:
        mixed = _scale(weights) * (g @ weight)
        new = mixed if branch is None else g + branch * mixed
        return new, new

    _, earlier = lax.scan(layer, weights.readout, weights.hidden, reverse=True)
    return jnp.concatenate([earlier, weights.readout[None]])


def predictor(weights: DeepLinear, gradients: Float[Array, "layer width"], richness: ArrayLike) -> Array:
    """The linear predictor beta, f(x) = beta . x, from the backward fields; shape (M,)."""
    return (gradients[0] @ weights.first) * parametrization.mean_field_readout(
        weights.readout.shape[0], richness
    ).multiplier.astype(weights.first.dtype)


def descend(
    weights: DeepLinear,
    force: Float[Array, "dimension"],
    features: Float[Array, "layer width"],
    gradients: Float[Array, "layer width"],
    rate: ArrayLike,
    richness: ArrayLike,
    branch: ArrayLike | None = None,
) -> DeepLinear:
    """One step of gradient descent with raw learning rate rate * richness^2 * N on every weight.

    Arguments:
      force: u = (1/P) X^T Delta, minus the derivative of the loss (1/2P)|Delta|^2 by the predictor.
      features, gradients: `forward` of the force, and `backward`.
    """
    step = rate * richness
    inner = step * _scale(weights) * (1.0 if branch is None else branch)
    return DeepLinear(
        weights.first + step * gradients[0][:, None] * force,
        weights.hidden + inner * gradients[1:, :, None] * features[:-1, None, :],
        weights.readout + step * features[-1],
    )
