"""Predictions: drawn, cast, checked, compiled once a structure, many settings at a time."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from theorylab.core import AbstractSystem, Numerics, OutOfMemory, Prediction, Refused, require
from theorylab.core.casting import cast, in_precision, is_traced
from theorylab.core.derivatives import explicit_jacobian
from theorylab.core.system import fields_of
from theorylab.engine import instances as instances_
from theorylab.engine.ensemble import as_key, check_curves
from theorylab.engine.programs import memory_budget, program

BATCH = 32
"""Settings in one vmapped program: sweeps pad to it, so that all their buckets share one."""


@dataclass(frozen=True)
class Timed:
    """Predictions with what they took: seconds of running (compiled) and of compiling."""

    predictions: list[Prediction]
    seconds: float
    seconds_compile: float


def predict(
    system: AbstractSystem,
    *,
    key: Key[Array, ""] | None = None,
    instance: Any = None,
    numerics: Numerics | None = None,
) -> Prediction:
    """The theory's curves for one setting, in float64.

    Arguments:
      key: draws the instance where the setting has shared disorder (the one that `simulate` with this key and
        one shared instance uses).
      instance: a drawn instance, in place of `key`.
      numerics: how to solve; the system's own choice by default.

    Returns: a `Prediction`; failure is a value in it (`raise_if_failed`). Inside a caller's own jit, vmap or
    grad the caller's precision is kept; derivatives are forward in the couplings, so `jax.grad` works at any
    length of recursion.

    Raises: `Refused` for bad input, `OutOfMemory`.
    """
    if system.draws and instance is None:
        require(
            key is not None,
            f"this setting of {type(system).__name__} predicts one concrete instance; give key= or instance=",
        )
        instance = instances_.draw_one(system, as_key(key))
    if is_traced((system, instance)):
        return _predict_traced(system, instance, numerics)
    return predict_many([system], [instance], numerics).predictions[0]


def predict_many(
    systems: Sequence[AbstractSystem], instances: Sequence[Any], numerics: Numerics | Mapping[str, Any] | None = None
) -> Timed:
    """Predictions of settings that differ in couplings and instances only, in as few programs as they need.

    Arguments:
      numerics: how to solve, or changes to the systems' own choice.

    Raises: `Refused`, `OutOfMemory`.
    """
    if isinstance(numerics, Numerics):
        chosen = numerics
    else:
        chosen = Numerics.largest([s.numerics(i) for s, i in zip(systems, instances, strict=True)])
        chosen = chosen.replace(**(numerics or {}))
    count = len(systems)
    batch = 1 if count == 1 else min(BATCH, 1 << (count - 1).bit_length())
    order = np.argsort([system.cost() for system in systems], kind="stable")
    found: list[Prediction | None] = [None] * count
    seconds = seconds_compile = 0.0
    budget = memory_budget()

    with in_precision("float64"):
        settled = cast(chosen, "float64")
        settings = Settings(list(zip(systems, instances, strict=True)))
        start = 0
        while start < count:
            bucket = [int(i) for i in order[start : start + batch]]
            args = (*settings.stacked(bucket + bucket[-1:] * (batch - len(bucket))), settled)
            before = time.perf_counter()
            made = program(_one, args) if batch == 1 else program(settings.many, args, name=(_one, settings.varies))
            compiled = time.perf_counter()
            seconds_compile += compiled - before
            if budget is not None and made.peak > budget:
                if batch > 1:
                    batch //= 2
                    continue
                raise OutOfMemory(
                    f"the theory of {type(systems[0]).__name__} needs {made.peak / 2**30:.2f} GiB, "
                    f"{budget / 2**30:.2f} GiB are free; shorten the horizon, or choose smaller numerics"
                )
            result = jax.device_get(made.call(*args))
            seconds += time.perf_counter() - compiled
            for place, i in enumerate(bucket):
                one = result if batch == 1 else jax.tree.map(lambda leaf, at=place: leaf[at], result)
                found[i] = one = jax.tree.map(np.asarray, one)
                check_curves(systems[i], one.curves, "the theory")
            start += len(bucket)
    return Timed([one for one in found if one is not None], seconds, seconds_compile)


def _one(system: AbstractSystem, instance: Any, numerics: Any) -> Prediction:
    return system.predict(instance, numerics)


class Settings:
    """Pairs of system and instance that differ in the values of some leaves: only those get a leading axis, so that
    what depends on the others alone is computed once.

    Arguments:
      pairs: of like structure.

    `varies` says of each leaf whether it differs anywhere among the pairs; one does at least.
    """

    def __init__(self, pairs: list[tuple[AbstractSystem, Any]]) -> None:
        self._leaves = [jax.tree.leaves(pair) for pair in pairs]
        self._structure = jax.tree.structure(pairs[0])
        self._cast = [cast(leaf, "float64") for leaf in self._leaves[0]]
        differing = [
            any(_differ(column[0], other) for other in column[1:]) for column in zip(*self._leaves, strict=True)
        ]
        if differing and not any(differing):
            differing[0] = True
        self.varies: tuple[bool, ...] = tuple(differing)

    def stacked(self, indices: list[int]) -> Any:
        """Systems and instances of some pairs: one of them plain, several with a leading axis where leaves vary."""
        if len(indices) == 1:
            chosen = [cast(leaf, "float64") for leaf in self._leaves[indices[0]]]
        else:
            chosen = [
                cast(_stack([self._leaves[i][place] for i in indices]), "float64") if varies else self._cast[place]
                for place, varies in enumerate(self.varies)
            ]
        return jax.tree.unflatten(self._structure, chosen)

    def many(self, systems: Any, instances: Any, numerics: Any) -> Any:
        """Predictions of stacked settings."""
        axes = jax.tree.unflatten(self._structure, [0 if varies else None for varies in self.varies])
        return jax.vmap(_one, in_axes=(*axes, None))(systems, instances, numerics)


def _differ(one: Any, other: Any) -> bool:
    if isinstance(one, jax.Array) and jnp.issubdtype(one.dtype, jax.dtypes.prng_key):
        one, other = jax.random.key_data(one), jax.random.key_data(other)
    return not np.array_equal(
        np.asarray(one), np.asarray(other), equal_nan=np.issubdtype(np.result_type(one), np.inexact)
    )


def _stack(leaves: list[Any]) -> Any:
    on_host = all(isinstance(leaf, (np.ndarray, np.generic, float, int)) for leaf in leaves)
    return np.stack(leaves) if on_host else jnp.stack(leaves)


def _predict_traced(system: AbstractSystem, instance: Any, numerics: Numerics | None) -> Prediction:
    if not jax.config.read("jax_enable_x64"):
        warnings.warn(
            "predict inside a jit or grad without float64: wrap the call in `with jax.enable_x64(True)`",
            stacklevel=3,
        )
    if numerics is None:
        concrete = _concrete(system)
        require(
            concrete is not None or type(system).numerics is AbstractSystem.numerics,
            "inside jit or vmap the couplings have no values to choose numerics from; "
            "give numerics=system.numerics(instance), computed outside",
        )
        numerics = (concrete or system).numerics(instance)
    return explicit_jacobian(_jitted)(system, instance, numerics)


_jitted = jax.jit(_one)


def _concrete(system: AbstractSystem) -> AbstractSystem | None:
    """The system with values in place of tracers, where they have any (grad outside jit); None where they have not."""
    values: dict[str, Any] = {}
    for field in fields_of(system):
        value = getattr(system, field.name)
        if isinstance(value, jax.core.Tracer):
            known = value.to_concrete_value()
            if known is None:
                return None
            value = np.asarray(known)[()]
        values[field.name] = value
    return dataclasses.replace(system, **values)


def sensitivity(
    system: AbstractSystem,
    over: Sequence[str],
    *,
    key: Key[Array, ""] | None = None,
    instance: Any = None,
    numerics: Numerics | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Derivatives of the predicted curves in couplings: {coupling: {observable: d curve / d coupling}}, float64.

    Raises: `Refused` for a name that is no coupling; `NumericalFailure` where the prediction fails.
    """
    from theorylab.core.system import couplings

    known = couplings(system)
    for name in over:
        require(name in known, f"{name!r} is no coupling of {type(system).__name__}; those are: {', '.join(known)}")
    predict(system, key=key, instance=instance, numerics=numerics).raise_if_failed()
    if system.draws and instance is None:
        if key is None:
            raise Refused("give key= or instance=")
        instance = instances_.draw_one(system, as_key(key))
    chosen = numerics or system.numerics(instance)
    with in_precision("float64"):
        values = {name: jnp.asarray(known[name], float) for name in over}
        args = (values, cast(system, "float64"), cast(instance, "float64"), cast(chosen, "float64"))
        found = jax.device_get(program(_jacobian, args).call(*args))
    return {name: {curve: np.asarray(found[curve][name]) for curve in found} for name in over}


def _jacobian(values: dict[str, Any], system: AbstractSystem, instance: Any, numerics: Any) -> Any:
    def curves(moved: dict[str, Any]) -> Any:
        return dataclasses.replace(system, **moved).predict(instance, numerics).curves

    return jax.jacfwd(curves)(values)
