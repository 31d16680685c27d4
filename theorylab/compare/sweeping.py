"""A sweep of the command line: predictions and comparisons over a grid, as one file and heat maps."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from theorylab.compare.case import Options
from theorylab.compare.experiments import plain
from theorylab.compare.sweep import Sweep, sweep
from theorylab.engine import files
from theorylab.report import sweeps
from theorylab.report.rows import SIGNS

if TYPE_CHECKING:
    import xarray

    from theorylab.compare.arguments import Job

CURVES, SUMMARY = "sweep.nc", "sweep.json"


def run(
    job: Job,
    over: Mapping[str, Sequence[float]],
    theory_only: bool,
    shard: tuple[int, int],
    out: Path,
    seed: int,
    options: Options,
    command: str = "",
) -> dict[str, Any]:
    """Sweep a case and write sweep.nc, sweep.json and heat maps to out/NAME/CASE-sweep-FIELDS; a shard fills the
    store only.

    Returns: what sweep.json says.

    Raises: `Refused` for bad values and folders that cannot be written.
    """
    files.check_writable(out)
    found = sweep(
        job.system,
        runs=None if theory_only else job.runs,
        key=jax.random.key(seed),
        instances=job.case.instances,
        numerics=job.case.numerics,
        options=options,
        shard=shard,
        **over,
    )
    words = [word for one in found.comparisons for word in one.words.values()]
    said: dict[str, Any] = {
        "system": job.name,
        "case": job.case.name,
        "over": {name: list(values) for name, values in found.over.items()},
        "settings": len(found.systems),
        "runs": None if theory_only else job.runs,
        "command": command,
        "words": words,
        "failures": {str(i): sentence for i, sentence in found.failures.items()},
        "seconds": {"theory": found.seconds, "theory_compile": found.seconds_compile},
        "folder": None,
        "figures": [],
    }
    if found.failures and theory_only:
        said["words"] = ["failed"] * len(found.failures)
    if not found.complete:
        return plain(said)
    folder = out / job.name / "-".join([job.case.name, "sweep", *found.over])
    data = found.to_xarray()
    with files.replacing(folder / CURVES) as temporary:
        data.to_netcdf(temporary, engine="h5netcdf")
    said |= {"folder": str(folder), "figures": [str(path) for path in _draw(found, data, folder)]}
    said = plain(said)
    files.write_json(folder / SUMMARY, said)
    return said


def _draw(found: Sweep, data: xarray.Dataset, folder: Path) -> list[Path]:
    """A map of every observable with a number a setting or a curve a value, and of the deviations."""
    axes = list(found.over.items())
    drawn: list[Path] = []

    def draw(name: str, values: np.ndarray, pair: Any, label: str, **more: Any) -> None:
        drawn.append(sweeps.save(sweeps.heat_map(values, pair, label, **more), folder / f"{name}.png"))

    for observable in found.systems[0].observables:
        values = np.asarray(data[observable.name], float)
        if len(axes) == 1 and len(observable.dims) == 1 and f"{observable.dims[0]}_values" not in data:
            axis = np.asarray(data[observable.dims[0]])
            draw(observable.name, values, (axes[0], (observable.dims[0], axis)), observable.axis_label)
        if len(axes) == 2 and len(observable.dims) < 2:
            at = "" if not observable.dims else ", at the end"
            last = values if not observable.dims else values[..., -1]
            draw(observable.name, last, tuple(axes), observable.axis_label + at)
        if len(axes) == 2 and f"{observable.name}_deviation" in data:
            deviation = np.asarray(data[f"{observable.name}_deviation"], float)
            words = np.asarray(data[f"{observable.name}_verdict"])
            signs = np.vectorize(lambda word: SIGNS.get(word, ""))(words)
            label = f"deviation of {observable.label}"
            draw(f"{observable.name}_deviation", deviation, tuple(axes), label, margin=observable.margin, signs=signs)
    return drawn


def text(said: Mapping[str, Any]) -> str:
    """What a sweep found, for a terminal."""
    grid = " x ".join(f"{len(values)} values of {name}" for name, values in said["over"].items())
    lines = [f"{said['system']} {said['case']}: {said['settings']} settings ({grid})"]
    if said["words"]:
        counted = collections.Counter(said["words"])
        lines.append("verdicts: " + ", ".join(f"{count} {word}" for word, count in counted.most_common()))
    lines += [f"setting {i}: {sentence}" for i, sentence in said["failures"].items()]
    if said["folder"] is None:
        lines.append("a shard: its runs are stored; the command without --shard collects all")
    else:
        lines.append(f"curves: {said['folder']}/{CURVES}")
        lines += [f"figure: {path}" for path in said["figures"]]
    return "\n".join(lines)
