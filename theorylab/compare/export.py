"""A comparison as files and as xarray: written whole, read back without loss."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theorylab.compare.comparison import Comparison
from theorylab.compare.result import ComparisonData, Rung, Seconds
from theorylab.core import AbstractSystem, Refused, registry
from theorylab.core.system import fields_of
from theorylab.engine import files

if TYPE_CHECKING:
    import xarray

SCHEMA = 1
"""Version of config.json, verdict.json and of the command line's JSON."""
CONFIG, CURVES, VERDICT, FIGURE = "config.json", "curves.nc", "verdict.json", "overlay.png"


def dataset(data: ComparisonData, rung: Rung) -> xarray.Dataset:
    """One size as a Dataset: NAME_theory, NAME_mean, NAME_stderr, NAME_runs per observable; where runs have
    instances of their own, NAME_theory_runs too."""
    import xarray

    variables: dict[str, Any] = {}
    for observable in data.system.observables:
        name, dims = observable.name, observable.dims
        attributes = {"label": observable.label, "unit": observable.unit, "margin": observable.margin}
        variables[f"{name}_theory"] = (dims, rung.predicted[name], attributes)
        variables[f"{name}_mean"] = (dims, rung.simulated[name], attributes)
        variables[f"{name}_stderr"] = (dims, rung.stderr[name], attributes)
        if name in rung.curves:
            variables[f"{name}_runs"] = (("run", *dims), rung.curves[name], attributes)
        if name in rung.each_predicted:
            variables[f"{name}_theory_runs"] = (("run", *dims), rung.each_predicted[name], attributes)
        if name in rung.predicted_error:
            variables[f"{name}_theory_error"] = (dims, rung.predicted_error[name], attributes)
    if rung.groups is not None:
        variables["instance"] = (("run",), rung.groups)
    axes = {axis for observable in data.system.observables for axis in observable.dims}
    coordinates = {name: axis for name, axis in rung.coordinates.items() if name in axes}
    about = {
        "system": data.name,
        "case": data.case,
        "paper": data.system.paper.short,
        "arxiv": data.system.paper.arxiv,
    }
    return xarray.Dataset(variables, coordinates, about)


def datatree(data: ComparisonData) -> xarray.DataTree:
    """All sizes: children `size_N`; a single one is the root."""
    import xarray

    if len(data.rungs) == 1:
        return xarray.DataTree(dataset(data, data.rungs[0]))
    children = {f"/size_{rung.size}": dataset(data, rung) for rung in data.rungs}
    return xarray.DataTree.from_dict(children)


def plain(value: Any) -> Any:
    """A value as JSON can say it: arrays as lists, what is not finite as a word."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray) or hasattr(value, "tolist"):
        return plain(np.asarray(value).tolist())
    if isinstance(value, complex):
        return {"real": plain(value.real), "imag": plain(value.imag)}
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def parameters(system: AbstractSystem) -> dict[str, Any]:
    """Fields of a system as plain values."""
    return {field.name: plain(getattr(system, field.name)) for field in fields_of(system)}


def command(data: ComparisonData) -> str:
    """The command line that reproduces a comparison, fields that differ from the system's defaults named."""
    stated = data.meta.get("command")
    if stated:
        return str(stated)
    parts = ["python", "-m", "theorylab.compare", data.name]
    for field in fields_of(data.system):
        value: Any = getattr(data.system, field.name)
        if isinstance(value, (int, float, str)) and value != field.default:
            shown = repr(float(value)) if isinstance(value, float) else str(value)
            option = "--" + field.name.replace("_", "-")
            if isinstance(value, bool):
                parts += [option if value else option.replace("--", "--no-", 1)]
            else:
                parts += [option, shown]
    if "runs" in data.meta:
        parts += ["--runs", str(data.meta["runs"])]
    return " ".join(parts)


def verdict_json(data: Comparison) -> dict[str, Any]:
    """Everything that the report and the command line say of a comparison, as JSON."""
    from theorylab.core.documentation import field_docs, summary

    paper = data.system.paper
    docs = field_docs(type(data.system))
    observables = []
    for observable in data.system.observables:
        if observable.name not in data.words:  # a user's own curves need not be all of them
            continue
        agreement = data.rungs[-1].agreements.get(observable.name) if data.rungs and not data.failure else None
        climbed = data.ladder.get(observable.name)
        judged = (
            {
                key: getattr(agreement, key)
                for key in ("deviation", "low", "high", "noise", "largest_z", "units", "unit", "needed", "reason")
            }
            if agreement
            else dict.fromkeys(("deviation", "low", "high", "noise", "largest_z", "units", "unit", "needed"), None)
            | {"reason": data.failure}
        )
        observables.append(
            {
                "name": observable.name,
                "label": observable.label,
                "word": data.words[observable.name],
                "margin": observable.margin,
                "scale": observable.scale,
                **judged,
                "runs": len(data.rungs[-1].curves[observable.name]) if agreement else None,
                "ladder": {
                    key: getattr(climbed, key)
                    for key in (
                        "sizes", "word", "deviation", "low", "high", "noise", "deviations", "exponent",
                        "exponent_low", "exponent_high", "reason",
                    )
                } if climbed else None,
            }
        )  # fmt: skip
    return plain(
        {
            "schema": SCHEMA,
            "system": data.name,
            "case": data.case,
            "about": data.about,
            "title": summary(type(data.system)),
            "paper": {
                "title": paper.title,
                "authors": list(paper.authors),
                "year": paper.year,
                "arxiv": paper.arxiv,
                "url": paper.url,
                "short": paper.short,
                "bibtex": paper.bibtex(),
            },
            "command": command(data),
            "parameters": {
                name: {"value": value, "doc": docs.get(name, "")} for name, value in parameters(data.system).items()
            },
            "warnings": list(data.warnings),
            "facts": dict(data.facts),
            "failure": data.failure,
            "verdict": data.verdict,
            "observables": observables,
            "seconds": vars(data.seconds),
            **data.meta,
        }
    )


