"""Sampling from a decoder, and the log-probabilities of what was sampled, under one set of rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from theorylab.networks.transformer import Decoder, normalise

Apply = Callable[[Any, Int[Array, "batch time"]], Float[Array, "batch time vocabulary"]]
"""Parameters and tokens -> logits of the token after each."""


class Grammar(Protocol):
    """What may be generated: after a prompt of `slots` tokens, up to `length` in all, until `end`; `pad` follows."""

    slots: ClassVar[int]
    length: ClassVar[int]
    end: ClassVar[int]
    pad: ClassVar[int]

    def allowed(self) -> Bool[np.ndarray, "generated vocabulary"]:
        """Tokens that may be generated at each place."""
        ...


class Cached(NamedTuple):
    """A decoder that is run token by token.

    Arguments:
      start: batch -> empty cache.
      advance: parameters, cache, tokens (batch,), place -> logits (batch, vocabulary), cache.
    """

    start: Callable[[int], Any]
    advance: Callable[[Any, Any, Int[Array, "batch"], Int[Array, ""]], tuple[Float[Array, "batch vocabulary"], Any]]


class Policy(NamedTuple):
    """A decoder that generates.

    Arguments:
      apply: whole sequences at once: what is differentiated.
      cached: token by token, for sampling; None: sampling applies the decoder to whole sequences again and again.
    """

    apply: Apply
    cached: Cached | None = None


class Rollouts(NamedTuple):
    """Sampled sequences.

    Arguments:
      tokens: prompt, then what was generated, then padding.
      logprobs: of every generated token; 0 after the end.
      chosen: which generated places the policy chose: all up to and with the end.
    """

    tokens: Int[Array, "batch length"]
    logprobs: Float[Array, "batch generated"]
    chosen: Bool[Array, "batch generated"]


def decoder_policy(decoder: Decoder) -> Policy:
    """The policy of this package's decoder, sampled with a key-value cache."""
    return Policy(cast(Apply, decoder.apply), cached_decoder(decoder))


def cached_decoder(decoder: Decoder) -> Cached:
    """The unrounded `Decoder` token by token: keys and values of earlier tokens are kept, not computed again."""
    heads, size = decoder.heads, decoder.width // decoder.heads

    def start(batch: int) -> Float[Array, "layer two batch length heads size"]:
        return jnp.zeros((decoder.layers, 2, batch, decoder.length, heads, size), decoder.dtype)

    def advance(parameters: Any, cache: Array, tokens: Array, place: Array) -> tuple[Array, Array]:
        weights = parameters["params"]
        x = weights["tokens"][tokens] + weights["positions"][place]
        seen = jnp.arange(decoder.length) <= place
        for layer in range(decoder.layers):
            h = normalise(x)
            split = (len(tokens), heads, size)
            query, key, value = ((h @ weights[f"{n}_{layer}"]).reshape(split) for n in ("query", "key", "value"))
            cache = cache.at[layer, :, :, place].set(jnp.stack([key, value]))
            scores = jnp.sum(query[:, None] * cache[layer, 0], -1) / math.sqrt(size)
            attention = jax.nn.softmax(jnp.where(seen[:, None], scores, -jnp.inf), axis=1)
            mixed = jnp.sum(attention[..., None] * cache[layer, 1], 1)
            x = x + mixed.reshape(x.shape) @ weights[f"attended_{layer}"]
            x = x + jax.nn.gelu(normalise(x) @ weights[f"up_{layer}"]) @ weights[f"down_{layer}"]
        return normalise(x) @ weights["output"], cache

    return Cached(start, advance)


def _again_and_again(apply: Apply, length: int) -> Cached:
    """Any decoder token by token: the cache is the sequence itself."""

    def advance(parameters: Any, cache: Array, tokens: Array, place: Array) -> tuple[Array, Array]:
        cache = cache.at[:, place].set(tokens)
        return jax.lax.dynamic_index_in_dim(apply(parameters, cache), place, 1, keepdims=False), cache

    return Cached(lambda batch: jnp.zeros((batch, length), jnp.int32), advance)


def masked_logprobs(
    logits: Float[Array, "*batch vocabulary"], allowed: Bool[Array, "*batch vocabulary"]
) -> Float[Array, "*batch vocabulary"]:
    """Logarithms of the probabilities among the allowed tokens; minus infinity for the others."""
    return jax.nn.log_softmax(jnp.where(allowed, logits, -jnp.inf), -1)


def sample(
    policy: Policy,
    parameters: Any,
    grammar: Grammar,
    prompts: Int[Array, "batch slots"],
    key: Key[Array, ""],
    allowed: Bool[ArrayLike, "generated vocabulary"] | None = None,
) -> Rollouts:
    """Generate an answer to every prompt at temperature 1 (docs/rl_posttraining_language.md eq. (2)).

    Arguments:
      allowed: tokens that may be generated at each place, instead of the grammar's own: one tag only, to see a format.
    """
    slots, length = grammar.slots, grammar.length
    cached = policy.cached or _again_and_again(policy.apply, length)
    mask = jnp.asarray(grammar.allowed() if allowed is None else allowed)
    batch = prompts.shape[0]

    def feed(cache: Any, at: tuple[Array, Array]) -> tuple[Any, None]:
        return cached.advance(parameters, cache, *at)[1], None

    def generate(state: tuple[Any, Array, Array], at: tuple[Array, Array, Array]) -> tuple[Any, Any]:
        cache, last, running = state
        place, may, key = at
        logits, cache = cached.advance(parameters, cache, last, place)
        logprobs = masked_logprobs(logits, may)
        drawn = jax.random.categorical(key, logprobs)
        token = jnp.where(running, drawn, grammar.pad)
        logprob = jnp.where(running, jnp.take_along_axis(logprobs, drawn[:, None], 1)[:, 0], 0)
        return (cache, token, running & (token != grammar.end)), (token, logprob, running)

    cache, _ = jax.lax.scan(feed, cached.start(batch), (prompts[:, :-1].T, jnp.arange(slots - 1)))
    steps = (jnp.arange(slots - 1, length - 1), mask, jax.random.split(key, length - slots))
    start = (cache, prompts[:, -1], jnp.ones(batch, bool))
    _, (tokens, logprobs, chosen) = jax.lax.scan(generate, start, steps)
    return Rollouts(jnp.concatenate([prompts, tokens.T], 1), logprobs.T, chosen.T)


def chosen_places(grammar: Grammar, tokens: Int[Array, "batch length"]) -> Bool[Array, "batch generated"]:
    """Generated places up to and with the first end."""
    ended = tokens[:, grammar.slots :] == grammar.end
    return jnp.cumsum(ended, 1) - ended == 0


def logprobs_of(
    policy: Policy, parameters: Any, grammar: Grammar, tokens: Int[Array, "batch length"]
) -> Float[Array, "batch generated"]:
    """Log-probability of every generated token of whole sequences, in one pass, under the masks that `sample` uses;
    0 after the end (docs/rl_posttraining_language.md eq. (2))."""
    logits = policy.apply(parameters, tokens[:, :-1])[:, grammar.slots - 1 :]
    logprobs = masked_logprobs(logits, jnp.asarray(grammar.allowed()))
    written = tokens[:, grammar.slots :]
    chosen = chosen_places(grammar, tokens)
    safe = jnp.where(chosen, written, jnp.argmax(jnp.asarray(grammar.allowed()), -1))  # padding has no probability
    return jnp.where(chosen, jnp.take_along_axis(logprobs, safe[..., None], -1)[..., 0], 0)
