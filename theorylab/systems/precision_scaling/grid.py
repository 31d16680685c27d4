"""The presets `grid` and `accelerator`: transformers over size, data and precision (docs page, section 5)."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from theorylab.core import Cells, Outcome
from theorylab.systems.precision_scaling import simulation_grid
from theorylab.systems.precision_scaling.simulation_grid import Setup, Shape

FULL = 16.0
"""Bits of a part that is not rounded."""


class Plan(NamedTuple):
    """A grid of runs.

    Arguments:
      fitted, held_out: (shape, tokens) of the cells that laws are fitted to, and judged on.
      seeds, held_out_seeds: runs of each.
      bits: (weights, activations, cache) of each setting; the first is full precision.
      post: bits to which weights are rounded after training.
    """

    setup: Setup
    fitted: tuple[tuple[Shape, float], ...]
    held_out: tuple[tuple[Shape, float], ...]
    seeds: int
    held_out_seeds: int
    bits: tuple[tuple[float, float, float], ...]
    post: tuple[float, ...]


SETTINGS = (
    (FULL, FULL, FULL),
    *((w, FULL, FULL) for w in (2.0, 3.0, 4.0)),
    *((FULL, a, FULL) for a in (3.0, 4.0, 5.0)),
    *((FULL, FULL, c) for c in (2.0, 3.0)),
    *((3.0, 3.0, 3.0), (4.0, 4.0, 4.0), (3.0, 4.0, 4.0)),
)
SHAPES = (Shape(16, 1), Shape(16, 2), Shape(32, 1), Shape(32, 2))
TOKENS = tuple(float(round(2**18 * 4 ** (i / 3) / 256) * 256) for i in range(4))
GRID = Plan(
    Setup(),
    tuple((shape, tokens) for shape in SHAPES for tokens in TOKENS),
    (
        (Shape(48, 2), TOKENS[1]),
        (Shape(48, 2), TOKENS[3]),
        (Shape(16, 2), 2 * TOKENS[3]),
        (Shape(32, 2), 2 * TOKENS[3]),
    ),
    seeds=1,
    held_out_seeds=1,
    bits=SETTINGS,
    post=(3.0, 4.0, 5.0, 6.0),
)

MANY = (
    (FULL, FULL, FULL),
    *((w, FULL, FULL) for w in (3.0, 4.0, 5.0, 6.0, 8.0)),
    *((FULL, a, FULL) for a in (3.0, 4.0, 5.0, 6.0, 8.0)),
    *((FULL, FULL, c) for c in (2.0, 3.0, 4.0, 6.0)),
    *((p, p, p) for p in (3.0, 4.0, 6.0, 8.0)),
    (3.0, 4.0, 4.0),
)
LARGE_SHAPES = (Shape(64, 2), Shape(128, 2), Shape(128, 4), Shape(256, 4), Shape(384, 6))
LARGE_TOKENS = (4e6, 8e6, 16e6, 32e6)
LARGE = Plan(
    Setup(letters=64, length=128, batch=64, head=32, rate=3e-3, evaluated=512, calibration=128),
    tuple((shape, tokens) for shape in LARGE_SHAPES[:-1] for tokens in LARGE_TOKENS[:-1]),
    (
        *((LARGE_SHAPES[-1], tokens) for tokens in LARGE_TOKENS[1:]),
        *((shape, LARGE_TOKENS[-1]) for shape in LARGE_SHAPES[1:-1]),
        (Shape(512, 8), 64e6),
    ),
    seeds=3,
    held_out_seeds=1,
    bits=MANY,
    post=(3.0, 4.0, 5.0, 6.0),
)


class Runs(NamedTuple):
    """What one cell's seeds gave: losses in nats.

    Arguments:
      loss: (seeds, settings), tested as trained.
      rounded: (seeds, settings, post), weights rounded to the nearest after training.
      compensated: (seeds, post), full-precision weights rounded with compensation.
    """

    loss: np.ndarray
    rounded: np.ndarray
    compensated: np.ndarray


Measured = dict[tuple[Shape, float], Runs]


def runs_of(cells: Cells, plan: Plan, shape: Shape, tokens: float, seeds: int) -> Runs:
    """Every seed of one cell, each kept on its own."""
    found = []
    for seed in range(seeds):
        question = {"setup": list(plan.setup), "shape": list(shape), "tokens": tokens, "seed": seed}
        question |= {"bits": [list(b) for b in plan.bits], "post": list(plan.post)}
        measure = functools.partial(simulation_grid.measure, plan.setup, shape, tokens, plan.bits, plan.post, seed)
        found.append(cells(question, measure))
    return Runs(*(np.stack([one[name] for one in found]) for name in Runs._fields))


def measured(cells: Cells, plan: Plan) -> tuple[Measured, Measured]:
    """All runs of a plan: those that laws are fitted to, and those they are judged on."""
    both: list[Measured] = []
    for what, seeds in ((plan.fitted, plan.seeds), (plan.held_out, plan.held_out_seeds)):
        found: Measured = {}
        for shape, tokens in what:
            cells.say(f"width {shape.width}, {shape.layers} layers, {tokens:,.0f} tokens: {len(plan.bits)} settings")
            found[shape, tokens] = runs_of(cells, plan, shape, tokens, seeds)
        both.append(found)
    return both[0], both[1]


def experiment(cells: Cells) -> Outcome:
    """The grid on two cores."""
    from theorylab.systems.precision_scaling.grid_report import outcome

    return outcome(GRID, *measured(cells, GRID))


def accelerator(cells: Cells) -> Outcome:
    """The grid of hundreds of runs, sizes for one accelerator."""
    from theorylab.systems.precision_scaling.grid_report import outcome

    return outcome(LARGE, *measured(cells, LARGE))
