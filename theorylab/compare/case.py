"""Theory beside simulation for one case: predict, simulate, judge; no system is known here by name."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Key

from theorylab.compare.agreement import verdict
from theorylab.compare.comparison import Comparison, metadata
from theorylab.compare.convergence import ladder
from theorylab.compare.residuals import Residuals, require_judgeable, residuals
from theorylab.compare.result import Agreement, Convergence, Rung, Seconds
from theorylab.core import AbstractSystem, Numerics, Observable, require
from theorylab.core.casting import Precision
from theorylab.core.registry import name_of
from theorylab.engine import ensemble, store
from theorylab.engine.ensemble import Ensemble, Plan, Simulate
from theorylab.engine.predictions import Timed, predict_many
from theorylab.engine.progress import Progress, Silent


@dataclass(frozen=True)
class Options:
    """How a comparison is computed; nothing here changes what is compared.

    Arguments:
      tile: runs in one program; the system's own choice by default.
      precision: of the simulation.
      store: folder of the store; True for the default one, None or False: nothing is kept.
      progress: receives how far it has come.
      shard: (i, n): compute only tiles that are number i modulo n.
      force: simulate again what is stored.
    """

    tile: int | None = None
    precision: Precision = "float32"
    store: bool | str | Path | None = None
    progress: Progress = dataclasses.field(default_factory=Silent)
    shard: tuple[int, int] = (0, 1)
    force: bool = False

    @property
    def folder(self) -> Path | None:
        """Where the store is; None for none."""
        return store_folder(self.store)


def store_folder(value: bool | str | Path | None) -> Path | None:
    """The store a user names: True for the default one, a folder, None or False for none."""
    if value is True:
        return store.default_root()
    return None if value is None or value is False else Path(value)


def run(
    system: AbstractSystem,
    *,
    runs: int = 32,
    key: Key[Array, ""] | None = None,
    instances: int | None = None,
    instance: Any = None,
    sizes: Sequence[int] = (),
    simulate: Simulate | None = None,
    numerics: Numerics | Mapping[str, Any] | None = None,
    case: str = "custom",
    about: str = "",
    options: Options | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Comparison:
    """Theory and simulation of one setting, and the verdict between them.

    Arguments:
      runs: independent runs, at each size.
      key: run i uses `fold_in(key, i)`; `jax.random.key(0)` by default.
      instances: number of shared instances that the runs are divided between; None: one a run where the setting
        draws any.
      instance: a given instance that every run uses.
      sizes: rungs of a finite-size ladder, at least two; the largest carries the point verdict.
      simulate: your own simulation, `(system, instance, key) -> {observable: curve}`, traceable, in place of ours.
      numerics: how the theory is solved, or changes to the system's own choice.
      case, about: name and one-line description, for the report.
      options: store, tile, precision, progress.
      meta: what else the result's files are to say.

    Raises: `Refused` for bad input; `OutOfMemory`. A numerical failure is no exception but the word "failed".
    """
    require(runs >= 1, f"runs must be at least 1, got {runs}")
    options = options or Options()
    key = ensemble.as_key(jax.random.key(0) if key is None else key)
    settings = _settings(system, sizes)
    final = settings[-1][1]
    asked = _Asked(runs, key, instances, instance, simulate, numerics, options)
    done: list[_Done] = []
    for size, setting in settings:
        done.append(_rung(setting, size, asked, f"{name_of(system)} {case}" + (f" {size}" if len(sizes) > 1 else "")))
        if done[-1].failure:
            break
    last = done[-1]
    failure = last.failure
    rungs = tuple(one.rung for one in done if one.rung is not None)
    doubts = last.doubts
    judged = [one.residuals for one in done]
    climbed = climb(final, rungs, judged, doubts) if len(rungs) > 1 and not failure else {}
    return Comparison(
        system=final,
        name=name_of(system),
        case=case,
        about=about,
        rungs=rungs,
        ladder=climbed,
        facts={} if failure else last.facts,
        warnings=tuple(final.warnings(last.first_instance)),
        seconds=_seconds([one.timed for one in done], [one.ensemble for one in done if one.ensemble]),
        meta=metadata(
            runs=runs,
            tile=options.tile or system.tile,
            instances=instances,
            precision=options.precision,
            key=np.asarray(jax.random.key_data(key)).tolist(),
            deterministic=system.deterministic and simulate is None,
            doubts=list(doubts),
            computed=sum(one.ensemble.computed for one in done if one.ensemble),
            reused=sum(one.ensemble.reused for one in done if one.ensemble),
            **(meta or {}),
        ),
        failure=failure,
    )


def _settings(system: AbstractSystem, sizes: Sequence[int]) -> list[tuple[int | None, AbstractSystem]]:
    """The setting at every rung, all of them checked before anything is computed."""
    if not sizes:
        return [(None, system)]
    name = type(system).__name__
    require(system.size is not None, f"{name} has no size that a ladder could climb; leave sizes out")
    ordered = sorted({int(size) for size in sizes})
    require(len(ordered) == len(sizes), f"sizes must differ, got {list(sizes)}")
    require(ordered[0] >= 1, f"sizes must be positive, got {ordered[0]}")
    return [(size, system.resized(size)) for size in ordered]


@dataclass(frozen=True)
class _Asked:
    runs: int
    key: Key[Array, ""]
    instances: int | None
    instance: Any
    simulate: Simulate | None
    numerics: Numerics | Mapping[str, Any] | None
    options: Options


@dataclass(frozen=True)
class _Done:
    """One rung, as far as it came."""

    timed: Timed
    facts: Mapping[str, Any]
    first_instance: Any
    failure: str = ""
    rung: Rung | None = None
    ensemble: Ensemble | None = None
    residuals: Mapping[str, Residuals] = dataclasses.field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def _rung(system: AbstractSystem, size: int | None, asked: _Asked, job: str) -> _Done:
    options = asked.options
    deterministic = system.deterministic and asked.simulate is None
    # without randomness one run says it all
    runs = 1 if deterministic and not system.draws else asked.runs
    plan = Plan.of(
        system,
        asked.key,
        root=options.folder,
        tile=min(options.tile or system.tile, runs) if runs == 1 else options.tile,
        instances=asked.instances,
        instance=asked.instance,
        precision=options.precision,
        simulate=asked.simulate,
    )
    index = plan.instance_index(np.arange(runs))
    theirs = _instances(plan, runs, index)
    timed = predict_many([system] * len(theirs), theirs, asked.numerics)
    undefined_ok = [observable.name for observable in system.observables if observable.undefined_ok]
    failures = [one.failure(undefined_ok) for one in timed.predictions]
    failure = next((sentence for sentence in failures if sentence), "")
    facts = timed.predictions[0].facts
    if failure:
        return _Done(timed, facts, theirs[0], failure=failure)
    predicted = _stacked(timed, "curves")
    for observable in system.observables:
        require_judgeable(observable, predicted[observable.name])
    found = ensemble.run(plan, runs, progress=options.progress, shard=options.shard, job=job, force=options.force)
    if found.failure:
        return _Done(timed, facts, theirs[0], failure=found.failure, ensemble=found)
    each = index if asked.instances is not None else np.arange(runs)
    unjudged = Rung(
        size=size,
        predicted={name: _mean(curves) for name, curves in predicted.items()},
        simulated=found.mean,
        stderr=found.stderr,
        curves=found.curves,
        coordinates=found.coordinates,
        agreements={},
        each_predicted={name: curves[each] for name, curves in predicted.items()} if len(theirs) > 1 else {},
        predicted_error={name: errors.mean(axis=0) for name, errors in _stacked(timed, "error").items()},
        groups=index if plan.instances is not None or plan.instance is not None else None,
    )
    doubts = tuple(dict.fromkeys(itertools.chain.from_iterable(map(system.doubts, timed.predictions))))
    rung, judged = judge_rung(system, unjudged, deterministic, doubts)
    return _Done(timed, facts, theirs[0], rung=rung, ensemble=found, residuals=judged, doubts=doubts)


def judge_rung(
    system: AbstractSystem, rung: Rung, deterministic: bool, doubts: Sequence[str] = ()
) -> tuple[Rung, dict[str, Residuals]]:
    """A rung with its verdicts, and the residuals they rest on; with doubts nothing is said to agree."""
    judged = {
        observable.name: residuals(
            observable,
            rung.curves[observable.name],
            rung.each_predicted.get(observable.name, rung.predicted[observable.name]),
            groups=rung.groups,
            prediction_error=rung.predicted_error.get(observable.name),
            widths=_bin_widths(observable, rung.coordinates),
            deterministic=deterministic,
        )
        for observable in system.observables
    }
    agreements = {name: doubted(_with_distance(verdict(data)), doubts) for name, data in judged.items()}
    return dataclasses.replace(rung, agreements=agreements), judged


def _with_distance(found: Agreement) -> Agreement:
    """A density's verdict with the largest distance of its cumulative distribution, mean over units, beside it."""
    distance = np.abs(found.residual * found.relative)
    if found.observable.scale != "density" or not np.isfinite(distance).any():
        return found
    said = f"Kolmogorov-Smirnov distance {np.nanmax(distance):.2g}"
    return dataclasses.replace(found, reason="; ".join(filter(None, [found.reason, said])))


