"""Many settings at once: predictions vmapped over couplings in buckets of like cost, comparisons on request."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Array, Key

from theorylab.compare.case import Options, run
from theorylab.compare.comparison import Comparison
from theorylab.core import AbstractSystem, Numerics, Prediction, Refused, require
from theorylab.core.system import fields_of, is_static
from theorylab.engine import instances as instances_
from theorylab.engine.ensemble import as_key
from theorylab.engine.predictions import predict_many

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Sweep:
    """Settings on a grid, in the order of `itertools.product` over the swept fields.

    Arguments:
      over: swept fields and their values.
      systems: every setting.
      predictions: one a setting; a failed one says so in its status.
      comparisons: one a setting where runs were asked for; else empty.
      seconds, seconds_compile: wall time of the predictions, and of compiling them.
      complete: whether every setting of the grid is here, and not only a shard's.
    """

    over: dict[str, tuple[Any, ...]]
    systems: tuple[AbstractSystem, ...]
    predictions: tuple[Prediction, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float
    seconds_compile: float
    complete: bool = True

    @property
    def failures(self) -> dict[int, str]:
        """Index and sentence of every prediction that failed."""
        sentences = {i: prediction.failure() for i, prediction in enumerate(self.predictions)}
        return {i: sentence for i, sentence in sentences.items() if sentence}

    def to_xarray(self) -> xarray.Dataset:
        """Predicted curves (NaN where the prediction failed), axes first the swept fields, then the observable's.

        With comparisons: NAME_deviation and NAME_verdict on the swept axes too. Raises: `Refused` where a swept
        field changes an axis, so that the curves have no common one.
        """
        import xarray

        require(self.complete, "a shard of a sweep is no grid; call again without shard when all shards are done")
        shape = tuple(len(values) for values in self.over.values())
        axes = {name: np.array(values) for name, values in self.over.items()}
        first = self.systems[0]
        coordinates = {name: np.asarray(axis) for name, axis in first.coordinates().items()}
        failed = self.failures
        variables: dict[str, Any] = {}
        for observable in first.observables:
            curves = [np.asarray(one.curves[observable.name]) for one in self.predictions]
            require(
                len({curve.shape for curve in curves}) == 1,
                f"{observable.name} has axes of different lengths over this sweep; export its settings one by one",
            )
            real = [np.full_like(curve, np.nan) if i in failed else curve for i, curve in enumerate(curves)]
            dims = (*self.over, *observable.dims)
            variables[observable.name] = (dims, np.stack(real).reshape(*shape, *curves[0].shape))
            if self.comparisons:
                last = [
                    one.rungs[-1].agreements.get(observable.name) if one.rungs else None for one in self.comparisons
                ]
                deviations = np.array([one.deviation if one else np.nan for one in last]).reshape(shape)
                words = np.array([one.words[observable.name] for one in self.comparisons]).reshape(shape)
                variables[f"{observable.name}_deviation"] = (tuple(self.over), deviations)
                variables[f"{observable.name}_verdict"] = (tuple(self.over), words)
        # an axis that changes with a swept coupling (time = rate x steps) is given as a variable on the swept axes
        for name, axis in coordinates.items():
            every = [np.asarray(one.coordinates()[name]) for one in self.systems]
            if all(np.array_equal(axis, other) for other in every):
                axes[name] = axis
            else:
                variables[f"{name}_values"] = ((*self.over, name), np.stack(every).reshape(*shape, len(axis)))
        return xarray.Dataset(variables, axes)


def sweep(
    system: AbstractSystem,
    *,
    runs: int | None = None,
    key: Key[Array, ""] | None = None,
    instances: int | None = None,
    numerics: Numerics | Mapping[str, Any] | None = None,
    options: Options | None = None,
    shard: tuple[int, int] = (0, 1),
    **over: Sequence[Any] | Any,
) -> Sweep:
    """Predictions over a grid of fields; comparisons too where `runs` is given.

    Couplings are traced: all their values share one program a structure, in buckets of like cost. Static fields
    (sizes, choices) are looped over.

    Arguments:
      runs: independent runs a setting; None: predictions only.
      key: for instances and runs; `jax.random.key(0)` by default.
      shard: (i, n): only settings whose number is i modulo n are predicted and compared; n processes that share a
        store divide a sweep so, and a last call without it collects what they stored.
      over: field = values; several fields make a grid.

    Raises: `Refused`, before anything is computed, for an unknown field or a value that the system refuses.
    """
    known = {field.name: field for field in fields_of(system)}
    names = list(known)
    require(len(over) > 0, f"say what to sweep, for example {names[0]}=[...]")
    grid: dict[str, tuple[Any, ...]] = {}
    for name, values in over.items():
        require(name in names, f"{type(system).__name__} has no field {name!r}; it has: {', '.join(names)}")
        listed = (
            tuple(values) if isinstance(values, (list, tuple, range)) else tuple(np.ravel(np.asarray(values)).tolist())
        )
        require(len(listed) > 0, f"{name} is swept over no values")
        if is_static(known[name]):
            listed = tuple(int(v) if isinstance(v, float) and v.is_integer() else v for v in listed)
        grid[name] = listed
    systems: list[AbstractSystem] = []
    for values in itertools.product(*grid.values()):
        setting = dict(zip(grid, values, strict=True))
        try:
            systems.append(dataclasses.replace(system, **setting))
        except ValueError as error:
            raise Refused(f"{', '.join(f'{name}={value}' for name, value in setting.items())}: {error}") from error
    key = as_key(jax.random.key(0) if key is None else key)
    index, count = shard
    require(0 <= index < count, f"shard must be (i, n) with 0 <= i < n, got {shard}")
    require(count == 1 or runs is not None, "a shard of a sweep without runs leaves nothing behind; leave shard out")
    if count > 1:
        systems = systems[index::count]
        require(len(systems) > 0, f"shard {index} of {count} has no setting; use at most as many shards as settings")
    predictions: list[Prediction | None] = [None] * len(systems)
    seconds = seconds_compile = 0.0
    for group in _alike(systems):
        members = [systems[i] for i in group]
        timed = predict_many(members, [instances_.draw_one(one, key) for one in members], numerics)
        seconds += timed.seconds
        seconds_compile += timed.seconds_compile
        for i, prediction in zip(group, timed.predictions, strict=True):
            predictions[i] = prediction
    comparisons: list[Comparison] = []
    for nth, setting in enumerate(systems if runs is not None else ()):
        if options is not None:
            options.progress.note(f"setting {nth + 1} of {len(systems)}")
        found = run(setting, runs=int(runs or 0), key=key, instances=instances, numerics=numerics, options=options)
        comparisons.append(found)
    return Sweep(
        over=grid,
        systems=tuple(systems),
        complete=count == 1,
        predictions=tuple(one for one in predictions if one is not None),
        comparisons=tuple(comparisons),
        seconds=seconds,
        seconds_compile=seconds_compile,
    )


def _alike(systems: Sequence[AbstractSystem]) -> list[list[int]]:
    """Indices of settings that share all static fields, in order of first appearance."""
    groups: dict[Any, list[int]] = {}
    for i, system in enumerate(systems):
        groups.setdefault(jax.tree.structure(system), []).append(i)
    return list(groups.values())
