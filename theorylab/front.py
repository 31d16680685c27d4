"""Front doors that put several pieces together: an ensemble of a setting, a ladder of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import jax
from jaxtyping import Array, Key

from theorylab.compare.case import Options, run, store_folder
from theorylab.compare.comparison import Comparison
from theorylab.core import AbstractSystem, Numerics, require
from theorylab.core.casting import Precision
from theorylab.engine import ensemble
from theorylab.engine.ensemble import Ensemble, Plan, Simulate
from theorylab.engine.progress import Progress


def simulate(
    system: AbstractSystem,
    *,
    runs: int = 32,
    key: Key[Array, ""] | None = None,
    instances: int | None = None,
    instance: Any = None,
    using: Simulate | None = None,
    keep: Literal["all", "moments"] = "all",
    tile: int | None = None,
    precision: Precision = "float32",
    store: bool | str | Path | None = None,
    progress: Progress | None = None,
) -> Ensemble:
    """Independent runs of a setting: every run, their mean and standard error.

    Arguments:
      runs: how many; adding runs never changes earlier ones.
      key: run i uses `fold_in(key, i)`; `jax.random.key(0)` by default.
      instances, instance: shared instances that the runs are divided between, or one given instance.
      using: your own simulation, `(system, instance, key) -> {observable: curve}`, in place of ours.
      keep: "moments" throws every run's curves away once they are in the mean.
      tile: runs in one compiled program; the system's own choice by default.
      precision: "float32", or "float64" where exactness is wanted.
      store: True or a folder: keep tiles there, compute only what is missing.
      progress: receives how far it has come.

    Returns: an `Ensemble`; a divergence is a value in it (`raise_if_failed`), named by observable, run and step.

    Raises: `Refused` for bad input; `OutOfMemory` with the tile that would fit.
    """
    require(keep in ("all", "moments"), f'keep must be "all" or "moments", got {keep!r}')
    plan = Plan.of(
        system,
        jax.random.key(0) if key is None else key,
        root=store_folder(store),
        tile=tile,
        instances=instances,
        instance=instance,
        precision=precision,
        simulate=using,
    )
    return ensemble.run(plan, runs, keep=keep, progress=progress)


def converge(
    system: AbstractSystem,
    sizes: Sequence[int],
    *,
    runs: int = 32,
    key: Key[Array, ""] | None = None,
    instances: int | None = None,
    simulate: Simulate | None = None,
    numerics: Numerics | Mapping[str, Any] | None = None,
    options: Options | None = None,
) -> Comparison:
    """Does the deviation vanish as the size grows? A comparison at each size, and the verdict on the limit.

    Arguments:
      sizes: values of the system's size field, at least two.
      runs: independent runs at each size.

    Raises: `Refused` for a system without a size, or a size it refuses.
    """
    require(len(sizes) > 1, f"a ladder needs at least two sizes, got {list(sizes)}")
    return run(
        system,
        runs=runs,
        key=key,
        instances=instances,
        sizes=sizes,
        simulate=simulate,
        numerics=numerics,
        options=options,
    )
