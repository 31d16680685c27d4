"""Reinforcement learning of any decoder from a reward of whole answers: policy gradient and GRPO, PPO, Expert
Iteration.

Equation numbers are those of docs/rl_posttraining_language.md. An algorithm is `begin` and `step`; `train` runs any of
them and measures on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, Key

from theorylab.core import require
from theorylab.networks.sampling import Grammar, Policy, chosen_places, logprobs_of, sample

Baseline = Literal["grpo", "group_mean", "batch_mean"]


class Task(Grammar, Protocol):
    """What is learned: prompts, rules of generation, a reward of whole sequences (`theorylab.data.arithmetic`)."""

    def prompts(self, key: Key[Array, ""], count: int, kind: str) -> Int[Array, "count slots"]: ...
    def reward(self, tokens: Int[Array, "batch length"]) -> Float[Array, "batch"]: ...


class Algorithm(Protocol):
    """How a policy is improved."""

    def begin(self, parameters: Any) -> Any:
        """The state that training starts from; its first entry are the parameters."""
        ...

    def step(self, policy: Policy, task: Task, kind: str, reference: Any, state: Any, key: Key[Array, ""]) -> Any:
        """The next state; `reference` are the parameters that training began with."""
        ...


class Trained(NamedTuple):
    """Parameters and optimiser of a policy in training."""

    parameters: Any
    optimiser: Any


# -- advantages and losses -------------------------------------------------------------------------------------------


def advantages(
    rewards: Float[Array, "prompt group"], baseline: Baseline = "grpo", offset: ArrayLike = 1e-4
) -> Float[Array, "prompt group"]:
    """Rewards relative to those of the other answers, eq. (4).

    Arguments:
      baseline: (r - mean) / (std + offset) of the prompt's group with the population's deviation ("grpo"), r minus
        that mean, or minus the mean of all.
    """
    if baseline == "batch_mean":
        return rewards - jnp.mean(rewards)
    centred = rewards - jnp.mean(rewards, 1, keepdims=True)
    if baseline == "group_mean":
        return centred
    return centred / (jnp.std(rewards, 1, keepdims=True) + jnp.asarray(offset, rewards.dtype))


def policy_loss(logprobs: Float[Array, "batch generated"], advantage: Float[Array, "batch"]) -> Float[Array, ""]:
    """- mean over answers of A sum_t log pi_t, eq. (3); `logprobs` are 0 after the end."""
    return -jnp.mean(advantage * jnp.sum(logprobs, 1))


def clipped_loss(
    logprobs: Float[Array, "batch generated"],
    old: Float[Array, "batch generated"],
    advantage: Float[Array, "batch"],
    clip: ArrayLike,
) -> Float[Array, ""]:
    """PPO's surrogate with the ratio of every token clipped to 1 +- clip, summed over an answer, eq. (5)."""
    ratio = jnp.exp(logprobs - old)
    within = jnp.clip(ratio, 1 - clip, 1 + clip)
    gain = jnp.minimum(ratio * advantage[:, None], within * advantage[:, None])
    # after the end both log-probabilities are 0: a constant, which is left out
    return -jnp.mean(jnp.sum(jnp.where(old == 0, 0, gain), 1))


def divergence(
    logprobs: Float[Array, "batch generated"], reference: Float[Array, "batch generated"]
) -> Float[Array, ""]:
    """The estimator e^d - d - 1, d = log pi_ref - log pi, of KL(pi | pi_ref), summed over an answer, eq. (6)."""
    d = reference - logprobs
    return jnp.mean(jnp.sum(jnp.expm1(d) - d, 1))


def imitation_loss(
    logprobs: Float[Array, "batch generated"], chosen: Bool[Array, "batch generated"]
) -> Float[Array, ""]:
    """- mean over generated tokens of log pi: the loss of pretraining and of Expert Iteration, eq. (1)."""
    return -jnp.sum(logprobs) / jnp.sum(chosen)


