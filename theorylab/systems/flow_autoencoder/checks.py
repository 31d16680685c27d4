"""What a setting is refused for, and what it is warned of, before anything is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.core
import numpy as np

from theorylab.core import require, require_finite, require_size
from theorylab.systems.flow_autoencoder.presets import PIXELS

if TYPE_CHECKING:
    from theorylab.systems.flow_autoencoder import FlowAutoencoder
    from theorylab.systems.flow_autoencoder.setting import Start

LONG_MEAN = 20.0
"""Means longer than this are warned of: the theory wants lengths of order one."""
CHOICES = {
    "target": ("pair", "cross", "given", "digits"),
    "sharing": ("weights", "data", "nothing"),
    "interpolant": ("linear", "trigonometric"),
    "gains": ("precond", "plain"),
    "activation": ("tanh", "erf", "identity"),
    "skip": ("learned", "optimal"),
    "origin": ("informed", "random"),
    "sampler": ("euler", "flow", "sde"),
}


def traced(system: FlowAutoencoder) -> bool:
    """Whether a coupling is being traced, so that its value is not known."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(system))


def check(system: FlowAutoencoder) -> None:
    """Refuse a setting that has no meaning or no theory. Raises: `Refused`."""
    for name, choices in CHOICES.items():
        value = getattr(system, name)
        require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
    require_size("dimension", system.dimension, least=2, infinite=True)
    for name in ("units", "grid", "batch", "records", "samples", "bins"):
        require_size(name, getattr(system, name))
    require_size("generations", system.generations, least=0)
    require(
        np.isfinite(system.duration) and system.duration > 0,
        f"duration must be positive and finite, got {system.duration}",
    )
    _check_times(system)
    _check_target(system)
    _check_couplings(system)
    _check_combinations(system)


def _check_times(system: FlowAutoencoder) -> None:
    times = np.asarray(system.grid_times)
    require(
        times[-1] < 1 and np.all(np.diff(times) > 0),
        f"times must increase strictly within [0, 1): at 1 nothing of the noise is left; got {system.times}",
    )
    require(
        times[0] == 0,
        f"the first of the times must be 0, where the sampler starts from noise alone (alpha = 1, beta = 0); "
        f"got {times[0]:g}",
    )


def _check_target(system: FlowAutoencoder) -> None:
    if system.target == "given":
        shares = np.asarray(system.shares, float)
        require(len(shares) >= 1, "a given target needs at least one mode; give shares and means")
        require(
            bool(np.all(shares >= 0)) and abs(float(shares.sum()) - 1) < 1e-9,
            f"shares must not be negative and must sum to 1, got {system.shares}",
        )
        count = len(system.means)
        require(
            count >= len(shares) and count % len(shares) == 0 and bool(np.all(np.isfinite(system.means))),
            f"means must be finite, equally many numbers for each of {len(shares)} modes; got {count}",
        )
    if system.target == "digits":
        require(
            1 <= len(set(system.classes)) == len(system.classes) <= 10
            and all(isinstance(one, int) and 0 <= one <= 9 for one in system.classes),
            f"classes must be different digits from 0 to 9, got {system.classes}",
        )
        require_size("components", system.components)
        require(system.components < PIXELS, f"components must be below {PIXELS}, got {system.components}")
        require(np.isfinite(system.scale) and system.scale > 0, f"scale must be positive, got {system.scale}")
        require(
            not system.pixels or system.dimension == PIXELS,
            f"images have {PIXELS} pixels: training on them needs dimension {PIXELS}, got {system.dimension}",
        )
    require(
        system.dimension > system.directions + system.units,
        f"dimension must exceed directions + units = {system.directions + system.units}, got {system.dimension}",
    )


def _check_couplings(system: FlowAutoencoder) -> None:
    names = ("rate", "skip_rate", "bias_rate", "ridge", "separation", "share", "noise", "overlap", "tilt", "spread")
    require_finite(**{name: getattr(system, name) for name in (*names, "diffusion", "real")})
    require(system.rate > 0, f"rate must be positive, got {system.rate}")
    for name in ("skip_rate", "bias_rate", "ridge", "noise", "diffusion"):
        require(getattr(system, name) >= 0, f"{name} must not be negative, got {getattr(system, name)}")
    require((system.share >= 0) & (system.share <= 1), f"share is a probability, between 0 and 1; got {system.share}")
    require((system.real >= 0) & (system.real <= 1), f"real is a fraction, between 0 and 1; got {system.real}")
    require(
        system.spread > 0,
        f"spread must be positive, got {system.spread}: without it the norm Q is singular, or Q - M M^T not positive",
    )
    if system.gains == "precond":
        require(
            system.noise > 0,
            "precond gains need a positive noise: they are those of the Bayes denoiser; use gains='plain'",
        )
    if math.isfinite(system.dimension):
        # Delta = alpha^2 + beta^2 sigma^2 is at most max(1, sigma^2) on [0, 1)
        largest = np.maximum(1.0, system.noise**2) if not traced(system) else 1.0
        require(
            system.skip_rate * largest / system.dimension < 2 if not traced(system) else True,
            f"skip_rate x largest variance / dimension = {system.skip_rate} x {largest} / {system.dimension} must be "
            "below 2, or the skip's recursion is not stable; lower skip_rate or raise dimension",
        )


def _check_combinations(system: FlowAutoencoder) -> None:
    separate = system.sharing != "weights"
    require(not (separate and system.generations), "generations are for sharing='weights': one network for all times")
    require(
        not (separate and system.sampler != "euler"),
        "networks of separate times exist at the grid's times only: use sampler='euler'",
    )
    require(not (separate and system.origin == "random"), "networks of separate times start informed")
    require(
        not (system.target == "digits" and (separate or system.generations)),
        "digits are for one generation of one network: sharing='weights', generations=0",
    )
    require(
        not (system.origin == "random" and math.isinf(system.dimension)),
        "random initial overlaps are of order 1 / sqrt(dimension): give a finite dimension",
    )


def check_start(begin: Start | None) -> None:
    """Refuse initial overlaps that no weights have. Raises: `Refused`."""
    if begin is None or any(isinstance(leaf, jax.core.Tracer) for leaf in begin):
        return
    m, q = np.asarray(begin.overlap, float), np.asarray(begin.norm, float)
    tolerance = (1e-10 if np.asarray(begin.norm).dtype == np.float64 else 1e-5) * max(1.0, float(np.abs(q).max()))
    require(
        q.shape == (len(m), len(m)) and np.abs(q - q.T).max() <= tolerance,
        f"the initial norm Q must be a symmetric matrix of {len(m)} rows",
    )
    require(
        np.linalg.eigvalsh(q).min() > tolerance,
        "the initial norm Q is singular: hidden units must start from independent weights (raise spread)",
    )
    require(
        np.linalg.eigvalsh(q - m @ m.T).min() >= -tolerance,
        "Q - M M^T must be positive semi-definite: weights cannot overlap more with the target than with themselves",
    )


def warnings(system: FlowAutoencoder) -> tuple[str, ...]:
    """What a user should know of a setting that is not refused."""
    from theorylab.systems.flow_autoencoder import setting
    from theorylab.systems.flow_autoencoder.theory_growth import escape_warning

    said: list[str] = []
    with jax.enable_x64(True):
        longest = float(np.max(np.linalg.norm(np.asarray(setting.mixture(system).means), axis=1)))
        if longest > LONG_MEAN:
            said.append(
                f"a mean of length {longest:.3g}: the theory wants lengths of order one, not of order sqrt(dimension)"
            )
        said.append(escape_warning(system))
    return tuple(sentence for sentence in said if sentence)
