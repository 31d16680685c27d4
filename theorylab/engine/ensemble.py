"""Ensembles of runs: tiles of one compiled program, wherever and whenever they are computed."""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, Shaped

from theorylab.core import AbstractSystem, NumericalFailure, OutOfMemory, require
from theorylab.core.casting import Precision, cast, in_precision
from theorylab.core.registry import name_of
from theorylab.engine import instances as instances_
from theorylab.engine import mesh, moments, sources, store
from theorylab.engine.lanes import Lanes
from theorylab.engine.programs import Program, memory_budget, program
from theorylab.engine.progress import Progress, Silent

Simulate = Callable[[Any, Any, Any], dict[str, Any]]
"""A user's own simulation: (system, instance, key) -> curves, traceable, in place of `system.simulate`."""
_SECONDS = "@seconds"
"""Name beside a stored tile's curves: what computing it took."""
LONG = 60.0
"""Seconds above which a job's time and memory are announced."""


@dataclass(frozen=True)
class Ensemble:
    """Independent runs of one setting.

    Arguments:
      curves: every run, shape (runs, *dims), per observable; empty with `keep="moments"`.
      mean, stderr: over runs, in float64, per observable; stderr is NaN for one run.
      runs: how many.
      instance_of: index of each run's instance, shape (runs,); None where the setting draws none.
      coordinates: named axes.
      seconds, seconds_compile: wall time of all tiles when they were computed, and of compiling now.
      computed, reused: tiles computed now, and found in the store.
      failure: "" or a sentence that names the observable, run and step of the first value that is not finite.
    """

    curves: Mapping[str, Shaped[np.ndarray, "runs ..."]]
    mean: Mapping[str, Shaped[np.ndarray, "..."]]
    stderr: Mapping[str, Shaped[np.ndarray, "..."]]
    runs: int
    instance_of: Shaped[np.ndarray, " runs"] | None
    coordinates: Mapping[str, Shaped[np.ndarray, "..."]]
    seconds: float
    seconds_compile: float
    computed: int
    reused: int
    failure: str = ""

    def raise_if_failed(self) -> Ensemble:
        """This ensemble. Raises: `NumericalFailure` naming observable, run and step."""
        if self.failure:
            raise NumericalFailure(self.failure)
        return self


class Incomplete(RuntimeError):
    """A shard's own tiles are done; others are still missing from the store."""


