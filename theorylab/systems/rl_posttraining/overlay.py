"""The tabular theory laid over a language model's run: a diagnostic with a share error and R^2, not a verdict.

The theory takes measured inputs (shares and skills at the start, or skills all along) and one or two numbers fitted on
the first third of the run; what is reported is the rest. docs/rl_posttraining_language.md, "Overlays", eqs. (9), (10).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theorylab.core import require
from theorylab.systems.rl_posttraining import theory_flow, theory_maps
from theorylab.systems.rl_posttraining.theory_groups import Advantage, factor_of
from theorylab.systems.rl_posttraining.theory_noise import Sampling, local_control

Level = Literal["frozen", "measured", "coupled"]
Geometry = theory_flow.Geometry
LEVELS: tuple[Level, ...] = ("frozen", "measured", "coupled")
GEOMETRIES: tuple[Geometry, ...] = ("euclid", "natural")
RATES, RATIOS = (1e-3, 10.0), (0.05, 50.0)
"""Where the fitted rate a step and the skills' rate ratio are looked for."""
CLOSEST = 0.01
"""Skills of the coupled theory are kept this far from 0 and 1, where their logits end."""


LEAST = 1e-4
"""A format that was not sampled at the start is given this share: its logit is not known, but finite."""


class Seen(NamedTuple):
    """What was measured of one run.

    Arguments:
      steps: of the measurements, the first of which is 0.
      shares: of the formats.
      accuracy: of each format; nan where it was not sampled.
      skills: accuracy at every question before the run.
    """

    steps: Float[np.ndarray, "record"]
    shares: Float[np.ndarray, "record format"]
    accuracy: Float[np.ndarray, "record format"]
    skills: Float[np.ndarray, "question format"]


class Overlay(NamedTuple):
    """A theory laid over a run.

    Arguments:
      shares: predicted, at the run's steps.
      rate: fitted time a step.
      ratio: fitted rate of skills relative to formats; nan where there is none.
      error: largest error of a share after the first third.
      fit: R^2 of the shares after the first third, each format about its own mean there.
      fit_all: R^2 over the whole run.
      winner: whether the format with the largest share at the end is named.
      control: size of the control number, docs/rl_posttraining.md eq. (27), of the two largest formats at the end, with
        the accuracies measured there and the fitted rate: below about one, chance decides between them.
    """

    shares: Float[np.ndarray, "record format"]
    rate: float
    ratio: float
    error: float
    fit: float
    fit_all: float
    winner: bool
    control: float = float("nan")

    @property
    def good(self) -> bool:
        """R^2 >= .8 and share error <= .10 after the first third."""
        return self.fit >= 0.8 and self.error <= 0.1


def first_third(steps: Float[np.ndarray, "record"]) -> np.ndarray:
    """Which measurements a time scale is fitted to."""
    return np.asarray(steps) <= np.asarray(steps)[-1] / 3


def overlay(
    level: Level,
    geometry: Geometry,
    seen: Seen,
    *,
    advantage: Advantage = "grpo",
    group: int = 8,
    batch: int = 32,
    offset: float = 0.0,
    kl: float = 0.0,
) -> Overlay:
    """Fit the time a step (and for coupled skills their rate) on the first third, and judge the rest.

    Arguments:
      level: skills stay as they were at the start ("frozen"), are given as measured, or are learned from practice
        ("coupled": skills are fitted too, shares times accuracy).
      advantage, group, batch, offset, kl: of the algorithm.
    """
    require(level in LEVELS, f"levels are {LEVELS}, got {level!r}")
    require(len(seen.steps) >= 6, f"an overlay needs 6 measurements or more, got {len(seen.steps)}")
    early = first_third(seen.steps)
    accuracy = carried_forward(seen.accuracy)
    how = (advantage, group, batch, offset)
    mean = np.clip(accuracy[0], CLOSEST, 1 - CLOSEST)[None]
    skills = {"frozen": seen.skills, "measured": accuracy[:, None], "coupled": mean}[level]
    with jax.enable_x64(True):
        program = _program(level, geometry, how)
        start = np.maximum(seen.shares[0], LEAST)
        arguments = tuple(jnp.asarray(x, float) for x in (seen.steps, start / start.sum(), skills, kl))

        def paths(points: np.ndarray) -> np.ndarray:
            return np.asarray(program(jnp.asarray(points), *arguments))

        target = np.concatenate([seen.shares, seen.shares * accuracy], 1) if level == "coupled" else seen.shares

        def loss(points: np.ndarray) -> np.ndarray:
            found = paths(points)[..., : target.shape[1]]
            found = np.where(np.isfinite(found), found, 10.0)  # a solve that failed is no candidate
            return np.sum((found - target)[:, early] ** 2, (1, 2))

        bounds = [RATES, RATIOS] if level == "coupled" else [RATES]
        best = zoomed(loss, bounds)
        shares = paths(best[None])[0, :, : seen.shares.shape[1]]
        how_noisy = Sampling(advantage, group, batch, float(best[0]), geometry=geometry, offset=offset)
        leading = accuracy[-1][np.argsort(seen.shares[-1])[-2:]]
        control = abs(float(local_control(leading[None], None, how_noisy)))
    ratio = float(best[1]) if level == "coupled" else float("nan")
    return _judged(shares, float(best[0]), ratio, seen.shares, early)._replace(control=control)


