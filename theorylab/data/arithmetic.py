"""Tasks with an exact verifier whose pretraining text mixes answer formats, and one of them: sums modulo ten.

A task of your own is one small class: see docs/rl_posttraining_language.md, "A task of your own".
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from theorylab.core import require


class AbstractTask(abc.ABC):
    """Prompts, answers in several formats, and a reward.

    A sequence is a prompt of `slots` tokens and up to `length - slots` generated ones; the first generated token is the
    tag that says the format, the last one is `end`, and what follows is `pad`.
    """

    vocabulary: ClassVar[int]
    """Tokens are 0 .. vocabulary - 1."""
    slots: ClassVar[int]
    """Length of a prompt."""
    length: ClassVar[int]
    """Length of a whole sequence."""
    tags: ClassVar[tuple[int, ...]]
    """The first generated token of each format."""
    names: ClassVar[tuple[str, ...]]
    """What the formats are called."""
    end: ClassVar[int]
    pad: ClassVar[int]
    shares: tuple[float, ...]
    """Shares of the formats in the pretraining text."""
    kinds: ClassVar[tuple[str, ...]] = ("all",)
    """Kinds of prompt; the pretraining text holds all in equal parts."""

    @abc.abstractmethod
    def prompts(self, key: Key[Array, ""], count: int, kind: str) -> Int[Array, "count slots"]:
        """Prompts of one of `kinds`."""

    @abc.abstractmethod
    def write(
        self, key: Key[Array, ""], prompts: Int[Array, "count slots"], formats: Int[Array, "count"]
    ) -> Int[Array, "count length"]:
        """Pretraining text: every prompt answered in the format of that index."""

    @abc.abstractmethod
    def reward(self, tokens: Int[Array, "*batch length"]) -> Float[Array, "*batch"]:
        """The reward of whole sequences, finite; 1 for right and 0 for wrong where pass@k is to mean something."""

    def answer(self, tokens: Int[Array, "*batch length"]) -> Int[Array, "*batch"]:
        """What a majority votes on: the token before the end; -1 where there is no end, or no token between the tag
        and the end."""
        position = self.position_of_end(tokens)
        before = jnp.take_along_axis(tokens, jnp.maximum(position - 1, 0)[..., None], -1)[..., 0]
        return jnp.where((position >= self.slots + 2) & (position < self.length), before, -1)

    def position_of_end(self, tokens: Int[Array, "*batch length"]) -> Int[Array, "*batch"]:
        """Index of the first end among the generated tokens; `length` where there is none."""
        index = jnp.arange(self.length)
        ended = (tokens == self.end) & (index >= self.slots)
        return jnp.min(jnp.where(ended, index, self.length), -1)

    def format_of(self, tokens: Int[Array, "*batch length"]) -> Int[Array, "*batch"]:
        """Index of the format of whole sequences."""
        return jnp.argmax(tokens[..., self.slots, None] == jnp.array(self.tags), -1)

    def allowed(self) -> Bool[np.ndarray, "generated vocabulary"]:
        """Tokens that may be generated at each place: a tag first, and padding never."""
        mask = np.ones((self.length - self.slots, self.vocabulary), bool)
        mask[0] = np.isin(np.arange(self.vocabulary), self.tags)
        mask[:, self.pad] = False
        return mask

    def documents(self, key: Key[Array, ""], count: int) -> Int[Array, "count length"]:
        """Pretraining text: formats by their shares, kinds of prompt in equal parts."""
        key_prompts, key_formats, key_text = jax.random.split(key, 3)
        parts = [count // len(self.kinds) + (i < count % len(self.kinds)) for i in range(len(self.kinds))]
        drawn = zip(jax.random.split(key_prompts, len(parts)), parts, self.kinds, strict=True)
        prompts = jnp.concatenate([self.prompts(k, part, kind) for k, part, kind in drawn])
        formats = jax.random.categorical(key_formats, jnp.log(jnp.array(self.shares)), shape=(count,))
        return self.write(key_text, prompts, formats)

    def check(self, count: int = 256) -> None:
        """Refuse a task that contradicts itself, on drawn examples, before anything is trained. Raises: `Refused`."""
        require_shares(self.shares)
        require(
            len(self.shares) == len(self.tags) == len(self.names) == len(set(self.tags)),
            f"tags, names and shares must be as many, and tags differ: {self.tags}, {self.names}, {self.shares}",
        )
        require(0 < self.slots < self.length - 1, f"slots must leave room for tag and end: {self.slots}, {self.length}")
        special = (*self.tags, self.end, self.pad)
        require(all(0 <= t < self.vocabulary for t in special), f"tags, end and pad must be tokens, got {special}")
        require(self.end not in self.tags and self.pad not in (*self.tags, self.end), "end, pad and tags must differ")
        keys = jax.random.split(jax.random.key(0), 2)
        text = np.asarray(self.documents(keys[0], count))
        require(text.shape == (count, self.length), f"text must be {(count, self.length)}, got {text.shape}")
        require((text >= 0) & (text < self.vocabulary), f"text must be tokens of 0 .. {self.vocabulary - 1}")
        require(np.isin(text[:, self.slots], self.tags), "the first token after a prompt must be a format's tag")
        require((text[:, self.slots :] == self.end).any(1), f"every answer must hold the end, {self.end}")
        noise = jax.random.randint(keys[1], (count, self.length), 0, self.vocabulary)
        for tokens in (jnp.asarray(text), noise):  # a model may write anything
            reward = np.asarray(self.reward(tokens))
            require(reward.shape == (count,), f"one reward a sequence is needed, {(count,)}, got shape {reward.shape}")
            require(np.isfinite(reward), "rewards must be finite for every sequence: give 0 to unreadable answers")


def require_shares(shares: tuple[float, ...]) -> None:
    """Refuse shares that are no probabilities, or zero. Raises: `Refused`."""
    values = np.asarray(shares, float)
    require(
        values.ndim == 1 and len(values) > 0 and bool(np.all(values > 0)) and abs(values.sum() - 1) < 1e-6,
        f"shares must be positive and sum to 1 (leave a format out rather than give it none), got {tuple(shares)}",
    )


@dataclass(frozen=True)
class Arithmetic(AbstractTask):
    """The sum of digits modulo ten, in three formats (docs/rl_posttraining_language.md, "The task").

    hard: x1 x2 x3 x4; easy: x1 x2 x3 and padding. With s12 = x1 + x2, s34 = x3 + x4 (easy: x3) and s123, modulo ten:
    code `C s12 s34 ans E`, chain `N s12 s123 ans E` (easy: `N s12 ans E`), bare `B ans E`.

    Arguments:
      shares: of code, chain and bare in the pretraining text.
      corruption: how often its final answer is a uniform digit, a format; a perfect model is then right with
        probability 1 - 0.9 corruption.
    """

    shares: tuple[float, ...] = (0.3, 0.5, 0.2)
    corruption: tuple[float, ...] = (0.25, 0.40, 0.50)

    vocabulary: ClassVar[int] = 17
    slots: ClassVar[int] = 4
    length: ClassVar[int] = 9
    names: ClassVar[tuple[str, ...]] = ("code", "chain", "bare")
    tags: ClassVar[tuple[int, ...]] = (10, 11, 12)
    end: ClassVar[int] = 13
    pad: ClassVar[int] = 14
    kinds: ClassVar[tuple[str, ...]] = ("easy", "hard")

    def __post_init__(self) -> None:
        require_shares(self.shares)
        require(len(self.shares) == 3, f"there are three formats, code, chain and bare; got shares {self.shares}")
        values = np.asarray(self.corruption)
        require(
            values.shape == (3,) and bool(np.all((values >= 0) & (values <= 1))),
            f"corruption must be three probabilities, got {self.corruption}",
        )

    def prompts(self, key: Key[Array, ""], count: int, kind: str) -> Int[Array, "count slots"]:
        require(kind in self.kinds, f"kinds of prompt are {self.kinds}, got {kind!r}")
        digits = jax.random.randint(key, (count, self.slots), 0, 10)
        return digits.at[:, 3].set(self.pad) if kind == "easy" else digits

    def write(
        self, key: Key[Array, ""], prompts: Int[Array, "count slots"], formats: Int[Array, "count"]
    ) -> Int[Array, "count length"]:
        key_coin, key_digit = jax.random.split(key)
        count = len(prompts)
        easy = prompts[:, 3] == self.pad
        x = jnp.where(prompts < 10, prompts, 0)
        first, last = (x[:, 0] + x[:, 1]) % 10, (x[:, 2] + x[:, 3]) % 10
        three = (first + x[:, 2]) % 10
        coin = jax.random.uniform(key_coin, (count,), jnp.float32)
        corrupted = coin < jnp.array(self.corruption, jnp.float32)[formats]
        answer = jnp.where(corrupted, jax.random.randint(key_digit, (count,), 0, 10), self.truth(prompts))
        end, pad = jnp.full(count, self.end), jnp.full(count, self.pad)
        code = jnp.stack([jnp.full(count, 10), first, last, answer, end], 1)
        short = jnp.stack([jnp.full(count, 11), first, answer, end, pad], 1)
        long = jnp.stack([jnp.full(count, 11), first, three, answer, end], 1)
        bare = jnp.stack([jnp.full(count, 12), answer, end, pad, pad], 1)
        chain = jnp.where(easy[:, None], short, long)
        written = jnp.take_along_axis(jnp.stack([code, chain, bare]), formats[None, :, None], 0)[0]
        return jnp.concatenate([prompts, written], 1)

    def truth(self, prompts: Int[Array, "*batch slots"]) -> Int[Array, "*batch"]:
        """The sum of a prompt's digits modulo ten."""
        return jnp.sum(jnp.where(prompts < 10, prompts, 0), -1) % 10

    def reward(self, tokens: Int[Array, "*batch length"]) -> Float[Array, "*batch"]:
        """1 where the token before the end is the sum; what is written in between is not looked at."""
        return (self.answer(tokens) == self.truth(tokens[..., : self.slots])).astype(jnp.float32)
