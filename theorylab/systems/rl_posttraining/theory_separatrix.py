"""Where the winner changes when skills are learned in practice: the separatrix in the initial share.

Equation numbers are those of docs/rl_posttraining.md.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from theorylab.systems.rl_posttraining.setting import Number
from theorylab.systems.rl_posttraining.theory_flow import Geometry, coupled
from theorylab.systems.rl_posttraining.theory_groups import Factor

CANDIDATES, REFINEMENTS = 64, 4
"""Shares tried at once, and how often the bracket shrinks by so many."""


def separatrix(
    accuracy: Float[ArrayLike, "2"],
    time: Number,
    *,
    ratio: Number = 1.0,
    factor: Factor = jnp.ones_like,
    kl: Number = 0.0,
    geometry: Geometry = "euclid",
    rtol: Number = 1e-9,
    refinements: int = REFINEMENTS,
) -> Float[Array, ""]:
    """Initial share of the first of two formats above which it leads at `time`, eqs. (22), (23); it depends on `time`.

    Arguments:
      accuracy: both formats' initial accuracies, strictly between 0 and 1.
      time: rate x steps, not so short that nothing has moved.
      ratio, factor, kl, geometry: as in `theory_flow.coupled`.
      refinements: the result is within 64^-refinements.

    Returns: 0 or 1 where one format wins from every share.
    """
    a = jnp.asarray(accuracy, float)[None]
    times = jnp.stack([jnp.zeros(()), jnp.asarray(time, float)])

    def lead(share: Array) -> Array:
        path = coupled(times, jnp.stack([share, 1 - share]), a, ratio=ratio, factor=factor, kl=kl, geometry=geometry,
                       rtol=rtol, atol=1e-2 * rtol)  # fmt: skip
        return path.logits[-1, 0] - path.logits[-1, 1]

    def refine(ends: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
        low, high = ends
        # inner points only: at the ends the logits are infinite, or known already
        shares = low + (high - low) * jnp.arange(1, CANDIDATES) / CANDIDATES
        behind = jnp.sum(jax.vmap(lead)(shares) < 0)
        width = (high - low) / CANDIDATES
        return (low + width * behind, low + width * (behind + 1)), None

    (low, high), _ = jax.lax.scan(refine, (jnp.zeros(()), jnp.ones(())), length=refinements)
    return 0.5 * (low + high)