@dataclass(frozen=True)
class Plan:
    """What a simulation is made of: everything that decides its numbers.

    Arguments:
      system: the setting.
      key: the ensemble's key; run i uses `fold_in(key, i)`.
      tile: runs in one program.
      instances: number of shared instances; None: one a run where the setting draws any.
      instance: a given instance, used by every run, in place of drawn ones.
      precision: of the simulation.
      simulate: a user's own simulation in place of the system's.
    """

    system: AbstractSystem
    key: Key[Array, ""]
    tile: int
    instances: int | None = None
    instance: Any = None
    precision: Precision = "float32"
    simulate: Simulate | None = None

    few: instances_.Few | None = field(default=None, compare=False)
    shelf: store.Shelf | None = field(default=None, compare=False)

    @classmethod
    def of(cls, system: AbstractSystem, key: Key[Array, ""], *, root: Path | None = None, **choices: Any) -> Plan:
        """A plan with the system's own tile unless `tile` is given, its instances and tiles kept under `root`.

        Raises: `Refused` for a tile or instances below 1, or a store that cannot be written.
        """
        tile = choices.pop("tile", None)
        plan = cls(system, as_key(key), system.tile if tile is None else tile, **choices)
        require(plan.tile >= 1, f"tile must be at least 1, got {plan.tile}")
        require(plan.instances is None or plan.instances >= 1, f"instances must be at least 1, got {plan.instances}")
        require(
            plan.system.draws or (plan.instances is None and plan.instance is None),
            f"{type(system).__name__} draws no instances in this setting; leave instances out",
        )
        shelf = None
        # a user's own function, instance or notebook has no address that is sure to change with it: not stored
        known = plan.simulate is None and plan.instance is None and sources.has_sources(type(system))
        if root is not None and known:
            described = store.description(system, plan.key, plan.tile, plan.precision, plan.instances)
            shelf = store.shelf(root, described)
        few = instances_.Few(system, plan.key) if plan.instances is not None else None
        return dataclasses.replace(plan, few=few, shelf=shelf)

    @property
    def shared(self) -> bool:
        """Whether all runs have the same instance (or none)."""
        return self.instance is not None or not self.system.draws or self.instances == 1

    def instance_index(self, runs: np.ndarray) -> np.ndarray | None:
        """Index of each run's instance."""
        if not self.system.draws:
            return None
        if self.instance is not None:
            return np.zeros_like(runs)
        return runs if self.instances is None else runs % self.instances

    def instances_for(self, runs: np.ndarray) -> Any:
        """Host arrays of the instances of `runs`: one instance where shared, else with a leading axis."""
        index = self.instance_index(runs)
        if index is None:
            return None
        if self.instance is not None:
            return self.instance
        if self.few is None:
            return instances_.draw(self.system, self.key, index)
        return self.few.get(0, self.shelf) if self.instances == 1 else self.few.stacked(index, self.shelf)

    def arguments(self, tiles: list[int]) -> tuple[Any, Any, Any]:
        """Arguments of the program for these tiles: one tile as it is, several with a leading axis."""
        runs = np.stack([np.arange(tile * self.tile, (tile + 1) * self.tile) for tile in tiles])
        instance = self.instances_for(runs.reshape(-1))
        if not self.shared:
            instance = jax.tree.map(lambda leaf: leaf.reshape(*runs.shape, *leaf.shape[1:]), instance)
        keys = jax.vmap(jax.vmap(lambda i: jax.random.fold_in(self.key, i)))(jnp.asarray(runs, jnp.uint32))
        if len(tiles) == 1:
            instance = instance if self.shared else jax.tree.map(lambda leaf: leaf[0], instance)
            keys = keys[0]
        return cast(self.system, self.precision), cast(instance, self.precision), keys

    def program(self, devices: list[Any], arguments: tuple[Any, Any, Any]) -> Program:
        """The compiled program for one tile on each of `devices`. Raises: `OutOfMemory`."""
        simulate, shared = self.simulate or _simulate, self.shared

        def tile(system: Any, instance: Any, keys: Any) -> Any:
            return jax.vmap(simulate, in_axes=(None, None if shared else 0, 0))(system, instance, keys)

        function = tile if len(devices) == 1 else mesh.spread(tile, devices, shared)
        made = program(function, arguments, name=("tile", simulate, shared, tuple(devices)))
        budget = memory_budget()
        if budget is not None and made.peak > budget:
            raise OutOfMemory(self._refusal(made.peak, budget))
        return made

    def _refusal(self, peak: int, budget: int) -> str:
        """What does not fit, and what would."""
        each = peak / self.tile
        fits = int(budget / each)
        need = f"a tile of {self.tile} runs needs {peak / 2**30:.2f} GiB, {budget / 2**30:.2f} GiB are free"
        if fits >= 1:
            return f"{need}; use --tile {min(fits, self.tile - 1) or 1} (tile= in Python)"
        name = self.system.size
        if name is None:
            return f"{need}, and so does not even one run; choose smaller sizes"
        now = getattr(self.system, name)
        # one run's memory grows at most like the square of the size, so this size is safe
        fitting = int(now * math.sqrt(budget / each))
        return f"{need}, and not even one run fits; choose {name} of at most about {fitting}"


def as_key(key: Any) -> Key[Array, ""]:
    """A typed JAX key from a typed or an old-style one. Raises: `Refused` for anything else."""
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.shape == ():
        return key
    old = getattr(key, "dtype", None) == np.uint32 and getattr(key, "ndim", 0) == 1
    require(old, f"key must be a JAX random key such as jax.random.key(0), got {key!r}")
    return jax.random.wrap_key_data(key)


def _simulate(system: AbstractSystem, instance: Any, key: Any) -> dict[str, Any]:
    return system.simulate(instance, key)