# -- algorithms ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PolicyGradient:
    """One Adam step on every batch of fresh answers; GRPO with its baseline as it comes.

    Arguments:
      prompts, group: prompts a step, answers a prompt.
      rate: of Adam.
      kl: strength beta of the penalty towards the policy that training began with.
      baseline: what rewards are compared with.
    """

    prompts: int = 32
    group: int = 8
    rate: float = 2e-4
    kl: float = 0.0
    baseline: Baseline = "grpo"
    offset: float = 1e-4

    def __post_init__(self) -> None:
        _check(self.prompts, self.group, self.rate, self.kl)
        require(
            self.group >= 2 or self.baseline == "batch_mean",
            f"{self.baseline} compares the answers to one prompt: group must be at least 2, got {self.group}",
        )

    def begin(self, parameters: Any) -> Trained:
        return Trained(parameters, optax.adam(self.rate).init(parameters))

    def step(
        self, policy: Policy, task: Task, kind: str, reference: Any, state: Trained, key: Key[Array, ""]
    ) -> Trained:
        tokens, _, advantage = _answers(self, policy, task, kind, state.parameters, key)
        base = logprobs_of(policy, reference, task, tokens) if self.kl else None

        def loss(parameters: Any) -> Array:
            logprobs = logprobs_of(policy, parameters, task, tokens)
            penalty = 0 if base is None else self.kl * divergence(logprobs, base)
            return policy_loss(logprobs, advantage) + penalty

        return _updated(state, jax.grad(loss)(state.parameters), self.rate)


@dataclass(frozen=True)
class PPO:
    """Several epochs of the clipped surrogate on every batch.

    Arguments:
      prompts, group, rate, kl, baseline: as in `PolicyGradient`.
      clip: of the tokens' probability ratios.
      epochs: full-batch Adam steps on a batch.
    """

    prompts: int = 32
    group: int = 8
    rate: float = 3e-4
    kl: float = 0.0
    baseline: Baseline = "batch_mean"
    offset: float = 1e-4
    clip: float = 0.2
    epochs: int = 2

    def __post_init__(self) -> None:
        _check(self.prompts, self.group, self.rate, self.kl)
        require(0 < self.clip < 1, f"clip must be in (0, 1), got {self.clip}")
        require(self.epochs >= 1, f"epochs must be at least 1, got {self.epochs}")

    def begin(self, parameters: Any) -> Trained:
        return Trained(parameters, optax.adam(self.rate).init(parameters))

    def step(
        self, policy: Policy, task: Task, kind: str, reference: Any, state: Trained, key: Key[Array, ""]
    ) -> Trained:
        tokens, old, advantage = _answers(self, policy, task, kind, state.parameters, key)
        base = logprobs_of(policy, reference, task, tokens) if self.kl else None

        def loss(parameters: Any) -> Array:
            logprobs = logprobs_of(policy, parameters, task, tokens)
            penalty = 0 if base is None else self.kl * divergence(logprobs, base)
            return clipped_loss(logprobs, old, advantage, self.clip) + penalty

        def epoch(state: Trained, _: None) -> tuple[Trained, None]:
            return _updated(state, jax.grad(loss)(state.parameters), self.rate), None

        return jax.lax.scan(epoch, state, None, length=self.epochs)[0]


@dataclass(frozen=True)
class ExpertIteration:
    """A step is a round: answer, keep what is right once each, imitate it.

    Arguments:
      prompts, samples: prompts a round, answers a prompt.
      updates, batch: Adam steps a round, and kept answers each.
      rate: of Adam.
      threshold: answers are kept where the reward is above it.
      restart: imitate from the first policy every round, rather than from the last one.
    """

    prompts: int = 128
    samples: int = 64
    updates: int = 120
    batch: int = 256
    rate: float = 3e-4
    threshold: float = 0.5
    restart: bool = True

    def __post_init__(self) -> None:
        _check(self.prompts, self.samples, self.rate, 0.0)
        require(self.updates >= 1 and self.batch >= 1, "updates and batch must be at least 1")

    def begin(self, parameters: Any) -> Trained:
        return Trained(parameters, optax.adam(self.rate).init(parameters))

    def step(
        self, policy: Policy, task: Task, kind: str, reference: Any, state: Trained, key: Key[Array, ""]
    ) -> Trained:
        key_prompts, key_answers, key_batches = jax.random.split(key, 3)
        prompts = jnp.repeat(task.prompts(key_prompts, self.prompts, kind), self.samples, 0)
        tokens = sample(policy, state.parameters, task, prompts, key_answers).tokens
        kept = kept_once(
            tokens.reshape(self.prompts, self.samples, -1),
            task.reward(tokens).reshape(self.prompts, self.samples) > self.threshold,
        ).ravel()
        begun = self.begin(reference if self.restart else state.parameters)

        def update(state: Trained, key: Array) -> tuple[Trained, None]:
            rows = tokens[jax.random.categorical(key, jnp.where(kept, 0.0, -jnp.inf), shape=(self.batch,))]

            def loss(parameters: Any) -> Array:
                return imitation_loss(logprobs_of(policy, parameters, task, rows), chosen_places(task, rows))

            return _updated(state, jax.grad(loss)(state.parameters), self.rate), None

        found, _ = jax.lax.scan(update, begun, jax.random.split(key_batches, self.updates))
        # with nothing right there is nothing to imitate
        return jax.tree.map(lambda new, old: jnp.where(jnp.any(kept), new, old), found, begun)


