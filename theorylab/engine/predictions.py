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

    def arguments(start: int) -> tuple[list[int], tuple[Any, ...]]:
        bucket = [int(i) for i in order[start : start + batch]]
        filled = bucket + bucket[-1:] * (batch - len(bucket))
        stacked = (_stack([cast(many[i], "float64") for i in filled]) for many in (systems, instances))
        return bucket, (*stacked, settled)

    with in_precision("float64"):
        settled = cast(chosen, "float64")
        start = 0
        while start < count:
            bucket, args = arguments(start)
            before = time.perf_counter()
            made = program(_one if batch == 1 else _many, args)
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


def _many(systems: Any, instances: Any, numerics: Any) -> Any:
    return jax.vmap(_one, in_axes=(0, 0, None))(systems, instances, numerics)


def _stack(trees: list[Any]) -> Any:
    return trees[0] if len(trees) == 1 else jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


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