def check_shapes(plan: Plan) -> dict[str, Any]:
    """Names, shapes and types of one run's curves, found without running it.

    Raises: `Refused` for an observable that is lacking or of the wrong shape, naming it, found and expected.
    """
    simulate = plan.simulate or _simulate

    def one(system: AbstractSystem, key: Any) -> Any:
        instance = plan.instance if plan.instance is not None else system.draw(key)
        return simulate(system, cast(instance, plan.precision), key)

    with in_precision(plan.precision):
        found = jax.eval_shape(one, cast(plan.system, plan.precision), jax.random.fold_in(plan.key, 0))
    check_curves(plan.system, found, "the simulation")
    return found


def check_curves(
    system: AbstractSystem, curves: Mapping[str, Any], who: str, lengths: Mapping[str, int] | None = None
) -> None:
    """Refuse curves that lack an observable or have the wrong shape. Raises: `Refused`.

    Arguments:
      lengths: of the named axes; by default those of the (concrete) system's coordinates.
    """
    lengths = axis_lengths(system) if lengths is None else lengths
    for observable in system.observables:
        require(
            observable.name in curves,
            f"{who} returns no {observable.name!r}; it returns {sorted(curves)}",
        )
        expected = tuple(lengths[axis] for axis in observable.dims)
        shape = tuple(curves[observable.name].shape)
        require(
            shape == expected,
            f"{who} returns {observable.name} of shape {shape}; its axes {observable.dims} have shape {expected}",
        )


def axis_lengths(system: AbstractSystem) -> dict[str, int]:
    """Lengths of the named axes."""
    return {name: len(np.asarray(axis)) for name, axis in system.coordinates().items()}