def overlay_expert(seen: Seen) -> Overlay:
    """Expert Iteration from the base: the strength of refitting in p0 a^(l (1 - l^n) / (1 - l)), fitted on round 1,
    in place of a rate."""
    early = first_third(seen.steps)
    a = np.maximum(seen.skills.mean(0), 1e-6)

    def paths(points: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            found = [
                theory_maps.expert_shares(seen.steps, seen.shares[0], a, restart=True, refit=float(one[0]))
                for one in points
            ]
        return np.stack([np.asarray(one) for one in found])

    best = zoomed(lambda points: np.sum((paths(points) - seen.shares)[:, early] ** 2, (1, 2)), [(1e-3, 0.999)])
    return _judged(paths(best[None])[0], float(best[0]), float("nan"), seen.shares, early)


def carried_forward(accuracy: Float[np.ndarray, "record format"]) -> Float[np.ndarray, "record format"]:
    """Undefined accuracies replaced by the last that was defined; by the first one that is, before that; by one half
    for a format that was never sampled, whose share is too small for it to matter."""
    filled = np.array(accuracy, float)
    for column in filled.T:
        known = np.flatnonzero(np.isfinite(column))
        if len(known) == 0:
            column[:] = 0.5
            continue
        last = known[np.maximum(np.searchsorted(known, np.arange(len(column)), side="right") - 1, 0)]
        column[:] = column[last]
    return filled


def zoomed(
    loss: Callable[[np.ndarray], np.ndarray], bounds: list[tuple[float, float]], nodes: int = 17, rounds: int = 5
) -> Float[np.ndarray, "parameter"]:
    """Minimise over a logarithmic grid, then over ever finer ones around the best node: no start can trap it.

    Arguments:
      loss: points (n, parameter) -> (n,).
    """
    low, high = (np.log([pair[side] for pair in bounds]) for side in (0, 1))
    outer = low, high
    best = low
    for _ in range(rounds):
        grid = np.meshgrid(*(np.linspace(a, b, nodes) for a, b in zip(low, high, strict=True)), indexing="ij")
        points = np.stack([axis.ravel() for axis in grid], 1)
        best = points[np.argmin(loss(np.exp(points)))]
        reach = 1.5 * (high - low) / (nodes - 1)
        low, high = np.maximum(best - reach, outer[0]), np.minimum(best + reach, outer[1])
    return np.exp(best)


def explained(predicted: Float[np.ndarray, "record format"], seen: Float[np.ndarray, "record format"]) -> float:
    """R^2, every format about its own mean; minus infinity where nothing moves and the prediction is off."""
    left, moved = np.sum((predicted - seen) ** 2), np.sum((seen - seen.mean(0)) ** 2)
    return float(1 - left / moved) if moved > 0 else (1.0 if left == 0 else -np.inf)


def _judged(shares: np.ndarray, rate: float, ratio: float, seen: np.ndarray, early: np.ndarray) -> Overlay:
    return Overlay(
        shares=shares,
        rate=rate,
        ratio=ratio,
        error=float(np.max(np.abs(shares - seen)[~early])),
        fit=explained(shares[~early], seen[~early]),
        fit_all=explained(shares, seen),
        winner=bool(np.argmax(shares[-1]) == np.argmax(seen[-1])),
    )


@functools.lru_cache(maxsize=64)
def _program(level: Level, geometry: Geometry, how: tuple[Advantage, int, int, float]) -> Callable[..., Array]:
    """Points (n, rate and ratio), steps, shares, skills, KL -> shares, with shares x accuracy beside where coupled."""
    advantage, group, batch, offset = how
    factor = factor_of(advantage, group, batch, offset=offset)
    loose = {"rtol": 1e-6, "atol": 1e-8, "geometry": geometry, "factor": factor}  # shares are measured to 1e-2

    def one(point: Array, steps: Array, shares: Array, skills: Array, kl: Array) -> Array:
        times = point[0] * steps
        if level == "frozen":
            return theory_flow.frozen(times, shares, skills, kl=kl, **loose).shares
        if level == "measured":
            return theory_flow.measured(times, shares, times, skills, kl=kl, **loose).shares
        path = theory_flow.coupled(times, shares, skills, ratio=point[1], kl=kl, **loose)
        return jnp.concatenate([path.shares, path.shares * path.accuracy[:, 0]], 1)

    return jax.jit(jax.vmap(one, in_axes=(0, None, None, None, None)))