def kept_once(
    tokens: Int[Array, "prompt sample length"], right: Bool[Array, "prompt sample"]
) -> Bool[Array, "prompt sample"]:
    """Right answers, the first of those that are equal."""

    def of_prompt(answers: tuple[Array, Array]) -> Array:
        tokens, right = answers
        same = jnp.all(tokens[:, None] == tokens[None], -1)
        earlier = jnp.tril(same, -1) & right[None]
        return right & ~jnp.any(earlier, 1)

    return jax.lax.map(of_prompt, (tokens, right))


def train(
    algorithm: Algorithm,
    policy: Policy,
    task: Task,
    kind: str,
    parameters: Any,
    key: Key[Array, ""],
    records: int,
    every: int,
    observe: Callable[[Any, Key[Array, ""]], Mapping[str, Array]],
) -> tuple[Any, dict[str, Array]]:
    """Train from `parameters`, measuring at the start and after every `every` steps.

    Arguments:
      records: measurements after the first.
      observe: parameters, key -> named arrays.

    Returns: the parameters at the end, and what was observed, with a leading axis of records + 1.
    """
    key_first, key_rest = jax.random.split(key)
    first = observe(parameters, key_first)

    def step(state: Any, key: Array) -> tuple[Any, None]:
        return algorithm.step(policy, task, kind, parameters, state, key), None

    def stretch(state: Any, key: Array) -> tuple[Any, Mapping[str, Array]]:
        key_steps, key_observed = jax.random.split(key)
        state, _ = jax.lax.scan(step, state, jax.random.split(key_steps, every))
        return state, observe(state[0], key_observed)

    state, rest = jax.lax.scan(stretch, algorithm.begin(parameters), jax.random.split(key_rest, records))
    return state[0], {name: jnp.concatenate([first[name][None], rest[name]]) for name in rest}


def _answers(
    algorithm: PolicyGradient | PPO, policy: Policy, task: Task, kind: str, parameters: Any, key: Key[Array, ""]
) -> tuple[Array, Array, Array]:
    """A batch of answers, their log-probabilities and advantages."""
    key_prompts, key_answers = jax.random.split(key)
    prompts = jnp.repeat(task.prompts(key_prompts, algorithm.prompts, kind), algorithm.group, 0)
    tokens, logprobs, _ = sample(policy, parameters, task, prompts, key_answers)
    rewards = task.reward(tokens).reshape(algorithm.prompts, algorithm.group)
    return tokens, logprobs, advantages(rewards, algorithm.baseline, algorithm.offset).ravel()


def _updated(state: Trained, gradient: Any, rate: float) -> Trained:
    changes, optimiser = optax.adam(rate).update(gradient, state.optimiser)
    return Trained(optax.apply_updates(state.parameters, changes), optimiser)


def _check(prompts: int, group: int, rate: float, kl: float) -> None:
    require(prompts >= 1, f"prompts must be at least 1, got {prompts}")
    require(group >= 1, f"answers a prompt must be at least 1, got {group}")
    require(rate > 0, f"rate must be positive, got {rate}")
    require(kl >= 0, f"kl must not be negative, got {kl}")
