"""A tabular policy over formats and its sampled answers: what every training algorithm here shares.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

if TYPE_CHECKING:
    from theorylab.systems.rl_posttraining import RLPosttraining


class Rollouts(NamedTuple):
    """Sampled answers.

    Arguments:
      question: class of each question, (batch,).
      format: of each answer, (batch, answer).
      right: whether it is, (batch, answer).
    """

    question: Int[Array, "batch"]
    format: Int[Array, "batch answer"]
    right: Bool[Array, "batch answer"]


def pick(uniform: Float[Array, "*shape"], chances: Float[Array, "*shape kind"]) -> Int[Array, "*shape"]:
    """The kind that a uniform number falls on."""
    edges = jnp.cumsum(chances, axis=-1)[..., :-1]  # the last kind takes what rounding leaves
    return jnp.sum(uniform[..., None] >= edges, axis=-1)


def sample(
    key: Key[Array, ""],
    shares: Float[Array, "format"],
    accuracy: Float[Array, "question format"],
    weights: Float[Array, "question"],
    batch: int,
    answers: int,
) -> Rollouts:
    """`batch` questions by their weights, `answers` answers each: a format by its share, right by its accuracy."""
    question_key, answer_key = jax.random.split(key)
    dtype = shares.dtype
    if accuracy.shape[0] == 1:
        question = jnp.zeros(batch, int)
    else:
        question = pick(
            jax.random.uniform(question_key, (batch,), dtype), jnp.broadcast_to(weights, (batch, weights.size))
        )
    # kinds of answers: format and right, then format and wrong
    chances = jnp.stack([shares * accuracy, shares * (1 - accuracy)], axis=-1).reshape(accuracy.shape[0], -1)
    kind = pick(jax.random.uniform(answer_key, (batch, answers), dtype), chances[question][:, None, :])
    return Rollouts(question, kind // 2, kind % 2 == 0)


def advantages(
    system: RLPosttraining, rollouts: Rollouts, success: Float[Array, "question"]
) -> Float[Array, "batch answer"]:
    """Advantage of each answer, eq. (4); `success` is the policy's at each class of questions."""
    reward = rollouts.right.astype(success.dtype)
    exact = success[rollouts.question][:, None]
    if system.advantage == "baseline":
        return reward - exact
    if system.advantage == "batch_mean":
        return reward - jnp.mean(reward)
    mean = exact if math.isinf(system.group) else jnp.mean(reward, axis=1, keepdims=True)
    if system.advantage == "group_mean":
        return reward - mean
    spread = jnp.sqrt(mean * (1 - mean))
    if system.sample_std and math.isfinite(system.group):
        spread = spread * (system.group / (system.group - 1)) ** 0.5
    # all right or all wrong: nothing to compare
    mixed = spread > 0
    return jnp.where(mixed, (reward - mean) / (jnp.where(mixed, spread, 1.0) + system.offset), 0.0)


def by_format(values: Float[Array, "batch answer"], rollouts: Rollouts, formats: int) -> Float[Array, "format"]:
    """Sum of values over the answers in each format, over the number of all answers."""
    chosen = rollouts.format[..., None] == jnp.arange(formats)
    return jnp.sum(jnp.where(chosen, values[..., None], 0.0), axis=(0, 1)) / values.size


def ascend(
    system: RLPosttraining, logits: Float[Array, "format"], pushed: Float[Array, "format"], penalty: Array
) -> Float[Array, "format"]:
    """One step of the logits, eq. (3): `pushed` is the mean of advantage times the chosen format's indicator.

    Arguments:
      penalty: derivative of the KL divergence along each share, less nothing; its mean is removed here.
    """
    p = jax.nn.softmax(logits)
    slope = pushed - p * jnp.sum(pushed) - system.kl * p * (penalty - p @ penalty)
    if system.geometry == "natural":
        slope = slope / jnp.maximum(p, SMALLEST_SHARE)
    return logits + system.rate * slope


SMALLEST_SHARE = 1e-6
"""Natural steps divide by no less, so that a vanished format does not blow up in rounding errors."""
