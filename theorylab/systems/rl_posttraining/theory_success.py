"""pass@k and majority@k: right at least once in k answers, and right by vote.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, ArrayLike, Float, Int
from scipy.special import gammaln as log_gamma

from theorylab.core import require
from theorylab.systems.rl_posttraining.setting import Number


def pass_at(
    success: Float[ArrayLike, "*shape question"],
    weights: Float[ArrayLike, "question"],
    attempts: Int[ArrayLike, "attempt"],
) -> Float[Array, "*shape attempt"]:
    """pass@k = 1 - sum_q w_q (1 - r_q)^k, eq. (28).

    Arguments:
      success: r_q, probability of a right answer.
      weights: of the questions, adding up to 1.
      attempts: numbers k of answers.
    """
    miss = 1 - jnp.asarray(success)
    counts = jnp.asarray(np.asarray(attempts))  # whole: powers of 0 then have a derivative
    return 1 - jnp.einsum("...qk,q->...k", miss[..., None] ** counts, jnp.asarray(weights, miss.dtype))


def pass_at_beta(alpha: Number, beta: Number, attempts: Int[ArrayLike, "*attempt"]) -> Float[Array, "*attempt"]:
    """pass@k where questions' success rates follow Beta(alpha, beta), eq. (29)."""
    k, a, b = jnp.asarray(attempts, float), jnp.asarray(alpha, float), jnp.asarray(beta, float)
    # jax's betaln is good to 1e-8 only
    return -jnp.expm1(gammaln(b + k) - gammaln(b) + gammaln(a + b) - gammaln(a + b + k))


def pass_at_known(
    share: Number, known: Float[ArrayLike, "2"], attempts: Int[ArrayLike, "*attempt"]
) -> Float[Array, "*attempt"]:
    """pass@k of two formats that know a question or do not, independently, eq. (30).

    Arguments:
      share: p_1 of the first format.
      known: fractions of the questions that each format knows.
    """
    k = jnp.asarray(attempts, float)
    p, alpha = jnp.asarray(share, float), jnp.asarray(known, float)
    neither = (1 - alpha[0]) * (1 - alpha[1])
    return 1 - neither - alpha[0] * (1 - alpha[1]) * (1 - p) ** k - (1 - alpha[0]) * alpha[1] * p**k


def vote_weights(votes: int, wrong: int) -> Float[np.ndarray, "right"]:
    """Probability that the vote is right, given how many of the `votes` are: ties broken evenly, eq. (31).

    Wrong votes fall evenly on `wrong` answers. Exact: counts of votes are coefficients of powers of truncated
    exponential series.

    Raises: `Refused` for fewer than one vote or wrong answer.
    """
    require(votes >= 1, f"a vote needs at least one answer, got {votes}")
    require(wrong >= 1, f"there must be at least one wrong answer, got {wrong}")
    found = np.zeros(votes + 1)
    for right in range(1, votes + 1):
        left = votes - right
        fewer = np.exp(-log_gamma(np.arange(min(right, left + 1)) + 1.0))  # every loser has fewer than `right` votes
        for tied in range(min(wrong, left // right) + 1):
            others = np.ones(1)
            for _ in range(wrong - tied):
                others = np.convolve(others, fewer)[: left + 1]
            rest = left - tied * right
            if rest >= len(others):
                continue
            log_ways = log_gamma(left + 1) - left * math.log(wrong) - tied * log_gamma(right + 1)
            found[right] += math.comb(wrong, tied) * others[rest] * math.exp(log_ways) / (1 + tied)
    return found


def majority_at(
    success: Float[ArrayLike, "*shape question"],
    weights: Float[ArrayLike, "question"],
    votes: int,
    wrong: int,
) -> Float[Array, "*shape"]:
    """majority@k: probability that the most frequent of k answers is right, eq. (31).

    Arguments:
      success: r_q, probability of a right answer.
      weights: of the questions, adding up to 1.
      votes: k.
      wrong: equally likely wrong answers.

    It tends to 1 with k exactly where r > (1 - r) / wrong.
    """
    r = jnp.asarray(success)
    right = np.arange(votes + 1)
    ways = np.exp(log_gamma(votes + 1) - log_gamma(right + 1) - log_gamma(votes - right + 1)) * vote_weights(
        votes, wrong
    )
    at = r[..., None]
    chance = ways * at ** jnp.asarray(right) * (1 - at) ** jnp.asarray(votes - right)
    return jnp.sum(chance, axis=-1) @ jnp.asarray(weights, r.dtype)