Judged = TypeVar("Judged", Agreement, Convergence)


def doubted(found: Judged, doubts: Sequence[str]) -> Judged:
    """A verdict of agreement turned to "undecided" where the theory itself doubts what agreement would mean."""
    if not doubts or found.word not in ("agrees", "converges"):
        return found
    return dataclasses.replace(found, word="undecided", reason="; ".join([*doubts, *filter(None, [found.reason])]))


def _instances(plan: Plan, runs: int, index: np.ndarray | None) -> list[Any]:
    """The instances that have to be predicted: one where all runs share it, each run's own, or the few."""
    if index is None:
        return [None]
    if plan.shared:
        return [plan.instances_for(np.arange(1))]
    count = runs if plan.instances is None else min(plan.instances, runs)
    stacked = plan.instances_for(np.arange(count))
    return [jax.tree.map(lambda leaf, at=i: leaf[at], stacked) for i in range(count)]


def _stacked(timed: Timed, what: str) -> dict[str, np.ndarray]:
    parts = [getattr(one, what) for one in timed.predictions]
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def _mean(curves: np.ndarray) -> np.ndarray:
    """Mean over instances, of those where a point is defined."""
    if len(curves) == 1:
        return curves[0]
    defined = ~np.isnan(curves)
    total = np.where(defined, curves, 0).sum(axis=0)
    count = defined.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def climb(
    system: AbstractSystem,
    rungs: Sequence[Rung],
    judged: Sequence[Mapping[str, Residuals]],
    doubts: Sequence[str] = (),
) -> dict[str, Convergence]:
    """The ladder's verdict on every observable whose axes do not depend on the size."""
    found: dict[str, Convergence] = {}
    for observable in system.observables:
        axes = [[rung.coordinates[axis] for axis in observable.dims] for rung in rungs]
        same = all(
            len(a) == len(b) and np.allclose(a, b) for others in axes[1:] for a, b in zip(axes[0], others, strict=True)
        )
        if same:
            climbed = ladder(
                observable,
                [one[observable.name] for one in judged],
                [int(rung.size or 0) for rung in rungs],
                largest=rungs[-1].agreements[observable.name],
                rate_exponent=type(system).rate_exponent,
            )
            found[observable.name] = doubted(climbed, doubts)
    return found


def _bin_widths(observable: Observable, coordinates: Mapping[str, Any]) -> np.ndarray | None:
    """Widths of a density's bins, from their centres."""
    if observable.scale != "density":
        return None
    return np.gradient(np.asarray(coordinates[observable.dims[-1]], float))


def _seconds(timed: Sequence[Timed], ensembles: Sequence[Ensemble]) -> Seconds:
    theory = sum(one.seconds for one in timed)
    simulation = sum(one.seconds for one in ensembles)
    return Seconds(
        theory=theory,
        theory_compile=sum(one.seconds_compile for one in timed),
        simulation=simulation,
        simulation_compile=sum(one.seconds_compile for one in ensembles),
        ratio_at_equal_error=simulation / theory if theory > 0 else float("nan"),
    )