def save(data: Comparison, folder: Path) -> Path:
    """Write a comparison's files; verdict.json last, so that its presence says that all are there.

    Raises: `Refused` where the folder cannot be written.
    """
    from theorylab.report.overlay import overlay
    from theorylab.report.overlay import save as save_figure

    files.check_writable(folder)
    (folder / VERDICT).unlink(missing_ok=True)
    config = {
        "schema": SCHEMA,
        "system": data.name,
        "case": data.case,
        "about": data.about,
        "fields": {f.name: getattr(data.system, f.name) for f in fields_of(data.system)},
        "sizes": [rung.size for rung in data.rungs],
        **data.meta,
    }
    files.write_json(folder / CONFIG, plain(config))
    if data.rungs and not data.failure:
        with files.replacing(folder / CURVES) as temporary:
            datatree(data).to_netcdf(temporary, engine="h5netcdf")
    save_figure(overlay(data), folder)
    files.write_json(folder / VERDICT, verdict_json(data))
    return folder


def load_verdict(folder: Path) -> dict[str, Any]:
    """The verdict that was saved in a folder. Raises: `Refused` where there is none that can be read."""
    try:
        found = json.loads((folder / VERDICT).read_text())
    except (OSError, ValueError) as error:
        raise Refused(f"{folder} holds no finished comparison ({error}); run it again") from error
    if found.get("schema") != SCHEMA:
        raise Refused(f"{folder} was written with schema {found.get('schema')}, this is {SCHEMA}; run it again")
    return found


def load(folder: str | Path, system: AbstractSystem | None = None) -> Comparison:
    """A saved comparison, judged again from its curves.

    Arguments:
      folder: where `Comparison.save` wrote it.
      system: its setting, where the system is not installed under a name or has fields that JSON cannot hold.

    Raises: `Refused` where the folder holds no finished comparison.
    """
    from theorylab.compare.case import climb, judge_rung

    folder = Path(folder)
    said = load_verdict(folder)
    config = json.loads((folder / CONFIG).read_text())
    if system is None:
        fields = {name: float(value) if value in ("inf", "-inf") else value for name, value in config["fields"].items()}
        system = registry.load(config["system"])(**fields)
    rungs, judged = [], []
    for size in config["sizes"] if not said["failure"] else ():
        setting = system if size is None else system.resized(size)
        group = f"/size_{size}" if len(config["sizes"]) > 1 else "/"
        read = _read_rung(setting, folder / CURVES, group, size)
        rung, one = judge_rung(setting, read, config["deterministic"], config["doubts"])
        rungs.append(rung)
        judged.append(one)
    meta = {name: value for name, value in config.items() if name not in _CONFIG_ONLY}
    return Comparison(
        system=system,
        name=config["system"],
        case=config["case"],
        about=config["about"],
        rungs=tuple(rungs),
        ladder=climb(system, rungs, judged, config["doubts"]) if len(rungs) > 1 else {},
        facts=said["facts"],
        warnings=tuple(said["warnings"]),
        seconds=Seconds(**said["seconds"]),
        meta={**meta, "command": said["command"]},
        failure=said["failure"],
    )


_CONFIG_ONLY = ("schema", "system", "case", "about", "fields", "sizes")


def _read_rung(system: AbstractSystem, path: Path, group: str, size: int | None) -> Rung:
    import xarray

    try:
        with xarray.open_dataset(path, group=group, engine="h5netcdf") as opened:
            data = opened.load()
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{path} cannot be read ({error}); run the comparison again") from error

    def every(ending: str) -> dict[str, np.ndarray]:
        names = [observable.name for observable in system.observables]
        return {name: data[f"{name}_{ending}"].to_numpy() for name in names if f"{name}_{ending}" in data}

    return Rung(
        size=size,
        predicted=every("theory"),
        simulated=every("mean"),
        stderr=every("stderr"),
        curves=every("runs"),
        coordinates={str(name): axis.to_numpy() for name, axis in data.coords.items()},
        agreements={},
        each_predicted=every("theory_runs"),
        predicted_error=every("theory_error"),
        groups=data["instance"].to_numpy() if "instance" in data else None,
    )
