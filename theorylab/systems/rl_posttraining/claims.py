"""The paper's claims for policies over formats, each checked by a number in seconds."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from theorylab.core import Finding

RUNS = 16


def _runs(fields: dict[str, Any], runs: int = RUNS) -> dict[str, np.ndarray]:
    import theorylab as tl
    from theorylab.systems.rl_posttraining import RLPosttraining

    found = tl.simulate(RLPosttraining(**fields), runs=runs, key=jax.random.key(0)).raise_if_failed()
    return {name: np.asarray(curve, float) for name, curve in found.curves.items()}


def _found(samples: np.ndarray, expected: str, low: float = -math.inf, high: float = math.inf) -> Finding:
    """Whether a mean lies within (low, high), three standard errors clear of its ends."""
    mean, error = float(samples.mean()), float(samples.std(ddof=1) / len(samples) ** 0.5)
    inside = low + 3 * error < mean < high - 3 * error
    outside = mean < low - 3 * error or mean > high + 3 * error
    return Finding(mean, error, expected, True if inside else False if outside else None)


def one_format() -> Finding:
    """Sampled GRPO ends with one format of three."""
    from theorylab.systems.rl_posttraining.presets import GRPO

    last = _runs({**GRPO, "steps": 800})["share"][:, -1]
    return _found(last.max(axis=1), "the largest share of three formats ends above .9 (from .5)", low=0.9)


def winner_by_share() -> Finding:
    """The format that is less accurate at the start wins where it is more frequent and skills are learned."""
    from theorylab.systems.rl_posttraining.presets import LEARNED

    last = _runs({**LEARNED, "steps": 600})["share"][:, -1, 1]
    return _found(last, "the majority, .38 against .50 accurate at the start, ends above one half", low=0.5)


def kl_keeps_minority() -> Finding:
    """A larger KL coefficient leaves more of the formats that do not win."""
    from theorylab.systems.rl_posttraining.presets import GRPO

    left = [1 - _runs({**GRPO, "kl": kl})["share"][:, -1].max(axis=1) for kl in (0.0, 0.2)]
    return _found(left[1] - left[0], "what the winner leaves is larger at kl = 0.2 than at 0", low=0.0)


def expert_mild() -> Finding:
    """Expert Iteration from the base moves less than the same number of rounds from the current policy."""
    from theorylab.systems.rl_posttraining.presets import EXPERT, EXPERT_RESTART

    moved = [np.abs(p[:, -1] - p[:, 0]).max(axis=1) for p in (_runs(f)["share"] for f in (EXPERT_RESTART, EXPERT))]
    return _found(moved[0] / moved[1], "shift from the base less than half of that from the current policy", high=0.5)


def pass_at_k() -> Finding:
    """While pass@1 rises, pass@32 falls."""
    from theorylab.systems.rl_posttraining.presets import KNOWN

    passes = _runs({**KNOWN, "steps": 2000})["passes"]
    gain = passes[:, -1] - passes[:, 0]
    rises = float((gain[:, 0] - 3 * gain[:, 0].std() / len(gain) ** 0.5).mean()) > 0
    fallen = _found(gain[:, -1], "the change of pass@32 is negative while that of pass@1 is positive", high=0.0)
    return fallen if rises else Finding(fallen.measured, fallen.error, fallen.expected, False)


def easy_to_hard() -> Finding:
    """Training on easy questions raises success at hard ones where the same formats are better at both."""
    from theorylab.systems.rl_posttraining.presets import TRANSFER

    held_out = _runs(TRANSFER)["held_out"]
    return _found(held_out[:, -1] - held_out[:, 0], "success at held-out questions rises", low=0.0)


def group_size() -> Finding:
    """GRPO's mean advantage is c_G(r) (a - r): against sampled groups of eight."""
    from theorylab.core.casting import in_precision
    from theorylab.systems.rl_posttraining.theory_groups import group_factor

    rng, size, r = np.random.default_rng(0), 8, 0.1
    reward = (rng.random((100_000, size)) < r).astype(float)
    spread, gap = reward.std(axis=1, keepdims=True), reward - reward.mean(axis=1, keepdims=True)
    scored = np.divide(gap, spread, where=spread > 0, out=np.zeros_like(gap))
    one = (scored * reward).mean(axis=1) / (r * (1 - r))
    error = float(one.std() / len(one) ** 0.5)
    with in_precision("float64"):
        exact = float(group_factor(r, size))
    close = abs(float(one.mean()) - exact) < 4 * error
    return Finding(float(one.mean()), error, f"c_8(.1) = {exact:.6f} within 4 standard errors", close)


def noise() -> Finding:
    """In small batches the worse of two formats wins as often as the diffusion theory says."""
    import theorylab as tl
    from theorylab.systems.rl_posttraining import RLPosttraining
    from theorylab.systems.rl_posttraining.presets import WINNER

    fields = {**WINNER, "accuracy": ((0.5, 0.4),), "rate": 4.0}
    wins = 1 - _runs(fields, 2048)["wins"]
    expected = 1 - float(tl.predict(RLPosttraining(**fields)).raise_if_failed().curves["wins"])
    error = math.sqrt(expected * (1 - expected) / len(wins))
    close = abs(float(wins.mean()) - expected) < 3 * error
    return Finding(float(wins.mean()), error, f"probability {expected:.4f} within 3 standard errors", close)
