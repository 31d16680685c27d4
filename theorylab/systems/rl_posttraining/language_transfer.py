"""Does training on easy prompts help on hard ones? What the pretrained model says of it, and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from theorylab.systems.rl_posttraining.theory_closed import transfer_rate

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining.language import Explored


class Transfer(NamedTuple):
    """Transfer to prompts of the other kind, seed by seed (docs/rl_posttraining_language.md, "Easy to hard").

    Arguments:
      gain: pass@1 at the end less that before.
      rate: Cov_p(a trained, a other) before, the initial slope under the natural flow with frozen skills.
      expected: accuracy of the format that won less that of the mixture, before.
    """

    gain: Float[np.ndarray, "seed"]
    rate: Float[np.ndarray, "seed"]
    expected: Float[np.ndarray, "seed"]

    @property
    def correlation_rate(self) -> float:
        return _correlation(self.gain, self.rate)

    @property
    def correlation_expected(self) -> float:
        return _correlation(self.gain, self.expected)


def transfers(explored: Explored, name: str) -> Transfer | None:
    """Of one run, to the first kind of prompt that it did not train on; None where there is but one kind."""
    kinds, run = explored.pipeline.task.kinds, explored.pipeline.runs[name]
    others = [i for i, kind in enumerate(kinds) if kind != run.kind]
    if not others:
        return None
    here, there = kinds.index(run.kind), others[0]
    seen, skills = explored.runs[name], explored.skills.mean(-1)
    shares = seen.shares[:, 0, here]
    with jax.enable_x64(True):
        rate = [float(transfer_rate(p, a[:, here], a[:, there])) for p, a in zip(shares, skills, strict=True)]
    winner = seen.shares[:, -1, here].argmax(-1)
    hard = skills[:, :, there]
    mixture = np.sum(seen.shares[:, 0, there] * hard, -1)
    expected = hard[np.arange(len(winner)), winner] - mixture
    gain = seen.passes[:, -1, there, 0] - seen.passes[:, 0, there, 0]
    return Transfer(gain, np.array(rate), expected)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if len(x) > 2 and np.std(x) > 0 and np.std(y) > 0 else float("nan")
