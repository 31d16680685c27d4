"""What a theory returns: curves, and whether they may be believed."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Self

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, Shaped

from theorylab.core.errors import NumericalFailure


class Status(enum.IntEnum):
    """How a solve ended: a code that arrays carry through jit and vmap, and a sentence that holds the remedy."""

    SUCCESSFUL = 0, ""
    MAX_STEPS = (
        1,
        (
            "the differential equation's solver reached its largest number of steps; raise max_steps, loosen rtol, "
            "or shorten the horizon"
        ),
    )
    STEP_FAILED = (
        2,
        (
            "the differential equation's solver could not take a step (right-hand side not finite, or too stiff); "
            "use a stiff solver, change rtol, or shorten the horizon"
        ),
    )
    NO_ROOT = 3, "a root finder did not converge; widen its bracket, raise its iterations, or move the couplings"
    WRONG_BRANCH = (
        4,
        ("a root lies on the wrong branch or its residual is too large; raise the number of continuation stages"),
    )
    NOT_FINITE = (
        5,
        ("the predicted dynamics diverges at these couplings; lower the learning rate or shorten the horizon"),
    )
    FEW_SAMPLES = 6, "too few effective Monte-Carlo samples; raise the number of particles"

    sentence: str

    def __new__(cls, code: int, sentence: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member


def worst(*statuses: Int[ArrayLike, "..."]) -> Int[Array, "..."]:
    """The first of `statuses` that is not success; traceable, batched."""
    result = jnp.asarray(statuses[0], jnp.int32)
    for status in statuses[1:]:
        result = jnp.where(result == Status.SUCCESSFUL, status, result)
    return result


def status_where(failed: ArrayLike, status: Status) -> Int[Array, "..."]:
    """`status` where `failed`, success elsewhere; traceable."""
    return jnp.where(jnp.asarray(failed), jnp.int32(status), jnp.int32(Status.SUCCESSFUL))


class Prediction(eqx.Module):
    """A theory's answer.

    Arguments:
      curves: one array an observable, shapes following the observable's `dims`.
      status: a code of `Status` (an integer array under jit and vmap).
      error: standard error of a theory that is itself sampled, per curve; {} where it is exact.
      facts: what is no curve (roots, thresholds, exponents), by name.
    """

    curves: dict[str, Shaped[Array, "..."]]
    status: Int[Array, "..."] | int = 0
    error: dict[str, Shaped[Array, "..."]] = eqx.field(default_factory=dict)
    facts: dict[str, Shaped[Array, "..."]] = eqx.field(default_factory=dict)

    def failure(self, undefined_ok: Collection[str] = ()) -> str:
        """Why this prediction may not be used; "" when it may. Host only.

        Arguments:
          undefined_ok: names of curves where NaN means "undefined here".
        """
        codes = sorted({int(c) for c in np.ravel(np.asarray(self.status))} - {int(Status.SUCCESSFUL)})
        sentences = [Status(code).sentence for code in codes]  # pyright: ignore[reportCallIssue]
        for name, curve in self.curves.items():
            bad = ~np.isfinite(np.asarray(curve))
            if name not in undefined_ok and bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                remedy = sentences or [Status.NOT_FINITE.sentence]
                return f"predicted {name} is not finite, first at index {where}: {'; '.join(remedy)}"
        return "; ".join(sentences)

    def raise_if_failed(self, undefined_ok: Collection[str] = ()) -> Prediction:
        """This prediction. Raises: `NumericalFailure` with a sentence that holds the remedy."""
        sentence = self.failure(undefined_ok)
        if sentence:
            raise NumericalFailure(sentence)
        return self
