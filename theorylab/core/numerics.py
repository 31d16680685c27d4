"""How a theory is solved, kept apart from what it says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

import equinox as eqx

from theorylab.core.errors import require


class Numerics(eqx.Module):
    """Tolerances of a solve. A system that needs more (nodes, windows, particles) subclasses this with static
    fields, chosen on the host from concrete couplings and rounded up so that neighbours share one program."""

    rtol: float = 1e-9
    """Relative tolerance of adaptive solvers."""
    atol: float = 1e-11
    """Absolute tolerance of adaptive solvers."""
    max_steps: int = eqx.field(static=True, default=200_000)
    """Steps after which a solve is given up."""

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed. Raises: `Refused` for a field that does not exist."""
        names = [f.name for f in dataclasses.fields(self)]
        for name in changes:
            require(name in names, f"{type(self).__name__} has no {name!r}; it has: {', '.join(names)}")
        return dataclasses.replace(self, **changes)

    @classmethod
    def largest(cls, several: Sequence[Self]) -> Self:
        """One that serves all of `several`: the largest of every static integer, the smallest tolerance."""
        first = several[0]
        changes: dict[str, Any] = {}
        for f in dataclasses.fields(first):
            values = [getattr(one, f.name) for one in several]
            if f.metadata.get("static", False):
                if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
                    changes[f.name] = max(values)
                else:
                    require(
                        all(v == values[0] for v in values),
                        f"one sweep cannot mix {f.name} = {sorted({str(v) for v in values})}; sweep them apart",
                    )
            elif all(isinstance(v, float) for v in values):
                changes[f.name] = min(values)
        return dataclasses.replace(first, **changes)
