"""Reinforcement post-training amplifies one of the formats that pretraining has taught: docs/rl_posttraining.md."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any, Literal

import equinox as eqx
import jax
import jax.core
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Key, Shaped

from theorylab.core import (
    AbstractSystem,
    Numerics,
    Observable,
    Prediction,
    Size,
    coupling,
    coupling_array,
    extent,
    require,
    require_finite,
    require_size,
)
from theorylab.systems.rl_posttraining.presets import PAPER, PRESETS

LARGEST_JUMP = 0.5
"""Logit by which one rare answer may move its format before natural steps are doubted."""
CHOICES = {
    "algorithm": ("gradient", "ppo", "expert"),
    "advantage": ("baseline", "group_mean", "grpo", "batch_mean"),
    "geometry": ("euclid", "natural"),
    "skills": ("frozen", "learned"),
    "dynamics": ("flow", "steps"),
    "study": ("shares", "noise", "winner"),
}


class RLNumerics(Numerics):
    """How the theory is solved."""

    rtol: float = 1e-10
    """Relative tolerance of the flows."""
    atol: float = 1e-12
    """Absolute tolerance of the flows."""
    points: int = eqx.field(static=True, default=20_001)
    """Points of the trapezium rule for the winning probability."""


def _as_table(value: Any) -> Any:
    if isinstance(value, jax.Array) or (isinstance(value, tuple) and not value):
        return value
    try:
        table = np.asarray(value, np.float64)
    except ValueError:  # rows of different lengths: refused with a sentence in __check_init__
        return value
    return table[None] if table.ndim == 1 else table


def _as_integers(value: Any) -> Any:
    return tuple(int(x) for x in np.ravel(np.asarray(value, int)))


class RLPosttraining(AbstractSystem[None]):
    """A policy over answer formats, each right with its own probability at each class of questions, is trained on
    whether answers are right: by policy gradient, GRPO, PPO or Expert Iteration.

    Raises: `Refused` for shares, accuracies, sizes or couplings out of range, and combinations without a meaning.
    """

    paper = PAPER
    presets = PRESETS
    size = "batch"
    axis_labels = MappingProxyType(
        {
            "time": "time (rate x steps)",
            "round": "round",
            "format": "format",
            "attempt": "answers $k$",
        }
    )

    algorithm: Literal["gradient", "ppo", "expert"] = eqx.field(static=True, default="gradient")
    """Policy gradient (GRPO by its advantage), PPO with clipped ratios, or Expert Iteration."""
    advantage: Literal["baseline", "group_mean", "grpo", "batch_mean"] = eqx.field(static=True, default="grpo")
    """Reward less: exact success rate; the group's mean; that over the group's deviation (GRPO); the batch's mean."""
    geometry: Literal["euclid", "natural"] = eqx.field(static=True, default="euclid")
    """Plain gradient of the logits, or natural gradient (the replicator equation)."""
    skills: Literal["frozen", "learned"] = eqx.field(static=True, default="frozen")
    """Accuracies stay as they are, or each is learned from its format's own practice."""
    dynamics: Literal["flow", "steps"] = eqx.field(static=True, default="flow")
    """Theory of the flow (rate to zero), or of the mean step at the given rate; PPO and Expert Iteration are maps."""
    study: Literal["shares", "noise", "winner"] = eqx.field(static=True, default="shares")
    """Shares and success in time; mean and variance of a logit over runs; or which of two formats wins."""
    batch: int = eqx.field(static=True, default=64)
    """Questions B of a step."""
    group: Size = extent(8)
    """Answers G to each question; inf: exact means and deviations (one answer a question is then drawn)."""
    steps: int = eqx.field(static=True, default=400)
    """Steps, PPO iterations or rounds of Expert Iteration; where `winner` is studied, the most that are taken."""
    records: int = eqx.field(static=True, default=20)
    """Equal intervals of the recorded steps."""
    inner: int = eqx.field(static=True, default=4)
    """PPO: full-batch steps an iteration."""
    restart: bool = eqx.field(static=True, default=False)
    """Expert Iteration: refit the initial policy in every round, not the current one."""
    keep: Size = extent(math.inf)
    """Expert Iteration: right answers of a question that are kept, at most."""
    sample_std: bool = eqx.field(static=True, default=False)
    """GRPO: deviation with G - 1 in place of G."""
    attempts: tuple[int, ...] = eqx.field(static=True, default=(), converter=_as_integers)
    """Numbers k of answers whose pass@k is followed."""
    votes: int = eqx.field(static=True, default=0)
    """Answers k whose majority@k is followed; 0: it is not."""
    wrong: int = eqx.field(static=True, default=9)
    """Equally likely wrong answers to a question, for the majority."""
    evaluations: int = eqx.field(static=True, default=0)
    """Answers a question class sampled at each recorded step, from which success is then measured; 0: known exactly."""

    shares: tuple[float, ...] = coupling_array((0.3, 0.5, 0.2))
    """Pretrained shares p(0) of the formats; also the KL penalty's reference."""
    accuracy: tuple[tuple[float, ...], ...] = eqx.field(default=((0.65, 0.5, 0.3),), converter=_as_table)
    """Probability a_qk of a right answer: a row a class of questions, a column a format."""
    weights: tuple[float, ...] = coupling_array(())
    """Shares of the question classes; empty: even."""
    held_out: tuple[tuple[float, ...], ...] = eqx.field(default=(), converter=_as_table)
    """Accuracies at held-out (hard) questions, evenly weighted, that are not trained on; empty: none."""
    rate: float = coupling(0.1)
    """Learning rate eta; time = rate x steps."""
    kl: float = coupling(0.0)
    """Strength beta of the penalty beta KL(policy | pretrained policy)."""
    offset: float = coupling(0.0)
    """GRPO: what is added to the standard deviation in the denominator."""
    clip: float = coupling(0.2)
    """PPO: ratios are clipped to [1 - clip, 1 + clip]."""
    refit: float = coupling(1.0)
    """Expert Iteration: strength in (0, 1] of a refit."""
    skill_rate: float = coupling(1.0)
    """Learned skills: their rate relative to the formats'."""
    barrier: float = coupling(2.0)
    """Winner: logit L at which one of two formats has won."""

    def __check_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            require(value in choices, f"{name} must be one of {', '.join(choices)}; got {value!r}")
        self._require_sizes()
        self._require_policy()
        self._require_couplings()
        self._require_meaning()

    def _require_sizes(self) -> None:
        for name in ("batch", "steps", "records", "inner", "wrong"):
            require_size(name, getattr(self, name))
        require_size("group", self.group, infinite=True)
        require_size("keep", self.keep, infinite=True)
        require_size("votes", self.votes, least=0)
        require_size("evaluations", self.evaluations, least=0)
        if self.advantage in ("grpo", "group_mean") and self.algorithm != "expert":
            require(
                self.group >= 2,
                f"{self.advantage} compares answers with each other: group must be at least 2, got {self.group}; "
                "use advantage='baseline' or 'batch_mean' for single answers",
            )
            require(
                self.group <= 1000 or math.isinf(self.group), f"group must be at most 1000, or inf; got {self.group}"
            )
        else:
            require(math.isfinite(self.group), "group = inf needs advantage 'grpo' or 'group_mean'; give a number")
        for k in self.attempts:
            require(k >= 1, f"attempts are numbers of answers of at least 1, got {k}")
            require(
                self.evaluations == 0 or k <= self.evaluations,
                f"pass@{k} cannot be estimated from {self.evaluations} answers; evaluations must be at least {k}",
            )
        require(
            self.evaluations == 0 or self.votes <= self.evaluations,
            f"majority@{self.votes} needs evaluations of at least {self.votes}, got {self.evaluations}",
        )

    def _require_policy(self) -> None:
        for name in ("accuracy", "held_out"):
            require(
                not isinstance(getattr(self, name), (list, tuple)) or not len(getattr(self, name)),
                f"{name} must have rows of equal length, one a class of questions, a number a format",
            )
        shape = np.shape(self.shares)
        require(
            len(shape) == 1 and shape[0] >= 2,
            f"shares must be a list of at least two formats' shares, got shape {shape}",
        )
        for name in ("shares", "accuracy", "weights", "held_out"):
            require_finite(**{name: getattr(self, name)})
        require(
            _all(self.shares, lambda p: (p > 0).all() and abs(p.sum() - 1) < 1e-6),
            f"shares must be positive and add up to 1, got {_shown(self.shares)}; a format with share 0 can never come "
            "back: leave it out",
        )
        for name in ("accuracy", "held_out"):
            table = getattr(self, name)
            if name == "held_out" and not len(table):
                continue
            require(
                np.ndim(table) == 2 and np.shape(table)[1] == shape[0] and np.shape(table)[0] >= 1,
                f"{name} must have a row a class of questions and a column for each of the {shape[0]} formats, "
                f"got shape {np.shape(table)}",
            )
            require(
                _all(table, lambda a: ((a >= 0) & (a <= 1)).all()),
                f"{name} holds probabilities of right answers: each must be in [0, 1], got {_shown(table)}",
            )
        count = np.shape(self.accuracy)[0]
        require(
            len(self.weights) in (0, count),
            f"weights must be empty or one for each of the {count} classes of questions",
        )
        require(
            len(self.weights) == 0 or _all(self.weights, lambda w: (w > 0).all() and abs(w.sum() - 1) < 1e-6),
            f"weights must be positive and add up to 1, got {_shown(self.weights)}",
        )

    def _require_couplings(self) -> None:
        couplings = ("rate", "kl", "offset", "clip", "refit", "skill_rate", "barrier")
        require_finite(**{name: getattr(self, name) for name in couplings})
        require(self.rate > 0, f"rate must be positive, got {self.rate}")
        require(self.kl >= 0, f"kl must not be negative, got {self.kl}")
        require(self.offset >= 0, f"offset must not be negative, got {self.offset}")
        require((self.clip > 0) & (self.clip < 1), f"clip must be in (0, 1), got {self.clip}")
        require((self.refit > 0) & (self.refit <= 1), f"refit must be in (0, 1], got {self.refit}")
        require(self.skill_rate > 0, f"skill_rate must be positive, got {self.skill_rate}")
        require(self.barrier > 0, f"barrier must be positive, got {self.barrier}")
        if self.geometry == "natural" and self.algorithm != "expert":
            require(
                self.rate * self.kl < 2,
                f"rate x kl must be below 2 in the natural geometry, where steps of the KL penalty diverge; got "
                f"{self.rate} x {self.kl}; lower the rate",
            )

    def _require_meaning(self) -> None:
        formats = np.shape(self.shares)[0]
        if self.algorithm == "expert":
            require(
                _all(self.accuracy, lambda a: (a > 0).any()),
                "no format is ever right: Expert Iteration would keep nothing; give a positive accuracy",
            )
        if self.skills == "learned":
            require(self.algorithm == "gradient", "learned skills need algorithm='gradient'")
            require(
                _all(self.accuracy, lambda a: ((a > 0) & (a < 1)).all()),
                "learned skills need accuracies strictly between 0 and 1: a logit of 0 or 1 is infinite",
            )
        if self.study == "shares":
            return
        require(
            self.algorithm == "gradient" and self.skills == "frozen",
            f"study='{self.study}' needs algorithm='gradient' and skills='frozen'",
        )
        require(math.isfinite(self.group), f"study='{self.study}' needs a finite group")
        if self.study == "winner":
            require(formats == 2, f"study='winner' is about two formats, got {formats}")
            require(
                _all(self.shares, lambda p: abs(math.log(p[0] / p[1])) < self.barrier),
                f"the initial logit must lie between the barriers +-{self.barrier}; raise barrier",
            )

    # -- what is judged, and where -------------------------------------------------------------------------

    @property
    def axis(self) -> str:
        """Time, or rounds of a map."""
        return "time" if self.algorithm == "gradient" else "round"

    @property
    def observables(self) -> tuple[Observable, ...]:
        if self.study == "winner":
            return (Observable("wins", "probability that the first format wins", dims=()),)
        along = (self.axis,)
        if self.study == "noise":
            return (
                Observable("logit", r"logit $\theta_1-\theta_2$", dims=along, floor=0.5),
                Observable("variance", "variance of the logit over runs", dims=along),
            )
        judged = [
            Observable("share", "share of a format", dims=(self.axis, "format")),
            Observable("success", "pass@1", dims=along),
            Observable("divergence", "KL(policy | pretrained)", dims=along, margin=0.1, unit="nats", floor=0.05),
        ]
        if self.skills == "learned":
            judged.append(Observable("skill", "accuracy of a format", dims=(self.axis, "format")))
        if self.evaluations:
            judged.append(
                Observable("measured", "measured accuracy of a format", dims=(self.axis, "format"), undefined_ok=True)
            )
        if len(self.held_out):
            judged.append(Observable("held_out", "pass@1 at held-out questions", dims=along))
        if self.attempts:
            judged.append(Observable("passes", "pass@k", dims=(self.axis, "attempt")))
        if self.votes:
            judged.append(Observable("majority", f"majority@{self.votes}", dims=along))
        return tuple(judged)

    def coordinates(self) -> dict[str, Shaped[ArrayLike, "..."]]:
        if self.study == "winner":
            return {}
        recorded = self.recorded()
        found: dict[str, Shaped[ArrayLike, "..."]] = {
            self.axis: float(self.rate) * recorded if self.axis == "time" else recorded
        }
        if self.study == "shares":
            found["format"] = np.arange(1, np.shape(self.shares)[0] + 1)
            if self.attempts:
                found["attempt"] = np.array(self.attempts)
        return found

    def recorded(self) -> Int[np.ndarray, "record"]:
        """The recorded steps, from 0 to `steps`."""
        from theorylab.systems.rl_posttraining.setting import recorded_steps

        return recorded_steps(self.steps, self.records)

    @property
    def answers(self) -> int:
        """Answers a question that are drawn."""
        return 1 if math.isinf(self.group) else int(self.group)

    @property
    def tile(self) -> int:
        """Runs in one vmap: many where steps are small."""
        return max(32, min(1024, 2**13 // (self.batch * self.answers)))

    # -- the two sides -------------------------------------------------------------------------------------

    def predict(self, instance: None, numerics: RLNumerics) -> Prediction:
        from theorylab.systems.rl_posttraining.theory import predict

        return predict(self, numerics)

    def simulate(self, instance: None, key: Key[Array, ""]) -> dict[str, Shaped[Array, "..."]]:
        from theorylab.systems.rl_posttraining.simulation import simulate

        return simulate(self, key)

    def numerics(self, instance: None) -> RLNumerics:
        return RLNumerics()

    def cost(self) -> float:
        return float(self.steps)

    def warnings(self, instance: None) -> tuple[str, ...]:
        """Plain steps of the penalty overshoot where their largest slope, rate x kl / 2, passes 2."""
        if self.geometry == "natural" or self.algorithm == "expert" or self.rate * self.kl < 4:
            return ()
        return (
            f"rate x kl = {float(self.rate * self.kl):g}: steps of the KL penalty can overshoot from 4 on, and sampled "
            "training is then no flow; lower the rate",
        )

    def doubts(self, prediction: Prediction) -> tuple[str, ...]:
        """Natural steps divide by a format's share: once it is hardly ever sampled, one right answer is a leap."""
        if self.study != "shares" or self.geometry != "natural" or self.algorithm == "expert":
            return ()
        least = float(np.min(np.asarray(prediction.curves["share"])))
        leap = float(self.rate) / (self.batch * self.answers * max(least, 1e-300))
        if leap <= LARGEST_JUMP:
            return ()
        return (
            f"a format's share falls to {least:.1e}, where one right answer moves its logit by {leap:.2g}: natural "
            "steps are then no flow; raise the batch, lower the rate, shorten the run or use geometry='euclid'",
        )


def _all(values: Any, holds: Any) -> bool:
    """Whether concrete values satisfy something; traced ones are not asked."""
    return isinstance(values, jax.core.Tracer) or bool(holds(np.asarray(values)))


def _shown(values: Any) -> str:
    return "traced values" if isinstance(values, jax.core.Tracer) else str(np.asarray(values).tolist())
