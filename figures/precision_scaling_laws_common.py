"""What the figures of the precision laws share: the published constants, and synthetic runs."""

from __future__ import annotations

import jax
import numpy as np

from theorylab.systems.precision_scaling import theory_laws as laws

jax.config.update("jax_enable_x64", True)

PUBLISHED = laws.published()


def synthetic(seed: int = 0, noise: float = 0.004, runs: int = 500, truth: laws.Constants = PUBLISHED) -> dict:
    """Runs of the law of training precision on 5 x 5 cells with log-normal noise."""
    rng = np.random.default_rng(seed)
    parameters, data = np.geomspace(3e7, 1e9, 5), np.geomspace(1.5e9, 5e10, 5)
    cell = np.arange(runs) % 25
    N, D = parameters[cell // 5], data[cell % 5]
    bits = np.stack([rng.choice(b, size=runs) for b in ((3, 4, 5, 6, 8, np.inf),) * 2 + ((2, 3, 4, 6, 8, np.inf),)], 1)
    loss = np.asarray(laws.loss(N, D, truth, bits)) * np.exp(noise * rng.standard_normal(runs))
    return {"N": N, "D": D, "loss": loss, "P_w": bits[:, 0], "P_a": bits[:, 1], "P_kv": bits[:, 2]}
