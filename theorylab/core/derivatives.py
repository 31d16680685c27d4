"""Derivatives in few couplings through long recursions: forward, behind `jax.grad` too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero


def explicit_jacobian(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, with a derivative rule that builds its Jacobian forward, one column a perturbed number.

    Reverse mode through a recursion over T steps of a (T, T) state stores it at every step (memory T^3); the
    rule's output is a product with an explicit Jacobian, which transposes without storing anything of the
    recursion. Only arguments that are in fact differentiated cost a column.
    """

    @jax.custom_jvp
    def wrapped(*args: Any) -> Any:
        return jax.tree.map(jnp.asarray, function(*args))

    def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
        leaves, structure = jax.tree.flatten(primals)
        dots = structure.flatten_up_to(tangents)
        moved = [i for i, dot in enumerate(dots) if not isinstance(dot, SymbolicZero) and _is_real(leaves[i])]

        at = [jnp.asarray(leaves[i]) for i in moved]
        sizes = [part.size for part in at]
        total = sum(sizes)

        def along(direction: Any) -> Any:
            parts, start = [], 0
            for part, length in zip(at, sizes, strict=True):
                parts.append(direction[start : start + length].reshape(part.shape).astype(part.dtype))
                start += length
            return jax.jvp(raw, (at,), (parts,))[1]

        def raw(parts: list[Any]) -> list[Any]:
            current = list(leaves)
            for i, part in zip(moved, parts, strict=True):
                current[i] = part
            outputs = jax.tree.leaves(jax.tree.map(jnp.asarray, function(*jax.tree.unflatten(structure, current))))
            return [out for out in outputs if _is_inexact(out)]

        columns = jax.vmap(along, out_axes=-1)(jnp.eye(total, dtype=at[0].dtype))
        weights = jnp.concatenate([jnp.ravel(dots[i]) for i in moved])
        outputs = wrapped(*primals)
        flat, out_structure = jax.tree.flatten(outputs)
        remaining = iter(columns)
        dots_out = [
            next(remaining) @ weights if _is_inexact(out) else np.zeros(out.shape, jax.dtypes.float0) for out in flat
        ]
        return outputs, jax.tree.unflatten(out_structure, dots_out)

    wrapped.defjvp(rule, symbolic_zeros=True)
    return wrapped


def _is_real(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.floating)


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
