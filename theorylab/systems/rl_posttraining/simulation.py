"""The simulation: sampled answers, rewards, advantages and updates, as the training algorithms do it.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import xlogy
from jaxtyping import Array, Float, Key

from theorylab.systems.rl_posttraining import estimators
from theorylab.systems.rl_posttraining.setting import question_weights
from theorylab.systems.rl_posttraining.simulation_policy import (
    Rollouts,
    advantages,
    ascend,
    by_format,
    pick,
    sample,
)

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining import RLPosttraining


class Policy(NamedTuple):
    """Logits of the formats, and of each format's skill at each class of questions.

    Frozen skills are kept as probabilities (`accuracy`), since 0 and 1 have no logit.
    """

    logits: Float[Array, "format"]
    skills: Float[Array, "question format"]
    accuracy: Float[Array, "question format"]

    @property
    def shares(self) -> Float[Array, "format"]:
        return jax.nn.softmax(self.logits)


Step = Callable[[Policy, Key[Array, ""]], Policy]


def simulate(system: RLPosttraining, key: Key[Array, ""]) -> dict[str, Array]:
    """One run (two independent ones where the variance over runs is studied)."""
    if system.study == "winner":
        return {"wins": winner(system, key)}
    if system.study == "noise":
        pair = jax.vmap(lambda one: train(system, one))(jax.random.split(key))
        logit = pair.logits[:, :, 0] - pair.logits[:, :, 1]
        # half the squared difference of two independent runs has the variance as its mean
        return {"logit": jnp.mean(logit, axis=0), "variance": 0.5 * (logit[0] - logit[1]) ** 2}
    train_key, test_key = jax.random.split(key)
    path = train(system, train_key)
    curves = jax.vmap(lambda policy, one: measure(system, policy, one))(
        path, jax.random.split(test_key, path.logits.shape[0])
    )
    return {observable.name: curves[observable.name] for observable in system.observables}


def initial(system: RLPosttraining) -> Policy:
    """The pretrained policy."""
    a = jnp.asarray(system.accuracy)
    skills = jnp.log(a) - jnp.log1p(-a) if system.skills == "learned" else jnp.zeros_like(a)
    return Policy(jnp.log(jnp.asarray(system.shares)), skills, a)


def train(system: RLPosttraining, key: Key[Array, ""]) -> Policy:
    """The policy at the recorded steps, a leading axis on every leaf."""
    step = {"gradient": gradient_step, "ppo": ppo_iteration, "expert": expert_round}[system.algorithm](system)
    recorded = jnp.asarray(system.recorded())

    def stretch(policy: Policy, ends: tuple[Array, Array]) -> tuple[Policy, Policy]:
        policy = lax.fori_loop(ends[0], ends[1], lambda i, now: step(now, jax.random.fold_in(key, i)), policy)
        return policy, policy

    begins = jnp.concatenate([recorded[:1], recorded[:-1]])
    _, path = lax.scan(stretch, initial(system), (begins, recorded))
    return path


def draw(system: RLPosttraining, policy: Policy, key: Key[Array, ""]) -> Rollouts:
    """A batch of answers of the policy."""
    weights = question_weights(system.weights, policy.accuracy)
    return sample(key, policy.shares, policy.accuracy, weights, system.batch, system.answers)


def gradient_step(system: RLPosttraining) -> Step:
    """Policy gradient with the system's advantage, eq. (3); learned skills take part, eqs. (22), (23)."""
    start = initial(system)
    formats = start.logits.size
    weights = question_weights(system.weights, start.accuracy)
    learned = system.skills == "learned"

    def step(policy: Policy, key: Key[Array, ""]) -> Policy:
        rollouts = draw(system, policy, key)
        scored = advantages(system, rollouts, policy.accuracy @ policy.shares)
        penalty = policy.logits - start.logits
        if learned:
            penalty = penalty + weights @ bernoulli_divergence(policy.skills, start.skills)
        logits = ascend(system, policy.logits, by_format(scored, rollouts, formats), penalty)
        if not learned:
            return policy._replace(logits=logits)
        # derivative of log Bernoulli(right) along its logit: right - accuracy
        a = policy.accuracy
        surprise = rollouts.right - a[rollouts.question[:, None], rollouts.format]
        push = jnp.zeros_like(a).at[rollouts.question[:, None], rollouts.format].add(scored * surprise) / scored.size
        pull = weights[:, None] * policy.shares * a * (1 - a) * (policy.skills - start.skills)
        skills = policy.skills + system.rate * system.skill_rate * (push - system.kl * pull)
        return Policy(logits, skills, jax.nn.sigmoid(skills))

    return step


def bernoulli_divergence(u: Array, v: Array) -> Array:
    """KL divergence of Bernoulli variables with logits u and v."""
    return jax.nn.sigmoid(u) * (u - v) + jax.nn.log_sigmoid(-u) - jax.nn.log_sigmoid(-v)


def ppo_iteration(system: RLPosttraining) -> Step:
    """PPO: several full-batch ascents of the clipped surrogate on one batch, advantages frozen, eq. (21)."""
    start = initial(system)
    formats = start.logits.size

    def step(policy: Policy, key: Key[Array, ""]) -> Policy:
        rollouts = draw(system, policy, key)
        old = policy.shares
        scored = advantages(system, rollouts, policy.accuracy @ old)
        praised = by_format(jnp.maximum(scored, 0.0), rollouts, formats)
        blamed = by_format(jnp.maximum(-scored, 0.0), rollouts, formats)

        def inner(_: Array, logits: Array) -> Array:
            ratio = jax.nn.softmax(logits) / old
            pushed = ratio * (praised * (ratio < 1 + system.clip) - blamed * (ratio > 1 - system.clip))
            return ascend(system, logits, pushed, logits - start.logits)

        return policy._replace(logits=lax.fori_loop(0, system.inner, inner, policy.logits))

    return step


