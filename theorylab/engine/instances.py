"""Shared disorder made concrete, from keys that no run uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from theorylab.core import AbstractSystem
from theorylab.core.casting import cast, in_precision, is_traced
from theorylab.engine.programs import program

if TYPE_CHECKING:
    from theorylab.engine.store import Shelf

INSTANCE_STREAM = 2**32 - 1
"""Folded into a key before instances are drawn; a run's own index never gets there."""


def draw(system: AbstractSystem, key: Key[Array, ""], indices: Int[np.ndarray, " n"]) -> Any:
    """Instances number `indices` of a key, as host arrays with a leading axis; drawn in float64 in one program.

    A system that is being traced draws within the trace, in the caller's precision.
    """
    if is_traced(system):
        return _draw_many(system, _keys(key, indices))
    with in_precision("float64"):
        args = (cast(system, "float64"), _keys(key, indices))
        return jax.tree.map(_to_host, program(_draw_many, args).call(*args))


def draw_one(system: AbstractSystem, key: Key[Array, ""]) -> Any:
    """Instance number 0 of a key; None where the setting draws none."""
    return _take(draw(system, key, np.arange(1)), 0) if system.draws else None


class Few:
    """A few instances shared by many runs: drawn once each, and kept (where there is a store, there)."""

    def __init__(self, system: AbstractSystem, key: Key[Array, ""]) -> None:
        self._system, self._key = system, key
        self._drawn: dict[int, Any] = {}

    def get(self, index: int, shelf: Shelf | None = None) -> Any:
        """Instance number `index`, as host arrays."""
        if index not in self._drawn:
            item = f"instance-{index:04d}"
            stored = shelf.get(item) if shelf is not None else None
            if stored is None:
                one = _take(draw(self._system, self._key, np.array([index])), 0)
                if shelf is not None:
                    shelf.put(item, {f"leaf-{i:03d}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(one))})
            else:
                structure = jax.tree.structure(jax.eval_shape(self._system.draw, self._key))
                one = jax.tree.unflatten(structure, [stored[name] for name in sorted(stored)])
            self._drawn[index] = one
        return self._drawn[index]

    def stacked(self, indices: Int[np.ndarray, " n"], shelf: Shelf | None = None) -> Any:
        """Instances of several runs, with a leading axis."""
        ones = {int(i): self.get(int(i), shelf) for i in np.unique(indices)}
        return jax.tree.map(lambda *leaves: np.stack(leaves), *(ones[int(i)] for i in indices))


def _keys(key: Key[Array, ""], indices: Int[np.ndarray, " n"]) -> Key[Array, " n"]:
    stream = jax.random.fold_in(key, INSTANCE_STREAM)
    return jax.vmap(lambda i: jax.random.fold_in(stream, i))(jnp.asarray(indices, jnp.uint32))


def _draw_many(system: AbstractSystem, keys: Key[Array, " n"]) -> Any:
    return jax.vmap(system.draw)(keys)


def _take(tree: Any, index: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], tree)


def _to_host(leaf: Any) -> Any:
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)
