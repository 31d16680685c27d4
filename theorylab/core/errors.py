"""The one vocabulary in which the package refuses and fails."""

from __future__ import annotations

from typing import Any

import jax
import jax.core
import numpy as np


class Refused(ValueError):
    """Input that is refused before anything is computed; the sentence says what, the allowed range, the remedy."""


class NumericalFailure(RuntimeError):
    """A computation that ended in no answer: a failed solve, a divergence, a value that is not finite."""


class OutOfMemory(Refused):
    """A size or tile that would not fit; the sentence says what would."""


def require(condition: Any, sentence: str) -> None:
    """Refuse with `sentence` unless `condition` holds; silent on tracers, whose values are not known.

    Raises: `Refused`.
    """
    if isinstance(condition, jax.core.Tracer):
        return
    if not bool(np.all(condition)):
        raise Refused(sentence)


def require_finite(**values: Any) -> None:
    """Refuse every named value that is not finite; silent on tracers. Raises: `Refused`."""
    for name, value in values.items():
        if not isinstance(value, jax.core.Tracer):
            require(np.isfinite(value), f"{name} must be finite, got {value}")
