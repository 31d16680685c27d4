"""What an advantage makes of a reward: the exact factor c_G of a group of G answers, and the second moment of a step.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, ArrayLike, Float
from scipy.special import gammaln

from theorylab.core import Size, require
from theorylab.systems.rl_posttraining.setting import Number

Advantage = Literal["baseline", "group_mean", "grpo", "batch_mean"]
Factor = Callable[[Float[Array, "..."]], Float[Array, "..."]]
"""c(success rate of a question): what the mean advantage is multiplied by, eq. (5)."""

LARGEST = 1000
"""Answers a group up to which binomial coefficients are numbers; c_G is within 1e-3 of its limit there."""


def group_factor(
    success: Float[ArrayLike, "*shape"], group: Size, *, sample_std: bool = False, offset: Number = 0.0
) -> Float[Array, "*shape"]:
    """c_G(r) of GRPO: the mean advantage of a format is c_G(r) times its accuracy less r, eq. (6).

    Arguments:
      success: probability r of a right answer to the question, in [0, 1].
      group: answers G to one question, at least 2, or inf.
      sample_std: divide by the standard deviation with G - 1 in place of G.
      offset: what is added to the standard deviation in the denominator.

    Raises: `Refused` for fewer than 2 answers, or more than 1000 that are not infinitely many.
    """
    require(group >= 2, f"GRPO compares answers with each other: group must be at least 2, got {group}")
    r = jnp.asarray(success)
    if math.isinf(group):
        mixed = r * (1 - r) > 0
        root = jnp.sqrt(jnp.where(mixed, r * (1 - r), 1.0))
        # where every answer is right, or none, there is nothing to compare
        return jnp.where(mixed, 1 / (root + offset), 0.0)
    require(group <= LARGEST, f"group must be at most {LARGEST}, or inf, got {group}")
    size = int(group)
    right = np.arange(1, size)
    share = right / size
    root = np.sqrt(share * (1 - share)) * (math.sqrt(size / (size - 1)) if sample_std else 1.0)
    # the (sample) deviation in the denominator, the population's variance in the numerator
    mean = jnp.asarray(share * (1 - share)) / (jnp.asarray(root) + offset)
    return jnp.sum(_mixed(size) * mean * _powers(r, right - 1, size - right - 1), axis=-1)


def _mixed(size: int) -> Float[np.ndarray, "count"]:
    """Binomial coefficients of groups that are neither all right nor all wrong."""
    right = np.arange(1, size)
    if size <= 60:
        return np.array([float(math.comb(size, int(s))) for s in right])
    return np.exp(gammaln(size + 1) - gammaln(right + 1) - gammaln(size - right + 1))


def _powers(r: Array, up: np.ndarray, down: np.ndarray) -> Float[Array, "*shape count"]:
    """r^up (1 - r)^down, exact at r = 0 and 1."""
    r = r[..., None]
    return r ** jnp.asarray(up) * (1 - r) ** jnp.asarray(down)


def factor_of(
    advantage: Advantage, group: Size, batch: Size = math.inf, *, sample_std: bool = False, offset: Number = 0.0
) -> Factor:
    """The factor c of an advantage, eqs. (5), (6): 1, 1 - 1/G, c_G(r), or 1 - 1/M.

    Arguments:
      advantage: exact baseline, mean of the group, GRPO, or mean of the batch.
      group: answers G to one question.
      batch: questions B of a step; M = B G rollouts.
      sample_std, offset: of GRPO, see `group_factor`.

    Raises: `Refused` for groups of one where answers are compared with each other.
    """
    if advantage == "grpo":
        return lambda r: group_factor(r, group, sample_std=sample_std, offset=offset)
    if advantage == "baseline":
        return jnp.ones_like
    if advantage == "group_mean":
        require(group >= 2, f"group_mean compares answers with each other: group must be at least 2, got {group}")
        return lambda r: jnp.full_like(r, 1 - 1 / group)
    return lambda r: jnp.full_like(r, 1 - 1 / (batch * group))


def _advantages(
    advantage: Advantage, success: Array, size: int, sample_std: bool, offset: Number
) -> tuple[Float[Array, "*shape count"], Float[Array, "*shape count"]]:
    """Advantage of a right and of a wrong answer in a group with 0..G right ones."""
    share = np.arange(size + 1) / size
    if advantage == "group_mean":
        right, wrong = 1 - share, -share
    elif advantage == "grpo":
        root = np.sqrt(share * (1 - share)) * (math.sqrt(size / (size - 1)) if sample_std else 1.0)
        mixed = jnp.asarray(root > 0)
        scale = jnp.where(mixed, 1 / (jnp.where(mixed, jnp.asarray(root), 1.0) + offset), 0.0)
        right, wrong = (1 - share) * scale, -share * scale
    else:
        right, wrong = 1 - success[..., None], -success[..., None]
    shape = (*success.shape, size + 1)
    return jnp.broadcast_to(right, shape), jnp.broadcast_to(wrong, shape)


def step_covariance(
    shares: Float[Array, "format"],
    accuracy: Float[Array, "question format"],
    weights: Float[Array, "question"],
    *,
    advantage: Advantage,
    group: int,
    sample_std: bool = False,
    offset: Number = 0.0,
) -> Float[Array, "format format"]:
    """B times the covariance of one step's direction without its KL part, eq. (20): exact, but for `batch_mean`.

    The mean over a batch of B questions with G answers each of advantage times (e_k - p); for `batch_mean` to
    leading order in the batch, as if its mean were exact.

    Arguments:
      shares: p on the simplex.
      accuracy: probabilities of a right answer.
      weights: of the questions, adding up to 1.
    """
    size = int(group)
    success = accuracy @ shares
    level = jnp.broadcast_to(weights @ success, success.shape) if advantage == "batch_mean" else success
    right, wrong = _advantages(advantage, level, size, sample_std, offset)
    counts = np.arange(size + 1)
    log_ways = gammaln(size + 1) - gammaln(counts + 1) - gammaln(size - counts + 1)
    r = success[..., None]
    chance = jnp.exp(jnp.asarray(log_ways) + xlogy(counts, r) + xlog1py(size - counts, -r))

    def moment(values: Array) -> Float[Array, "question"]:
        return jnp.sum(chance * values, axis=-1)

    # format of a right and of a wrong answer, and their means and covariances of e_k - p
    given_right = jnp.where(r > 0, shares * accuracy / jnp.where(r > 0, r, 1.0), shares)
    given_wrong = jnp.where(r < 1, shares * (1 - accuracy) / jnp.where(r < 1, 1 - r, 1.0), shares)
    means = [given - shares for given in (given_right, given_wrong)]
    spreads = [_categorical(given) for given in (given_right, given_wrong)]

    def outer(u: Array, v: Array) -> Float[Array, "question format format"]:
        return u[:, :, None] * v[:, None, :]

    both = moment(right * wrong * counts * (size - counts))[:, None, None]
    second = (
        moment(right**2 * counts)[:, None, None] * spreads[0]
        + moment(right**2 * counts**2)[:, None, None] * outer(means[0], means[0])
        + moment(wrong**2 * (size - counts))[:, None, None] * spreads[1]
        + moment(wrong**2 * (size - counts) ** 2)[:, None, None] * outer(means[1], means[1])
        + both * (outer(means[0], means[1]) + outer(means[1], means[0]))
    ) / size**2
    first = (moment(right * counts)[:, None] * means[0] + moment(wrong * (size - counts))[:, None] * means[1]) / size
    mean = weights @ first
    return jnp.einsum("q,qkl->kl", weights, second) - jnp.outer(mean, mean)


def _categorical(p: Float[Array, "question format"]) -> Float[Array, "question format format"]:
    return p[:, :, None] * jnp.eye(p.shape[1]) - p[:, :, None] * p[:, None, :]
