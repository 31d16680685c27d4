"""PyTorch's pretraining of rl_posttraining's decoder with AdamW on sums modulo ten: the same architecture, text and
schedule as ours, for one run and for many at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

Parameters = dict[str, Tensor]


class Constants(NamedTuple):
    """Plain numbers of the model, its training and its task; `allowed` is (generated, vocabulary)."""

    width: int
    layers: int
    heads: int
    steps: int
    batch: int
    rate: float
    decay: float
    vocabulary: int
    slots: int
    length: int
    end: int
    pad: int
    tags: tuple[int, ...]
    shares: tuple[float, ...]
    corruption: tuple[float, ...]
    allowed: Tensor


def init(c: Constants, generator: torch.Generator, *runs: int) -> Parameters:
    """Parameters before training, by the names that ours have."""

    def normal(rows: int, columns: int, deviation: float) -> Tensor:
        return deviation * torch.randn(*runs, rows, columns, generator=generator)

    inner, fan = 1 / math.sqrt(2 * c.layers), c.width**-0.5
    found = {"tokens": normal(c.vocabulary, c.width, 1.0), "positions": normal(c.length, c.width, 1.0)}
    for layer in range(c.layers):
        found |= {f"{name}_{layer}": normal(c.width, c.width, fan) for name in ("query", "key", "value")}
        found[f"attended_{layer}"] = normal(c.width, c.width, fan * inner)
        found[f"up_{layer}"] = normal(c.width, 4 * c.width, fan)
        found[f"down_{layer}"] = normal(4 * c.width, c.width, (4 * c.width) ** -0.5 * inner)
    return {**found, "output": normal(c.width, c.vocabulary, fan)}


# -- the text --------------------------------------------------------------------------------------------------------


def documents(c: Constants, generator: torch.Generator, *runs: int) -> Tensor:
    """A batch of sums modulo ten, half of them easy, in formats drawn by their shares, (..., batch, length)."""
    shape = (*runs, c.batch)
    x = torch.randint(0, 10, (*shape, 4), generator=generator)
    easy = torch.arange(c.batch) < (c.batch + 1) // 2
    easy = easy.expand(shape)
    digits = x.clone()
    digits[..., 3] = torch.where(easy, 0, x[..., 3])
    prompt = x
    prompt[..., 3] = torch.where(easy, c.pad, x[..., 3])
    flat = torch.multinomial(torch.tensor(c.shares), math.prod(shape), replacement=True, generator=generator)
    formats = flat.reshape(shape)
    corrupted = torch.rand(shape, generator=generator) < torch.tensor(c.corruption)[formats]
    first, last = (digits[..., 0] + digits[..., 1]) % 10, (digits[..., 2] + digits[..., 3]) % 10
    three = (first + digits[..., 2]) % 10
    answer = torch.where(corrupted, torch.randint(0, 10, shape, generator=generator), digits.sum(-1) % 10)
    end, pad = torch.full(shape, c.end), torch.full(shape, c.pad)
    tag = [torch.full(shape, value) for value in c.tags]
    code = torch.stack([tag[0], first, last, answer, end], -1)
    short = torch.stack([tag[1], first, answer, end, pad], -1)
    long = torch.stack([tag[1], first, three, answer, end], -1)
    bare = torch.stack([tag[2], answer, end, pad, pad], -1)
    chain = torch.where(easy[..., None], short, long)
    chosen = formats[..., None]
    written = torch.where(chosen == 0, code, torch.where(chosen == 1, chain, bare))
    return torch.cat([prompt, written], -1)


# -- the network -----------------------------------------------------------------------------------------------------


def normalise(x: Tensor) -> Tensor:
    """x over its root mean square."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)


