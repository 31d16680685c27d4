"""PyTorch's gradient descent of deep linear networks: the same outer products and records as ours, for one run and,
by hand, for many. Settings as in deep_linear_dmft with isotropic data and a fixed training set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Constants(NamedTuple):
    """Plain numbers of a setting of docs/deep_linear_dmft.md; richness is divided by the root of the dimension."""

    depth: int
    width: int
    dimension: int
    samples: int
    steps: int
    rate: float
    richness: float
    noise: float


class Start(NamedTuple):
    """Weights, inputs and label noise of a run, or of many with a leading axis."""

    first: Tensor
    hidden: Tensor
    readout: Tensor
    x: Tensor
    noise: Tensor


def draw(c: Constants, generator: torch.Generator, *runs: int) -> Start:
    """Random weights and data."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*runs, *shape, generator=generator)

    return Start(
        normal(c.width, c.dimension),
        normal(c.depth - 1, c.width, c.width),
        normal(c.width),
        normal(c.samples, c.dimension).mul_(c.dimension**-0.5),
        normal(c.samples),
    )


def one(c: Constants) -> Callable[..., tuple[Any, Any]]:
    """A step of one run: (first, hidden, readout), x, noise -> new weights and records; no state is changed."""
    scale, step = c.width**-0.5, c.rate * c.dimension * c.richness
    weigh = 1 / (c.richness * c.width)
    unit, values = float(c.dimension), 1.0 / c.dimension

    def advance(weights: tuple[Tensor, Tensor, Tensor], x: Tensor, noise: Tensor) -> tuple[Any, Any]:
        first, hidden, readout = weights
        backward = [readout]
        for layer in range(c.depth - 2, -1, -1):
            backward.append(scale * (backward[-1] @ hidden[layer]))
        backward.reverse()
        errors = 1.0 - weigh * (backward[0] @ first)
        residual = x @ errors + c.noise * noise
        force = (residual @ x) / c.samples
        forward = [first @ force]
        for layer in range(c.depth - 1):
            forward.append(scale * (hidden[layer] @ forward[-1]))
        features, gradients = torch.stack(forward), torch.stack(backward)
        new = (
            first + step * torch.outer(backward[0], force),
            hidden + step * scale * gradients[1:, :, None] * features[:-1, None, :],
            readout + step * forward[-1],
        )
        feature, gradient = (features**2).mean(1), (gradients**2).mean(1)
        moved = (gradient[1:] * feature[:-1]).sum() + feature[-1]
        return new, {
            "error": values**0.5 * errors,
            "train_loss": (residual**2).sum() / c.samples,
            "feature_kernel": feature * unit,
            "gradient_kernel": gradient,
            "ntk": gradient[0] + moved / (force**2).sum(),
        }

    return advance


def many(c: Constants) -> Callable[..., tuple[Any, Any]]:
    """The same step of many runs, leading axes everywhere, the weights changed where they lie."""
    scale, step = c.width**-0.5, c.rate * c.dimension * c.richness
    weigh = 1 / (c.richness * c.width)
    unit, values = float(c.dimension), 1.0 / c.dimension

    def row(vector: Tensor, matrix: Tensor) -> Tensor:
        return torch.bmm(vector[:, None], matrix)[:, 0]

    def column(matrix: Tensor, vector: Tensor) -> Tensor:
        return torch.bmm(matrix, vector[:, :, None])[:, :, 0]

    def advance(weights: tuple[Tensor, Tensor, Tensor], x: Tensor, noise: Tensor) -> tuple[Any, Any]:
        first, hidden, readout = weights
        backward = [readout.clone()]
        for layer in range(c.depth - 2, -1, -1):
            backward.append(scale * row(backward[-1], hidden[:, layer]))
        backward.reverse()
        errors = 1.0 - weigh * row(backward[0], first)
        residual = column(x, errors) + c.noise * noise
        force = row(residual, x) / c.samples
        forward = [column(first, force)]
        for layer in range(c.depth - 1):
            forward.append(scale * column(hidden[:, layer], forward[-1]))
        first.baddbmm_(backward[0][:, :, None], force[:, None], alpha=step)
        for layer in range(c.depth - 1):
            hidden[:, layer].baddbmm_(backward[layer + 1][:, :, None], forward[layer][:, None], alpha=step * scale)
        readout.add_(forward[-1], alpha=step)
        features, gradients = torch.stack(forward, 1), torch.stack(backward, 1)
        feature, gradient = (features**2).mean(2), (gradients**2).mean(2)
        moved = (gradient[:, 1:] * feature[:, :-1]).sum(1) + feature[:, -1]
        return (first, hidden, readout), {
            "error": values**0.5 * errors,
            "train_loss": (residual**2).sum(1) / c.samples,
            "feature_kernel": feature * unit,
            "gradient_kernel": gradient,
            "ntk": gradient[:, 0] + moved / (force**2).sum(1),
        }

    return advance


def train(c: Constants, step: Callable[..., tuple[Any, Any]], start: Start, anchors: Any) -> dict[str, Tensor]:
    """Curves of one run or many; the axis of steps is the first."""
    weights: Any = (start.first, start.hidden, start.readout)
    kept = []
    for _ in range(c.steps):
        weights, record = step(weights, start.x, start.noise)
        kept.append(record)
    curves = {name: torch.stack([record[name] for record in kept]) for name in kept[0]}
    errors = curves.pop("error")
    curves["loss"] = (errors**2).sum(-1)
    curves["error_correlation"] = torch.einsum("s...d,t...d->st...", errors[torch.as_tensor(anchors)], errors)
    return curves


# -- numpy -----------------------------------------------------------------------------------------------------------


def numpy_train(c: Constants, start: tuple[Any, ...]) -> dict[str, Any]:
    """One run in numpy alone, the weights changed where they lie: test and training loss."""
    import numpy as np

    first, hidden, readout, x, noise = start
    scale, step = c.width**-0.5, c.rate * c.dimension * c.richness
    loss, train_loss, others = [], [], []
    for _ in range(c.steps):
        backward = [readout.copy()]
        for layer in range(c.depth - 2, -1, -1):
            backward.append(scale * (backward[-1] @ hidden[layer]))
        backward.reverse()
        errors = 1.0 - (backward[0] @ first) / (c.richness * c.width)
        residual = x @ errors + c.noise * noise
        force = (residual @ x) / c.samples
        forward = [first @ force]
        for layer in range(c.depth - 1):
            forward.append(scale * (hidden[layer] @ forward[-1]))
        first += np.outer(step * backward[0], force)
        for layer in range(c.depth - 1):
            hidden[layer] += np.outer(step * scale * backward[layer + 1], forward[layer])
        readout += step * forward[-1]
        feature, gradient = (np.stack(v).astype(np.float32) ** 2 for v in (forward, backward))
        others.append((feature.mean(1), gradient.mean(1)))
        loss.append((errors**2).sum() / c.dimension)
        train_loss.append((residual**2).sum() / c.samples)
    return {"loss": np.array(loss), "train_loss": np.array(train_loss), "others": others}