def run(
    plan: Plan,
    runs: int,
    *,
    keep: Literal["all", "moments"] = "all",
    progress: Progress | None = None,
    shard: tuple[int, int] = (0, 1),
    job: str = "",
    force: bool = False,
) -> Ensemble:
    """An ensemble of `runs` runs, computing only the tiles that the plan's store lacks.

    Arguments:
      keep: every run's curves, or only their moments.
      shard: (i, n): compute only tiles that are number i modulo n.
      force: compute every tile, stored or not.

    Raises: `Refused` for bad input, `OutOfMemory`, `Incomplete` where other shards' tiles are missing,
      `KeyboardInterrupt` after the tile in flight where interrupted.
    """
    require(runs >= 1, f"runs must be at least 1, got {runs}")
    progress = progress or Silent()
    template = check_shapes(plan)
    shelf = plan.shelf

    def reduce(tile: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return arrays if keep == "all" else moments.of_tile(arrays, min(plan.tile, runs - tile * plan.tile))

    wanted = list(range(math.ceil(runs / plan.tile)))
    tiles: dict[int, dict[str, np.ndarray]] = {}
    took: dict[int, float] = {}
    if shelf is not None and not force:
        for tile in wanted:
            stored = shelf.get(_item(tile))
            if stored is not None:
                took[tile] = float(stored.pop(_SECONDS))
                tiles[tile] = reduce(tile, stored)
    if jax.process_count() > 1:
        mesh.meet()  # all have looked into the store before anyone adds to it, so all divide the same work
    reused = len(tiles)
    index, count = shard
    mine = [tile for tile in wanted if tile not in tiles and tile % count == index]
    processes = jax.process_count()
    own = mine[jax.process_index() :: processes]
    job = job or name_of(plan.system)

    work = _Work(job, own, reused, shelf is not None)
    with _writing(shelf) as write:

        def keep_tile(tile: int, arrays: dict[str, np.ndarray], seconds: float) -> None:
            write(_item(tile), {**arrays, _SECONDS: np.array(seconds)})
            took[tile] = seconds
            tiles[tile] = reduce(tile, arrays)

        seconds_compile = _compute(plan, work, keep_tile, progress)
    if processes > 1 and mine:
        one = {name: np.zeros((plan.tile, *kind.shape), kind.dtype) for name, kind in template.items()}
        tiles |= mesh.gather_hosts({tile: tiles[tile] for tile in own}, mine, reduce(0, one))
    absent = [tile for tile in wanted if tile not in tiles]
    if absent:
        raise Incomplete(
            f"{job}: shard {index}/{count} is done; {len(absent)} of {len(wanted)} tiles belong to other shards"
        )
    ordered = [tiles[tile] for tile in wanted]
    whole = moments.merge(ordered) if keep == "moments" else moments.of_runs(ordered, runs)
    return Ensemble(
        curves=whole.curves,
        mean=whole.mean,
        stderr=whole.stderr,
        runs=runs,
        instance_of=plan.instance_index(np.arange(runs)),
        coordinates={name: np.asarray(axis) for name, axis in plan.system.coordinates().items()},
        seconds=sum(took.values()),
        seconds_compile=seconds_compile,
        computed=len(own),
        reused=reused,
        failure=_first_failure(plan.system, whole.curves or {n: m[None] for n, m in whole.mean.items()}),
    )


def _item(tile: int) -> str:
    return f"tile-{tile:06d}"


@dataclass(frozen=True)
class _Work:
    """Tiles that this process is to compute, for the messages about them."""

    job: str
    own: list[int]
    reused: int
    stored: bool


def _compute(
    plan: Plan, work: _Work, keep_tile: Callable[[int, dict[str, np.ndarray], float], None], progress: Progress
) -> float:
    """Compute this process's tiles, handing each, with its seconds, to `keep_tile`; seconds of compiling."""
    own, job = work.own, work.job
    if not own:
        if work.reused:
            progress.note(f"{job}: all {work.reused} tiles were stored, nothing is simulated")
        return 0.0
    seconds = 0.0
    progress.start(job, len(own), work.reused)
    announced = False
    with in_precision(plan.precision), _finish_then_stop() as interrupted:
        lanes = Lanes(plan, own)
        for done in range(0, len(own), lanes.width):
            group = own[done : done + lanes.width]
            begun = time.perf_counter()
            found = lanes.run(group)
            lasted = time.perf_counter() - begun
            seconds += lasted
            for tile, arrays in zip(group, found, strict=True):
                keep_tile(tile, arrays, lasted / len(group))
            now = done + len(group)
            progress.step(now)
            left = seconds / now * (len(own) - now)
            if left > LONG and not announced:
                announced = True
                progress.note(f"{job}: about {left / 60:.1f} minutes left, {lanes.peak / 2**20:.0f} MiB at a time")
            if interrupted() and now < len(own):
                progress.end()
                kept = "they are stored: the same command resumes" if work.stored else "nothing is stored"
                raise KeyboardInterrupt(
                    f"{job}: {work.reused + now} of {work.reused + len(own)} tiles are done; {kept}"
                )
    progress.end()
    return lanes.seconds_compile


@contextmanager
def _writing(shelf: store.Shelf | None) -> Iterator[Callable[[str, dict[str, np.ndarray]], None]]:
    """Writes tiles to the shelf while the next one is computed; all are on disk when the block ends, however it
    ends. Raises: `Refused` where a write failed, at the latest then."""
    if shelf is None:
        yield lambda item, arrays: None
        return
    waiting: list[Future[None]] = []

    def write(item: str, arrays: dict[str, np.ndarray]) -> None:
        for done in [one for one in waiting if one.done()]:
            waiting.remove(done)
            done.result()
        waiting.append(writer.submit(shelf.put, item, arrays))

    with ThreadPoolExecutor(max_workers=1) as writer:
        yield write
    for one in waiting:
        one.result()


@contextmanager
def _finish_then_stop() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT into a question to be asked between tiles; outside the main thread it changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    asked = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, previous)
    if asked.is_set():
        raise KeyboardInterrupt


def _first_failure(system: AbstractSystem, curves: Mapping[str, np.ndarray]) -> str:
    """The run and step of the first value that is not finite, over all observables."""
    coordinates = system.coordinates()
    for observable in system.observables:
        bad = ~np.isfinite(curves[observable.name])
        if observable.undefined_ok:
            bad = np.isinf(curves[observable.name])
        if not bad.any():
            continue
        run_, *index = (int(i) for i in np.argwhere(bad)[0])
        share = int(bad.reshape(len(bad), -1).any(axis=1).sum())
        where = ", ".join(
            f"{axis} {np.asarray(coordinates[axis])[i]:g} (index {i})"
            for axis, i in zip(observable.dims, index, strict=True)
        )
        return (
            f"simulated {observable.name} is not finite in {share} of {len(bad)} runs, first in run {run_}"
            + (f" at {where}" if where else "")
            + "; lower the learning rate or shorten the run"
        )
    return ""