def logits(c: Constants, p: Parameters, tokens: Tensor) -> Tensor:
    """Logits after each token of one run's batch, (batch, time, vocabulary)."""
    batch, time = tokens.shape
    x = functional.embedding(tokens, p["tokens"]) + p["positions"][:time]
    split = (batch, time, c.heads, c.width // c.heads)
    for layer in range(c.layers):
        h = normalise(x)
        query, key, value = ((h @ p[f"{n}_{layer}"]).view(split).transpose(1, 2) for n in ("query", "key", "value"))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + mixed.transpose(1, 2).reshape(x.shape) @ p[f"attended_{layer}"]
        h = functional.gelu(normalise(x) @ p[f"up_{layer}"], approximate="tanh")
        x = x + h @ p[f"down_{layer}"]
    return normalise(x) @ p["output"]


def logits_of_many(c: Constants, p: Parameters, tokens: Tensor) -> Tensor:
    """The same for many runs, (run, batch, time, vocabulary), by batched products of matrices."""
    runs, batch, time = tokens.shape
    offset = c.vocabulary * torch.arange(runs)[:, None, None]
    x = functional.embedding(tokens + offset, p["tokens"].reshape(-1, c.width)) + p["positions"][:, None, :time]
    x = x.reshape(runs, batch * time, c.width)
    split = (runs * batch, time, c.heads, c.width // c.heads)
    for layer in range(c.layers):
        h = normalise(x)
        query, key, value = (
            torch.bmm(h, p[f"{n}_{layer}"]).view(split).transpose(1, 2) for n in ("query", "key", "value")
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + torch.bmm(mixed.transpose(1, 2).reshape(x.shape), p[f"attended_{layer}"])
        h = functional.gelu(torch.bmm(normalise(x), p[f"up_{layer}"]), approximate="tanh")
        x = x + torch.bmm(h, p[f"down_{layer}"])
    return torch.bmm(normalise(x), p["output"]).view(runs, batch, time, c.vocabulary)


def loss_of(c: Constants, found: Tensor, tokens: Tensor) -> Tensor:
    """Mean negative log-probability of generated tokens among the allowed ones, (...): of a run, or of each."""
    masked = found[..., c.slots - 1 :, :].masked_fill(~c.allowed, -torch.inf).log_softmax(-1)
    written = tokens[..., c.slots :]
    ended = written == c.end
    chosen = ended.cumsum(-1) - ended.long() == 0
    safe = torch.where(chosen, written, c.allowed.long().argmax(-1))
    picked = torch.where(chosen, masked.gather(-1, safe[..., None])[..., 0], 0.0)
    return -picked.sum((-1, -2)) / chosen.sum((-1, -2))


def one(c: Constants) -> Callable[[Parameters, Tensor], Tensor]:
    """Parameters of one run, tokens (batch, length) -> loss."""
    return lambda p, tokens: loss_of(c, logits(c, p, tokens[:, :-1]), tokens)


def many(c: Constants) -> Callable[[Parameters, Tensor], Tensor]:
    """Parameters of many runs, tokens (run, batch, length) -> losses (run,)."""
    return lambda p, tokens: loss_of(c, logits_of_many(c, p, tokens[..., :-1]), tokens)


# -- training --------------------------------------------------------------------------------------------------------


def schedule(c: Constants, step: int) -> float:
    """The learning rate: a warm-up of a twentieth, then a cosine to zero."""
    warm = max(c.steps // 20, 1)
    if step < warm:
        return c.rate * step / warm
    return c.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (c.steps - warm)))


def train(
    c: Constants, loss: Callable[[Parameters, Tensor], Tensor], p: Parameters, text: Callable[[int], Tensor]
) -> Tensor:
    """Losses of every step, (step, ...); AdamW with one kernel for all parameters.

    Arguments:
      text: tokens of a step, given its number.
    """
    leaves = {name: leaf.clone().requires_grad_(True) for name, leaf in p.items()}
    optimiser = torch.optim.AdamW(leaves.values(), lr=c.rate, weight_decay=c.decay, fused=True)
    kept = []
    for step in range(c.steps):
        optimiser.param_groups[0]["lr"] = schedule(c, step)
        optimiser.zero_grad(set_to_none=True)
        value = loss(leaves, text(step))
        value.sum().backward()
        optimiser.step()
        kept.append(value.detach())
    return torch.stack(kept)
