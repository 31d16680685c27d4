"""A session of comparisons: reuse what is there, compute what is not, write results and the page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from jaxtyping import Array, Key

from theorylab.compare import claims, experiments, sweeping
from theorylab.compare.arguments import Job
from theorylab.compare.case import Options, run
from theorylab.compare.export import CONFIG, CURVES, FIGURE, VERDICT, load, load_verdict
from theorylab.core import Refused
from theorylab.engine import files, sources, store
from theorylab.engine.ensemble import Incomplete

PAGE = "index.html"
LONG = 60.0


@dataclass(frozen=True)
class Session:
    """Results of several jobs: what verdict.json says of each, what other shards still have to do, and the figures of
    sweeps."""

    results: list[dict[str, Any]]
    incomplete: list[str]
    overviews: list[Path]


def fingerprint(job: Job, key: Key[Array, ""], options: Options) -> str:
    """Hash of everything that can change a result's numbers or pictures."""
    described = store.description(
        job.system, key, options.tile or job.system.tile, options.precision, job.case.instances
    )
    described |= {
        "runs": job.runs,
        "sizes": list(job.sizes),
        "numerics": store.exact(job.case.numerics),
        "theory": sources.theory_sources(type(job.system)),
        "report": sources.package_hash("theorylab.report"),
        "about": job.case.about,
        "command": job.command,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def stored_result(folder: Path, mark: str) -> dict[str, Any] | None:
    """The verdict saved in `folder`, if it carries this fingerprint and its files are there."""
    try:
        found = load_verdict(folder)
    except Refused:
        return None
    needed = [CONFIG, FIGURE, *([] if found["failure"] else [CURVES])]
    if found.get("fingerprint") != mark or not all((folder / name).exists() for name in needed):
        return None
    return found


def run_jobs(jobs: Sequence[Job], out: Path, seed: int, options: Options) -> Session:
    """Compare every job, writing each result as soon as it is there, and the page at the end.

    Raises: `Refused` for a folder that cannot be written, before anything is computed; `OutOfMemory`;
      `KeyboardInterrupt`, with what was computed kept.
    """
    files.check_writable(out)
    if options.folder is not None:
        files.check_writable(options.folder)
    key = jax.random.key(seed)
    results: list[dict[str, Any]] = []
    incomplete: list[str] = []
    for job in jobs:
        folder = out / job.name / job.case.name
        mark = fingerprint(job, key, options)
        found = None if options.force else stored_result(folder, mark)
        if found is not None:
            options.progress.note(f"{job.name} {job.case.name}: stored, nothing is computed again")
            results.append({**found, "cached": True, "figure": str(folder / FIGURE)})
            continue
        try:
            comparison = run(
                job.system,
                runs=job.runs,
                key=key,
                instances=job.case.instances,
                sizes=job.sizes,
                numerics=job.case.numerics,
                case=job.case.name,
                about=job.case.about,
                options=options,
                meta={"preset": job.preset, "command": job.command, "seed": seed, "fingerprint": mark},
            )
        except Incomplete as missing:
            incomplete.append(str(missing))
            continue
        if jax.process_index() == 0:
            comparison.save(folder)
            results.append({**load_verdict(folder), "cached": False, "figure": str(folder / FIGURE)})
    if results:
        write_page(out, results)
    overviews = write_overviews(out, [job for job in jobs if (out / job.name / job.case.name / VERDICT).exists()])
    return Session(results, incomplete, overviews)


def write_overviews(out: Path, jobs: Sequence[Job]) -> list[Path]:
    """One figure for all sweeps of a system over the same coupling, theory and simulation against its value."""
    from theorylab.report.sweeps import Swept, overview
    from theorylab.report.sweeps import save as save_figure

    groups: dict[tuple[str, str], dict[str, list[Swept]]] = {}
    for job in jobs:
        if job.swept is not None:
            case, field, value = job.swept
            data = load(out / job.name / job.case.name, job.system)
            groups.setdefault((job.name, field), {}).setdefault(case, []).append(Swept(value, data))
    return [
        save_figure(overview(cases, field), out / name / f"sweep_{field}.png")
        for (name, field), cases in groups.items()
    ]


def write_page(out: Path, results: Sequence[dict[str, Any]]) -> Path:
    """The report page of these results and of the others that `out` holds."""
    from theorylab.report.page import page

    new = {(result["system"], result["case"]): result for result in results}
    every = []
    for path in sorted(out.glob(f"*/*/{VERDICT}")):
        try:
            found = load_verdict(path.parent)
        except Refused:
            continue
        at = (found["system"], found["case"])
        figure = path.parent / FIGURE
        every.append(new.get(at, {**found, "cached": True, "figure": str(figure) if figure.exists() else None}))
    page(every, out / PAGE, experiments=_outcomes(out), claims=_claims(out), sweeps=_sweeps(out))
    return out / PAGE


def _outcomes(out: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(out.glob(f"*/*/{experiments.OUTCOME}")):
        try:
            found.append(experiments.load(path.parent))
        except Refused:
            continue
    return found


def _sweeps(out: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(out.glob(f"*/*/{sweeping.SUMMARY}")):
        try:
            found.append({**json.loads(path.read_text()), "folder": str(path.parent)})
        except (OSError, ValueError):
            continue
    return found


def _claims(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(out.glob(f"*/{claims.CLAIMS}")):
        try:
            found += json.loads(path.read_text())
        except (OSError, ValueError):
            continue
    return found
