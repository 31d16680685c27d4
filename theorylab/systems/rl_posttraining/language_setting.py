"""The settings of a language-model pipeline, and the questions under which its runs are kept."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from theorylab.core import require
from theorylab.data.arithmetic import AbstractTask, Arithmetic
from theorylab.networks.policy_gradient import PPO, Algorithm, ExpertIteration, PolicyGradient


@dataclass(frozen=True)
class Model:
    """Size and pretraining of a decoder (docs/rl_posttraining_language.md, "Model").

    Arguments:
      width, layers, heads: of the decoder.
      steps, batch, rate, decay: of pretraining with AdamW: the rate's peak, falling like a cosine after a warm-up of a
        twentieth, and the weight decay.
    """

    width: int = 32
    layers: int = 2
    heads: int = 4
    steps: int = 600
    batch: int = 256
    rate: float = 3e-3
    decay: float = 0.01

    def __post_init__(self) -> None:
        require(self.width % self.heads == 0, f"width must be a multiple of heads, got {self.width}, {self.heads}")
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.steps >= 1 and self.batch >= 1, f"steps and batch must be at least 1: {self.steps}, {self.batch}")


@dataclass(frozen=True)
class Measured:
    """What is looked at on the way: fixed prompts of every kind, and answers to each."""

    prompts: int = 128
    samples: int = 32


@dataclass(frozen=True)
class Run:
    """One algorithm, how long and how often it is looked at.

    Arguments:
      every, records: steps between measurements, and how many after the first.
      kind: of the prompts that are trained on.
    """

    algorithm: Algorithm
    every: int = 5
    records: int = 16
    kind: str = "easy"

    @property
    def steps(self) -> int:
        return self.every * self.records


@dataclass(frozen=True)
class Pipeline:
    """Pretraining from several seeds, and from each the same runs.

    Arguments:
      seeds: how many.
      tile: seeds that are trained together, in one program; a cell of the store.
    """

    name: str
    model: Model = field(default_factory=Model)
    task: AbstractTask = field(default_factory=Arithmetic)
    runs: dict[str, Run] = field(default_factory=dict)
    measured: Measured = field(default_factory=Measured)
    seeds: int = 8
    tile: int = 4

    def __post_init__(self) -> None:
        require(self.seeds >= 1 and self.tile >= 1, f"seeds and tile must be at least 1: {self.seeds}, {self.tile}")
        require(self.seeds % self.tile == 0, f"seeds must be a multiple of tile, got {self.seeds} and {self.tile}")
        require(is_dataclass(self.task), "a task must be a frozen dataclass, so that its fields name what is stored")
        self.task.check()

    def question(self, tile: int, run: Run | None = None) -> dict[str, Any]:
        """Everything that the numbers of one tile's pretraining, or of a run from it, depend on."""
        first = tile * self.tile
        asked = {
            "model": asdict(self.model),
            "task": [type(self.task).__qualname__, repr(self.task), _source(type(self.task))],
            "measured": asdict(self.measured),
            "seeds": list(range(first, first + self.tile)),
        }
        if run is not None:
            asked["run"] = {
                "algorithm": repr(run.algorithm),
                "every": run.every,
                "records": run.records,
                "on": run.kind,
            }
        return asked


def _source(task: type[AbstractTask]) -> str:
    """What a task does: a hash of its source; empty where that is not known, as in a shell."""
    try:
        return hashlib.sha256(inspect.getsource(task).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return ""


def standard_runs(rate: float, steps: int = 80, every: int = 5, prompts: int = 32) -> dict[str, Run]:
    """GRPO without and with a penalty, PPO, Expert Iteration in three rounds."""
    records = steps // every
    return {
        "grpo": Run(PolicyGradient(prompts=prompts, rate=rate), every, records),
        "grpo, beta .1": Run(PolicyGradient(prompts=prompts, rate=rate, kl=0.1), every, records),
        "ppo": Run(PPO(prompts=prompts, rate=1.5 * rate), every, records),
        "expert iteration": Run(ExpertIteration(rate=1.5 * rate), every=1, records=3),
    }
