"""A decoder-only transformer whose weights, activations and key-value cache may be rounded on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int

Round = Callable[[Float[Array, "..."]], Float[Array, "..."]]
"""Rounds an array, or leaves it as it is."""


def exact(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """No rounding."""
    return x


class Rounding(NamedTuple):
    """What is rounded in a forward pass; bits may be traced inside the functions.

    Arguments:
      weight: applied to every weight matrix (in, out) that multiplies activations; not to embeddings.
      activation: applied to the inputs of those products.
      cache: applied to keys and values, (..., heads, length, width / heads).
    """

    weight: Round = exact
    activation: Round = exact
    cache: Round = exact


EXACT = Rounding()


def normalise(x: Float[Array, "... width"]) -> Float[Array, "... width"]:
    """x over its root mean square (RMSNorm without gains); arXiv 1910.07467."""
    return x * jax.lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + jnp.asarray(1e-6, x.dtype))


class Decoder(nn.Module):
    """Pre-norm blocks of causal attention and a GELU layer of 4 x width, learned positions, output matrix of its own,
    no biases; matrices start as normal with deviation fan_in^-1/2, those that write to the residual stream divided by
    (2 layers)^1/2, and embeddings with deviation 1.

    Arguments:
      vocabulary: tokens.
      width: of the residual stream; a multiple of heads.
      layers: blocks.
      heads: of attention.
      length: longest sequence.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    length: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, tokens: Int[Array, "*batch time"], rounding: Rounding = EXACT, output: ArrayLike = 1.0
    ) -> Float[Array, "*batch time vocabulary"]:
        """Logits of the token after each.

        Arguments:
          rounding: what is rounded on the way.
          output: multiplies the logits.
        """
        time = tokens.shape[-1]
        x = self._matrix("tokens", self.vocabulary, self.width, 1.0)[tokens]
        x = x + self._matrix("positions", self.length, self.width, 1.0)[:time]
        causal = jnp.tril(jnp.ones((time, time), bool))
        inner = 1 / math.sqrt(2 * self.layers)

        def product(name: str, x: Array, out: int, scale: float = 1.0) -> Array:
            weight = self._matrix(name, x.shape[-1], out, scale / math.sqrt(x.shape[-1]))
            return rounding.activation(x) @ rounding.weight(weight)

        def split(x: Array) -> Array:
            return jnp.swapaxes(x.reshape(*x.shape[:-1], self.heads, self.width // self.heads), -3, -2)

        for layer in range(self.layers):
            h = normalise(x)
            query = split(product(f"query_{layer}", h, self.width))
            key = rounding.cache(split(product(f"key_{layer}", h, self.width)))
            value = rounding.cache(split(product(f"value_{layer}", h, self.width)))
            scores = query @ jnp.swapaxes(key, -1, -2) / math.sqrt(self.width // self.heads)
            weights = jax.nn.softmax(jnp.where(causal, scores, -jnp.inf), axis=-1)
            mixed = jnp.swapaxes(weights @ value, -3, -2)
            x = x + product(f"attended_{layer}", mixed.reshape(x.shape), self.width, inner)
            h = jax.nn.gelu(product(f"up_{layer}", normalise(x), 4 * self.width))
            x = x + product(f"down_{layer}", h, self.width, inner)
        return product("output", normalise(x), self.vocabulary) * jnp.asarray(output, x.dtype)

    def _matrix(self, name: str, rows: int, columns: int, deviation: float) -> Array:
        return self.param(name, nn.initializers.normal(deviation), (rows, columns), self.dtype)


def matrices(vocabulary: int, width: int, layers: int) -> int:
    """Entries of the matrices that multiply activations, the output too: N of scaling laws, without embeddings."""
    return layers * 12 * width**2 + vocabulary * width
