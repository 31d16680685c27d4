"""Networks whose hidden layers are marked for the rules of `broadcast`: fully connected, convolutional, locally
connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theorylab.networks.broadcast import units

Initializer = Any


class MLP(nn.Module):
    """Dense layers named layer_0, layer_1, ..., units hidden_0, hidden_1, ..., and a linear readout named `readout`."""

    widths: tuple[int, ...]
    outputs: int
    activation: Callable[[Array], Array] = jax.nn.relu
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.he_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch inputs"]) -> Float[Array, "batch outputs"]:
        """Outputs of a batch of rows."""
        dense: dict[str, Any] = {
            "use_bias": self.use_bias,
            "kernel_init": self.kernel_init,
            "param_dtype": self.dtype,
        }
        for k, width in enumerate(self.widths):
            x = units(self, f"hidden_{k}", self.activation(nn.Dense(width, name=f"layer_{k}", **dense)(x)))
        return nn.Dense(self.outputs, name="readout", **dense)(x)


class Patches(nn.Module):
    """A 3 x 3 layer with zero padding: one kernel for all places (a convolution), or one a place (locally connected).

    Written as patches and one contraction, so that `vmap` over parameters stays a batched product.
    """

    features: int
    shared: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch side side channels"]) -> Float[Array, "batch side side features"]:
        """Preactivations."""
        high, wide, channels = x.shape[1:]
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        patches = jnp.concatenate([padded[:, i : i + high, j : j + wide] for i in range(3) for j in range(3)], axis=-1)
        he = nn.initializers.normal((2 / (9 * channels)) ** 0.5)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), self.dtype)
        if self.shared:
            kernel = self.param("kernel", he, (9 * channels, self.features), self.dtype)
            return patches @ kernel + bias
        kernel = self.param("kernel", he, (high, wide, 9 * channels, self.features), self.dtype)
        return jnp.einsum("bhwk,hwkf->bhwf", patches, kernel) + bias


class ConvNet(nn.Module):
    """3 x 3 layers of `features`, each with ReLU and 2 x 2 averages after all but the last, and a linear readout.

    `shared` False: locally connected. Units are the ReLU maps before averaging.
    """

    features: tuple[int, ...] = (16, 32)
    outputs: int = 10
    shared: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "batch side side channels"]) -> Float[Array, "batch outputs"]:
        """Outputs of a batch of images."""
        for k, features in enumerate(self.features):
            x = jax.nn.relu(Patches(features, self.shared, self.dtype, name=f"layer_{k}")(x))
            x = units(self, f"hidden_{k}", x)
            if k + 1 < len(self.features):
                x = nn.avg_pool(x, (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        return nn.Dense(self.outputs, name="readout", kernel_init=nn.initializers.he_normal(), param_dtype=self.dtype)(
            x
        )
