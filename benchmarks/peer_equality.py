"""PyTorch's training of equality_reasoning's network on all pairs of a few symbols, shares of a batch drawn anew each
step: for one run by automatic differentiation, for many by hand. Weights are stored as displacements, as ours are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class Constants(NamedTuple):
    """Plain numbers of a setting; `gamma` divides the output, `rate` is the raw weights' learning rate."""

    dimension: int
    symbols: int
    width: int
    batch: int
    steps: int
    tests: int
    gamma: float
    rate: float


class Start(NamedTuple):
    """Initial weights (2 d, N) and (N,), the pairs' inputs (L^2, 2 d), and the tested inputs (2, tests, 2 d), of a run,
    or of many with a leading axis."""

    first: Tensor
    readout: Tensor
    x: Tensor
    tested: Tensor


def draw(c: Constants, generator: torch.Generator, *runs: int) -> Start:
    """Random weights, symbols and test pairs."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*runs, *shape, generator=generator)

    symbols = normal(c.symbols, c.dimension) * c.dimension**-0.5
    novel = normal(2, c.tests, c.dimension) * c.dimension**-0.5
    one, other = pairs(c.symbols)
    x = torch.cat([symbols[..., one, :], symbols[..., other, :]], -1)
    first, second = novel[..., 0, :, :], novel[..., 1, :, :]
    tested = torch.stack([torch.cat([first, first], -1), torch.cat([first, second], -1)], -3)
    return Start(normal(2 * c.dimension, c.width), normal(c.width), x, tested)


def pairs(count: int) -> tuple[Tensor, Tensor]:
    """Indices of the two symbols of all ordered pairs."""
    index = torch.arange(count)
    return index.repeat_interleave(count), index.repeat(count)


def labels(count: int) -> Tensor:
    """+1 where the same, -1 where different."""
    one, other = pairs(count)
    return torch.where(one == other, 1.0, -1.0)


def draw_shares(c: Constants, generator: torch.Generator, *runs: int) -> Tensor:
    """How often each pair is in a batch; half the examples are same pairs."""
    coin, one, shift = torch.rand(3, *runs, c.batch, generator=generator)
    first = (one * c.symbols).long().clamp_(max=c.symbols - 1)
    further = 1 + (shift * (c.symbols - 1)).long().clamp_(max=c.symbols - 2)
    second = torch.where(coin < 0.5, first, (first + further) % c.symbols)
    shares = torch.zeros(*runs, c.symbols**2)
    return shares.scatter_add_(-1, first * c.symbols + second, torch.full_like(coin, 1.0 / c.batch))


def output(c: Constants, first: Tensor, readout: Tensor, x: Tensor) -> Tensor:
    """f before its initial value is subtracted."""
    return torch.relu(x @ first) @ readout / (c.gamma * c.width)


def one(c: Constants) -> Callable[..., tuple[Tensor, Tensor]]:
    """A step of one run: displacements, shares, start, initial output -> new displacements; by torch.func.grad."""
    signs = labels(c.symbols)

    def loss(moved: tuple[Tensor, Tensor], shares: Tensor, start: Start, begin: Tensor) -> Tensor:
        out = output(c, start.first + moved[0], start.readout + moved[1], start.x) - begin
        return (shares * functional.softplus(-signs * out)).sum()

    slope = torch.func.grad(loss)

    def advance(moved: tuple[Tensor, Tensor], shares: Tensor, start: Start, begin: Tensor) -> tuple[Tensor, Tensor]:
        found = slope(moved, shares, start, begin)
        return moved[0] - c.rate * found[0], moved[1] - c.rate * found[1]

    return advance


def eager(c: Constants) -> Callable[..., tuple[Tensor, Tensor]]:
    """The same step by `backward`, the displacements changed where they lie."""
    signs = labels(c.symbols)

    def advance(moved: tuple[Tensor, Tensor], shares: Tensor, start: Start, begin: Tensor) -> tuple[Tensor, Tensor]:
        for part in moved:
            part.requires_grad_(True)
        out = output(c, start.first + moved[0], start.readout + moved[1], start.x) - begin
        slopes = torch.autograd.grad((shares * functional.softplus(-signs * out)).sum(), moved)
        with torch.no_grad():
            for part, slope in zip(moved, slopes, strict=True):
                part.add_(slope, alpha=-c.rate)
        return moved

    return advance


def many(c: Constants) -> Callable[..., tuple[Tensor, Tensor]]:
    """A step of many runs by hand: batched products, the gradient written out, displacements changed where they lie."""
    signs, weigh = labels(c.symbols), 1 / (c.gamma * c.width)

    def advance(moved: tuple[Tensor, Tensor], shares: Tensor, start: Start, begin: Tensor) -> tuple[Tensor, Tensor]:
        readout = start.readout + moved[1]
        features = torch.relu_(torch.bmm(start.x, start.first + moved[0]))
        out = torch.bmm(features, readout[:, :, None])[:, :, 0] * weigh - begin
        pull = -weigh * shares * signs * torch.sigmoid(-signs * out)
        back = torch.where(features > 0, pull[:, :, None] * readout[:, None], 0.0)
        moved[0].baddbmm_(start.x.mT, back, alpha=-c.rate)
        moved[1].sub_(torch.bmm(pull[:, None], features)[:, 0], alpha=c.rate)
        return moved

    return advance


def train(
    c: Constants, step: Callable[..., Any], start: Start, shares: Callable[[int], Tensor], recorded: Any
) -> dict[str, Tensor]:
    """Curves of one run or many; the axis of records is the first.

    Arguments:
      shares: of the batch of a step, given its number.
    """
    moved: Any = (torch.zeros_like(start.first), torch.zeros_like(start.readout))

    def seen(moved: Any, x: Tensor) -> Tensor:
        first, readout = start.first + moved[0].detach(), start.readout + moved[1].detach()
        features = torch.relu(x @ (first if x.dim() == first.dim() else first[..., None, :, :]))
        return (features @ (readout[..., None] if x.dim() == first.dim() else readout[..., None, :, None]))[..., 0] / (
            c.gamma * c.width
        )

    begin, tested = seen(moved, start.x), seen(moved, start.tested)
    kept, done = [], 0
    for end in recorded:
        for number in range(done, int(end)):
            moved = step(moved, shares(number), start, begin)
        done = int(end)
        kept.append(record(c, seen(moved, start.tested) - tested, moved, start))
    return {name: torch.stack([one[name] for one in kept]) for name in kept[0]}


def record(c: Constants, found: Tensor, moved: Any, start: Start) -> dict[str, Tensor]:
    """Accuracies, balance, cone ratio and cosines."""
    right = 0.5 + 0.5 * torch.sign(found).mean(-1) * torch.tensor([1.0, -1.0])
    first, readout = start.first + moved[0].detach(), start.readout + moved[1].detach()
    left, other = first[..., : c.dimension, :], first[..., c.dimension :, :]
    a, b, e = (left**2).sum(-2), (left * other).sum(-2), (other**2).sum(-2)
    up, down = readout > 0, readout < 0
    strength, cosine = readout.abs() * (a + e).sqrt(), b / (a * e).sqrt()
    up_total, down_total = (strength * up).sum(-1), (strength * down).sum(-1)
    return {
        "accuracy": right.mean(-1),
        "accuracy_same": right[..., 0],
        "accuracy_different": right[..., 1],
        "balance": (readout**2 * down).sum(-1) / (readout**2 * up).sum(-1),
        "ratio": down_total / up_total,
        "cosine_positive": (strength * cosine * up).sum(-1) / up_total,
        "cosine_negative": (strength * cosine * down).sum(-1) / down_total,
    }
