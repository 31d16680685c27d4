"""A small convolutional network with a hidden layer after the convolution, in the mean-field (muP) scaling."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.networks import parametrization

FILTER = 5
"""Side of a filter."""


class CNN(nn.Module):
    """Convolution 5 x 5 - ReLU - mean over 2 x 2 - dense - ReLU - readout / (richness width); standard normal entries.

    Without the dense layer the output would be a sum over local patches, which cannot compare two places.
    """

    width: int
    channels: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "points side side"], richness: ArrayLike = 1.0) -> Float[Array, "points"]:
        """Outputs at images."""
        normal = nn.initializers.normal(1.0)
        filters = self.param("filters", normal, (FILTER, FILTER, 1, self.channels), self.dtype)
        h = jax.lax.conv_general_dilated(
            images[..., None], filters, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        h = nn.avg_pool(jax.nn.relu(h / jnp.asarray(FILTER, self.dtype) ** 0.5), (2, 2), (2, 2))
        h = h.reshape(h.shape[0], -1)
        hidden = self.param("hidden", normal, (h.shape[1], self.width), self.dtype)
        readout = self.param("readout", normal, (self.width,), self.dtype)
        h = jax.nn.relu(h @ hidden / jnp.asarray(self.channels, self.dtype) ** 0.5)
        return h @ readout * parametrization.mean_field_readout(self.width, richness).multiplier.astype(self.dtype)
