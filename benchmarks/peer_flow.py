"""PyTorch's online SGD of flow_autoencoder's network with one hidden unit on a pair of modes, sampling from it
included: for one run by automatic differentiation, for many by hand. Random numbers are drawn a chunk of steps at a
time, as ours are; the batch is one sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

CHUNK = 32
"""Steps whose samples are drawn together."""


class Constants(NamedTuple):
    """Plain numbers of a setting, and its schedule at the times of the grid, each of shape (grid,)."""

    dimension: int
    steps: int
    records: int
    samples: int
    separation: float
    share: float
    noise: float
    rates: tuple[float, float, float]  # of weight, bias and skip, the latter two over d and d^2
    decay: float
    overlap: float
    spread: float
    alpha: Tensor
    beta: Tensor
    gain: Tensor
    inner: Tensor
    push: Tensor
    pull: Tensor
    lengths: Tensor
    edges: Tensor


class Network(NamedTuple):
    """Weights (d,), bias () and skips (grid,), of a run, or of many with a leading axis."""

    weight: Tensor
    bias: Tensor
    skip: Tensor


Numbers = tuple[Tensor, Tensor]
"""Uniform numbers (2, ..., count) and standard normal ones (2, ..., count, d): of the data, and of time and noise."""
Step = Callable[[Network, Tensor, Tensor, Tensor, tuple[Tensor, ...]], Network]
"""Network, x_1 and x_0 (..., d), index of the time, and alpha, beta, gain and inner gain there -> network."""


def draw(c: Constants, generator: torch.Generator, count: int, *runs: int) -> Numbers:
    """Random numbers for that many samples."""
    return (
        torch.rand(2, *runs, count, generator=generator),
        torch.randn(2, *runs, count, c.dimension, generator=generator),
    )


def drawn(c: Constants, generator: torch.Generator, *runs: int) -> Iterator[Numbers]:
    """The random numbers of one chunk after another."""
    while True:
        yield draw(c, generator, CHUNK, *runs)


def start(c: Constants, normal: Tensor) -> Network:
    """Weights of the given overlap and spread, their other directions from normal numbers (..., d)."""
    frame = normal.clone()
    frame[..., 0] = 0.0
    weight = frame * (c.spread**0.5 / torch.linalg.vector_norm(frame, dim=-1, keepdim=True))
    weight[..., 0] = c.overlap
    runs = normal.shape[:-1]
    return Network(weight * c.dimension**0.5, torch.zeros(runs), torch.zeros(*runs, len(c.alpha)))


def place(c: Constants, uniform: Tensor, normal: Tensor) -> Tensor:
    """Points of the mixture."""
    points = c.noise * normal
    points[..., 0] += torch.where(uniform > c.share, -c.separation, c.separation)
    return points


def branch(c: Constants, net: Network, x: Tensor, gain: Tensor, inner: Tensor) -> Tensor:
    """The nonlinear branch at points (..., count, d) of each network."""
    root = c.dimension**0.5
    hidden = torch.tanh(inner * (x @ net.weight[..., None])[..., 0] / root + net.bias[..., None])
    return (gain / root * hidden)[..., None] * net.weight[..., None, :]


# -- a step ----------------------------------------------------------------------------------------------------------


def _loss(c: Constants, net: Network, skip: Tensor, x1: Tensor, x0: Tensor, here: tuple[Tensor, ...]) -> Tensor:
    alpha, beta, gain, inner = here
    xt = alpha * x0 + beta * x1
    root = c.dimension**0.5
    hidden = torch.tanh(inner * (net.weight @ xt) / root + net.bias)
    out = skip * xt + (gain / root * hidden) * net.weight
    return 0.5 * ((x1 - out) ** 2).sum()


def eager(c: Constants) -> Step:
    """A step of one run by `backward`, the network changed where it lies."""
    weight_rate, bias_rate, skip_rate = c.rates

    def advance(net: Network, x1: Tensor, x0: Tensor, index: Tensor, here: tuple[Tensor, ...]) -> Network:
        for part in net:
            part.requires_grad_(True)
        slope = torch.autograd.grad(_loss(c, net, net.skip[index], x1, x0, here), tuple(net))
        with torch.no_grad():
            net.weight.mul_(c.decay).add_(slope[0], alpha=-weight_rate)
            net.bias.add_(slope[1], alpha=-bias_rate)
            net.skip.add_(slope[2], alpha=-skip_rate)
        return net

    return advance


def one(c: Constants) -> Step:
    """A step of one run by torch.func.grad; no state is changed."""
    weight_rate, bias_rate, skip_rate = c.rates
    places = torch.arange(len(c.alpha))

    def loss(net: Network, x1: Tensor, x0: Tensor, index: Tensor, here: tuple[Tensor, ...]) -> Tensor:
        # an index that differs between runs is no index under vmap
        return _loss(c, net, (net.skip * (places == index)).sum(), x1, x0, here)

    slope = torch.func.grad(loss)

    def advance(net: Network, x1: Tensor, x0: Tensor, index: Tensor, here: tuple[Tensor, ...]) -> Network:
        found = slope(net, x1, x0, index, here)
        return Network(
            c.decay * net.weight - weight_rate * found.weight,
            net.bias - bias_rate * found.bias,
            net.skip - skip_rate * found.skip,
        )

    return advance


def many(c: Constants) -> Step:
    """A step of many runs, the gradient written out."""
    weight_rate, bias_rate, skip_rate = c.rates
    root, places = c.dimension**0.5, torch.arange(len(c.alpha))

    def advance(net: Network, x1: Tensor, x0: Tensor, index: Tensor, here: tuple[Tensor, ...]) -> Network:
        alpha, beta, gain, inner = here  # (runs,)
        chosen = places == index[:, None]
        xt = alpha[:, None] * x0 + beta[:, None] * x1
        hidden = torch.tanh(inner * (net.weight * xt).sum(-1) / root + net.bias)
        skip, strength = (net.skip * chosen).sum(-1), gain / root
        error = skip[:, None] * xt + (strength * hidden)[:, None] * net.weight - x1
        back = strength * (error * net.weight).sum(-1) * (1 - hidden**2)
        slope = (strength * hidden)[:, None] * error + (back * inner / root)[:, None] * xt
        return Network(
            c.decay * net.weight - weight_rate * slope,
            net.bias - bias_rate * back,
            net.skip - skip_rate * chosen * (error * xt).sum(-1)[:, None],
        )

    return advance


# -- a run -----------------------------------------------------------------------------------------------------------


def train(c: Constants, step: Step, net: Network, numbers: Callable[[], Iterator[Numbers]]) -> tuple[Network, Any]:
    """The trained network (or networks), and overlap, norm and bias at the start and after each stretch."""
    seen = [watch(c, net)]
    source = numbers()
    chunks = -(-c.steps // CHUNK)
    for _ in range(c.records):
        for chunk in range(chunks):
            uniform, normal = next(source)
            x1, x0 = place(c, uniform[0], normal[0]), normal[1]
            index = (uniform[1] * len(c.alpha)).long().clamp_(max=len(c.alpha) - 1)
            here = tuple(values[index] for values in (c.alpha, c.beta, c.gain, c.inner))
            for number in range(min(CHUNK, c.steps - chunk * CHUNK)):
                now = tuple(values[..., number] for values in here)
                net = step(net, x1[..., number, :], x0[..., number, :], index[..., number], now)
        seen.append(watch(c, net))
    return Network(*(part.detach() for part in net)), [torch.stack(one) for one in zip(*seen, strict=True)]


def watch(c: Constants, net: Network) -> tuple[Tensor, Tensor, Tensor]:
    """Overlap, norm, bias."""
    weight = net.weight.detach()
    norm = (weight**2).sum(-1) / c.dimension
    return weight[..., 0] / c.dimension**0.5, norm, net.bias.detach().clone()


def simulate(
    c: Constants, step: Step, normal: Tensor, fresh: Numbers, numbers: Callable[[], Iterator[Numbers]]
) -> dict[str, Tensor]:
    """Everything that our simulation records, of one run or many.

    Arguments:
      normal: for the initial weights, (..., d).
      fresh: for the generated samples.
    """
    net, (overlap, norm, bias) = train(c, step, start(c, normal), numbers)
    x1, x0 = place(c, fresh[0][0], fresh[1][0]), fresh[1][1]
    gains, x = [], x0
    for m in range(len(c.alpha)):
        xt = c.alpha[m] * x0 + c.beta[m] * x1
        made = branch(c, net, xt, c.gain[m], c.inner[m])
        rest = x1 - net.skip[..., m, None, None] * xt
        gains.append((made * (made - 2 * rest)).sum(-1).mean(-1))
        out = net.skip[..., m, None, None] * x + branch(c, net, x, c.gain[m], c.inner[m])
        x = x + c.lengths[m] * (c.push[m] * out + c.pull[m] * x)
    return {
        "overlap": overlap,
        "norm": norm,
        "bias": bias,
        "skip": net.skip,
        "gain": torch.stack(gains, -1),
        **measured(c, net, x),
    }


def measured(c: Constants, net: Network, x: Tensor) -> dict[str, Tensor]:
    """Density, occupancy, spread and bulk of generated points."""
    along = x[..., 0]
    below = torch.searchsorted(along.sort(-1).values, c.edges.expand(*along.shape[:-1], -1).contiguous())
    density = below.diff(dim=-1) / along.shape[-1] / c.edges.diff()
    hidden = net.weight.clone()
    hidden[..., 0] = 0.0
    basis = hidden / torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
    rest = (x[..., 1:] ** 2).sum(-1) - (x @ basis[..., None])[..., 0] ** 2
    first = ((along - c.separation).abs() <= (along + c.separation).abs()).float().mean(-1)
    return {
        "density": density,
        "occupancy": torch.stack([first, 1 - first], -1),
        "spread": along.std(-1, correction=0),
        "bulk": rest.mean(-1) / (c.dimension - 2),
    }
