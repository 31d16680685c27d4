"""Synthetic training runs with known constants."""

from __future__ import annotations

import numpy as np

from theorylab.systems.precision_scaling.theory_laws import Constants, loss, published

INF = np.inf
LEVELS = ((3, 4, 5, 6, 8, INF), (3, 4, 5, 6, 8, INF), (2, 3, 4, 6, 8, INF))
"""Bits of weights, activations and cache."""


def constants(*values: float, gamma: tuple[float, float, float], **others: float) -> Constants:
    return Constants(*values, gamma=np.array(gamma), **others)  # pyright: ignore[reportArgumentType]


TRUTHS = {
    "published": published(),
    "smaller exponents": constants(406.4, 0.34, 410.7, 0.28, 1.69, gamma=(1.8, 2.5, 1.2)),
    "untied exponents": constants(4299.0, 0.4965, 900.0, 0.33, 2.0, gamma=(3.2, 1.5, 1.1)),
}


def synthetic(
    truth: Constants,
    seed: int = 0,
    noise: float = 0.004,
    runs: int = 500,
    cells: int = 5,
    levels: tuple[tuple[float, ...], ...] = LEVELS,
    post: tuple[float, ...] = (),
) -> dict[str, np.ndarray]:
    """`runs` runs on a grid of cells x cells sizes and data, precisions drawn at random, log-normal noise."""
    rng = np.random.default_rng(seed)
    size, data = np.geomspace(3e7, 1e9, cells), np.geomspace(1.5e9, 5e10, cells)
    cell = np.arange(runs) % cells**2
    N, D = size[cell // cells], data[cell % cells]
    bits = np.stack([rng.choice(level, size=runs) for level in levels], axis=1)
    after = rng.choice(post, size=runs) if post else np.full(runs, INF)
    clean = np.asarray(loss(N, D, truth, bits, after))
    table = {"N": N, "D": D, "loss": clean * np.exp(noise * rng.standard_normal(runs))}
    table |= {name: bits[:, i] for i, name in enumerate(("P_w", "P_a", "P_kv")) if np.isfinite(bits[:, i]).any()}
    return table | ({"P_post": after} if post else {})


def truth_of(truth: Constants) -> dict[str, float]:
    """Constants by the names of a fit."""
    gamma = np.asarray(truth.gamma)
    found = {name: float(getattr(truth, name)) for name in ("A", "alpha", "B", "beta", "E", "C_T")}
    found |= {name: float(getattr(truth, name)) for name in ("gamma_D", "gamma_N", "gamma_post")}
    return found | {f"gamma_{s}": float(g) for s, g in zip(("w", "a", "kv"), gamma, strict=True)}
