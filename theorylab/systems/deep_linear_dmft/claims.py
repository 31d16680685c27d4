"""The paper's claims, each checked by a number in seconds. Larger settings are in the presets."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import numpy as np

from theorylab.core import Finding
from theorylab.systems.deep_linear_dmft.presets import POWER_LAW, sized


def _system(fields: dict[str, Any]) -> Any:
    from theorylab.systems.deep_linear_dmft import DeepLinearDMFT

    return DeepLinearDMFT(**fields)


def wider_is_better() -> Finding:
    """Simulated loss of networks four times as wide, less that of the narrow ones, at the step where it is largest."""
    import theorylab as tl

    curves = []
    for ratio in (1, 4):
        system = _system(sized(100, ratio, 4, steps=40, richness=2.0))
        curves.append(np.asarray(tl.simulate(system, runs=64, key=jax.random.key(0)).curves["loss"], float)[:, 5:])
    narrow, wide = curves
    shift = (wide.mean(0) - narrow.mean(0)) / narrow.mean(0)
    error = np.sqrt(wide.var(0, ddof=1) / len(wide) + narrow.var(0, ddof=1) / len(narrow)) / narrow.mean(0)
    worst = int(np.argmax(shift + 2 * error))
    value, spread = float(shift[worst]), float(error[worst])
    holds = True if value + 2 * spread < 0 else False if value - 2 * spread > 0 else None
    return Finding(value, spread, "below 0: the loss is lower at every step from the sixth on", holds)


def rate_transfer() -> Finding:
    """How far the predicted best rate moves from width 4 D to 8 D, in e-folds: NTK less muP."""
    import theorylab as tl

    moved = {}
    rates = np.geomspace(0.02, 0.3, 48)
    for name in ("mup", "ntk"):
        best = []
        for ratio in (4, 8):
            fields = sized(100, ratio, 4, parametrization=name, richness=4.0, steps=20)
            losses = [
                math.inf if one.failure() else float(np.asarray(one.curves["loss"])[-1])
                for one in tl.sweep(_system(fields), rate=rates).predictions
            ]
            best.append(math.log(rates[int(np.argmin(losses))]))
        moved[name] = abs(best[1] - best[0])
    grid = math.log(rates[1] / rates[0])
    difference = moved["ntk"] - moved["mup"]
    return Finding(
        difference, grid, "positive by more than two grid steps: NTK's best rate moves further", difference > 2 * grid
    )


def data_reuse() -> Finding:
    """Simulated test loss at the end over its least value, reused samples less fresh ones."""
    import theorylab as tl

    ratios, errors = [], []
    for data in ("batch", "online"):
        system = _system(sized(100, 2, 1, noise=0.5, steps=150, data=data))
        runs = np.asarray(tl.simulate(system, runs=48, key=jax.random.key(0)).curves["loss"], float)
        least = int(np.argmin(runs.mean(0)))
        each = runs[:, -1] - runs[:, least]
        ratios.append(float(each.mean() / runs[:, least].mean()))
        errors.append(float(each.std(ddof=1) / np.sqrt(len(each)) / runs[:, least].mean()))
    rise, error = ratios[0] - ratios[1], math.hypot(*errors)
    holds = True if rise - 2 * error > 0 else False if rise + 2 * error < 0 else None
    return Finding(rise, error, "positive: reused samples overfit, fresh ones do not", holds)


def depth_transfer() -> Finding:
    """Predicted change of the loss from depth 9 to 17, over that from depth 5 to 9, branches of scale depth^-1/2."""
    import theorylab as tl

    curves = [
        np.asarray(tl.predict(_system(sized(100, 4, 4, depth=depth, residual="scaled", steps=12))).curves["loss"])
        for depth in (5, 9, 17)
    ]
    first, second = (float(np.sqrt(np.mean((a - b) ** 2))) for a, b in itertools.pairwise(curves))
    # corrections of order 1 / depth halve; without a limit the ratio would not be below 1
    return Finding(
        second / first, 0.0, "about 1/2, and below 0.75: corrections fall like 1 / depth", second / first < 0.75
    )


def accelerated_scaling() -> Finding:
    """Exponent by which the predicted loss of a hard power-law task falls, rich less lazy."""
    import theorylab as tl

    slopes = []
    for richness in (0.02, 2.0):
        fields = {**POWER_LAW, "data": "population", "width": math.inf, "samples": math.inf, "noise": 0.0}
        fields |= {"richness": richness, "steps": 200, "centered": richness < 0.1}
        loss = np.asarray(tl.predict(_system(fields)).raise_if_failed().curves["loss"])
        late = slice(20, 200)
        slopes.append(-float(np.polyfit(np.log(np.arange(200)[late]), np.log(loss[late]), 1)[0]))
    gain = slopes[1] - slopes[0]
    return Finding(gain, 0.0, f"positive: rich {slopes[1]:.3f} beside lazy {slopes[0]:.3f}", gain > 0)
