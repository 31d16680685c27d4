"""Fully connected networks in the mean-field (muP) scaling, with every layer's preactivations in view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.networks import parametrization

Activation = Literal["linear", "relu", "erf", "tanh"]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda h: h,
    "relu": jax.nn.relu,
    "erf": lambda h: jax.scipy.special.erf(h * jnp.asarray(0.5, h.dtype) ** 0.5),
    "tanh": jnp.tanh,
}
"""phi by name; "erf" is h -> erf(h / sqrt 2)."""


class Fields(NamedTuple):
    """What a forward pass shows.

    Arguments:
      output: f(x), (points,).
      preactivations: h^1..h^L, (L, points, width).
      features: phi(h^1)..phi(h^L), (L, points, width).
    """

    output: Float[Array, "points"]
    preactivations: Float[Array, "layer points width"]
    features: Float[Array, "layer points width"]


class MLP(nn.Module):
    """L >= 1 hidden layers without biases: h^1 = W^0 x / sqrt(D), h^{l+1} = W^l phi(h^l) / sqrt(N), and
    f = z . phi(h^L) / (richness N); entries start as standard normal (docs/adaptive_kernels.md eq. (1))."""

    width: int
    depth: int
    activation: Activation
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "points dimension"], richness: ArrayLike = 1.0, shift: Any = None) -> Fields:
        """Outputs and fields at the rows of x.

        Arguments:
          richness: gamma0.
          shift: added to every layer's preactivations, (L, points, width): what their gradients are taken by.
        """
        phi = ACTIVATIONS[self.activation]
        normal = nn.initializers.normal(1.0)
        first = self.param("first", normal, (x.shape[1], self.width), self.dtype)
        hidden = self.param("hidden", normal, (self.depth - 1, self.width, self.width), self.dtype)
        readout = self.param("readout", normal, (self.width,), self.dtype)
        inner = parametrization.ntk(self.width).multiplier.astype(self.dtype)
        h = x @ first * parametrization.ntk(x.shape[1]).multiplier.astype(self.dtype)
        before, after = [], []
        for layer in range(self.depth):
            if layer:
                h = after[-1] @ hidden[layer - 1] * inner
            if shift is not None:
                h = h + shift[layer]
            before.append(h)
            after.append(phi(h))
        scale = parametrization.mean_field_readout(self.width, richness).multiplier.astype(self.dtype)
        return Fields(after[-1] @ readout * scale, jnp.stack(before), jnp.stack(after))


def kernels(features: Float[Array, "layer points width"]) -> Float[Array, "layer points points"]:
    """Phi^l = phi(h^l) phi(h^l)^T / N of every layer."""
    return jnp.einsum("lpn,lqn->lpq", features, features) / features.shape[-1]


def gradient_fields(
    network: MLP, parameters: Any, x: Float[Array, "points dimension"]
) -> Float[Array, "layer points width"]:
    """g^l = richness N df/dh^l of every layer and point, entries of order one."""

    def total(shift: Array) -> Array:
        # a point's output depends on its own fields only, so the sum's gradient is every point's own
        fields: Any = network.apply(parameters, x, 1.0, shift)
        return jnp.sum(fields.output)

    shape = (network.depth, x.shape[0], network.width)
    return jax.grad(total)(jnp.zeros(shape, x.dtype)) * network.width