def expert_round(system: RLPosttraining) -> Step:
    """Expert Iteration: the kept right answers' formats, refitted, eq. (18)."""
    start = initial(system)
    formats = start.logits.size

    def step(policy: Policy, key: Key[Array, ""]) -> Policy:
        rollouts = draw(system, policy, key)
        kept = rollouts.right & (jnp.cumsum(rollouts.right, axis=1) <= system.keep)
        counts = by_format(kept.astype(policy.logits.dtype), rollouts, formats)
        total = jnp.sum(counts)
        found = jnp.where(total > 0, counts / jnp.where(total > 0, total, 1.0), policy.shares)
        base = start.shares if system.restart else policy.shares
        # in shares, not logits: what is never kept has none, and 0^0 = 1 leaves a full refit alone
        mixed = base ** (1 - system.refit) * found**system.refit
        return policy._replace(logits=jnp.log(mixed / jnp.sum(mixed)))

    return step


def winner(system: RLPosttraining, key: Key[Array, ""]) -> Float[Array, ""]:
    """1 where the first of two formats passes the barrier first, 0 where the second does, NaN where neither has."""
    step = gradient_step(system)

    def undecided(state: tuple[Policy, Array]) -> Array:
        policy, count = state
        return (jnp.abs(policy.logits[0] - policy.logits[1]) < system.barrier) & (count < system.steps)

    def advance(state: tuple[Policy, Array]) -> tuple[Policy, Array]:
        policy, count = state
        return step(policy, jax.random.fold_in(key, count)), count + 1

    policy, _ = lax.while_loop(undecided, advance, (initial(system), jnp.zeros((), int)))
    logit = policy.logits[0] - policy.logits[1]
    return jnp.where(logit >= system.barrier, 1.0, jnp.where(logit <= -system.barrier, 0.0, jnp.nan)).astype(
        logit.dtype
    )


def measure(system: RLPosttraining, policy: Policy, key: Key[Array, ""]) -> dict[str, Array]:
    """What is recorded of a policy: known exactly, or measured from `evaluations` sampled answers a question."""
    weights = question_weights(system.weights, policy.accuracy)
    p, a, dtype = policy.shares, policy.accuracy, policy.logits.dtype
    success = a @ p
    divergence = jnp.sum(xlogy(p, p) - p * jnp.log(jnp.asarray(system.shares)))
    if system.skills == "learned":
        divergence = divergence + weights @ bernoulli_divergence(policy.skills, initial(system).skills) @ p
    curves = {"share": p, "success": weights @ success, "divergence": divergence, "skill": weights @ a}
    if len(system.held_out):
        curves["held_out"] = jnp.mean(jnp.asarray(system.held_out) @ p)
    if not system.evaluations:
        attempts = jnp.asarray(np.array(system.attempts, int), dtype)
        curves["passes"] = weights @ (1 - (1 - success[:, None]) ** attempts)
        if system.votes:
            curves["majority"] = weights @ votes(system, success, key, VOTES_OF_KNOWN)
        return curves
    answer_key, vote_key = jax.random.split(key)
    chances = jnp.stack([p * a, p * (1 - a)], axis=-1).reshape(a.shape[0], 1, -1)
    kind = pick(jax.random.uniform(answer_key, (a.shape[0], system.evaluations), dtype), chances)
    right = kind % 2 == 0
    chosen = kind[..., None] // 2 == jnp.arange(p.size)
    seen = weights @ jnp.sum(chosen, axis=1).astype(dtype)
    hits = weights @ jnp.sum(chosen & right[..., None], axis=1).astype(dtype)
    # the accuracy of a format that was never sampled is undefined
    curves["measured"] = jnp.where(seen > 0, hits / jnp.where(seen > 0, seen, 1.0), jnp.nan)
    if system.attempts:
        table = jnp.asarray(estimators.pass_table(system.evaluations, system.attempts), dtype)
        curves["passes"] = weights @ table[jnp.sum(right, axis=1)]
    if system.votes:
        wrong_key, tie_key = jax.random.split(vote_key)
        blocks = system.evaluations // system.votes
        answer = jnp.where(right, 0, jax.random.randint(wrong_key, right.shape, 1, system.wrong + 1))
        answer = answer[:, : blocks * system.votes].reshape(a.shape[0], blocks, system.votes)
        curves["majority"] = weights @ jnp.mean(estimators.vote(tie_key, answer, system.wrong + 1), axis=1).astype(
            dtype
        )
    return curves


VOTES_OF_KNOWN = 64
"""Votes that are taken at a question whose success rate is known, since a majority has to be sampled."""


def votes(system: RLPosttraining, success: Array, key: Key[Array, ""], count: int) -> Float[Array, "question"]:
    """Fraction of `count` votes that are right."""
    right_key, wrong_key, tie_key = jax.random.split(key, 3)
    shape = (success.size, count, system.votes)
    right = jax.random.uniform(right_key, shape, success.dtype) < success[:, None, None]
    answer = jnp.where(right, 0, jax.random.randint(wrong_key, shape, 1, system.wrong + 1))
    return jnp.mean(estimators.vote(tie_key, answer, system.wrong + 1), axis=1).astype(success.dtype)
