"""Presets without a verdict: run the experiment, keep its cells, write what it found."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from theorylab.core import Outcome, Refused, registry
from theorylab.core.experiment import experiment
from theorylab.engine import files
from theorylab.engine.cells import StoredCells
from theorylab.engine.progress import Progress

if TYPE_CHECKING:
    from theorylab.compare.arguments import Asked

OUTCOME = "outcome.json"
SCHEMA = 1
"""Version of outcome.json."""


def run(asked: Asked, out: Path, store: Path, data: Path | None, force: bool, progress: Progress) -> dict[str, Any]:
    """Run an experiment and write outcome.json and its figures to out/NAME/PRESET.

    Returns: what outcome.json says.

    Raises: `Refused` by the experiment, and for folders that cannot be written; `KeyboardInterrupt`, with every
      finished cell kept.
    """
    files.check_writable(out)
    files.check_writable(store)
    cls = registry.load(asked.name)
    preset = cls.presets[asked.preset]
    cells = StoredCells(asked.name, store, data, force, progress)
    begun = time.perf_counter()
    try:
        outcome = experiment(preset.experiment)(cells)
    except KeyboardInterrupt as stop:
        kept = cells.measured + cells.reused
        raise KeyboardInterrupt(f"{kept} cells are kept, and the same command goes on from there") from stop
    folder = out / asked.name / asked.preset
    drawn = _draw(outcome, folder)
    said = {
        "schema": SCHEMA,
        "system": asked.name,
        "preset": asked.preset,
        "about": preset.about,
        "tables": [asdict(table) for table in outcome.tables],
        "findings": list(outcome.findings),
        "numbers": outcome.numbers,
        "figures": [path.name for path in drawn],
        "cells": {"measured": cells.measured, "reused": cells.reused, "seconds": cells.seconds},
        "seconds": time.perf_counter() - begun,
        "device": jax.devices()[0].device_kind,
        "versions": {"jax": jax.__version__},
        "paper": {"short": cls.paper.short, "title": cls.paper.title, "url": cls.paper.url},
        "command": asked.command,
    }
    said = plain(said)
    files.write_json(folder / OUTCOME, said)
    return said


def load(folder: Path) -> dict[str, Any]:
    """What an experiment found, from its folder. Raises: `Refused` where there is nothing that can be read."""
    try:
        found = json.loads((folder / OUTCOME).read_text())
    except (OSError, ValueError) as error:
        raise Refused(f"{folder} holds no finished experiment ({error}); run it again") from error
    if found.get("schema") != SCHEMA:
        raise Refused(f"{folder} was written with schema {found.get('schema')}, this is {SCHEMA}; run it again")
    return {**found, "folder": str(folder)}


def _draw(outcome: Outcome, folder: Path) -> Sequence[Path]:
    import matplotlib.pyplot as plt

    paths = []
    for name, make in outcome.figures.items():
        figure = make()
        path = folder / f"{name}.png"
        with files.replacing(path) as temporary:
            figure.savefig(temporary, dpi=200, format="png", bbox_inches="tight")
        plt.close(figure)
        paths.append(path)
    return paths


def plain(value: Any) -> Any:
    """Values as JSON knows them; what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (np.ndarray, jax.Array)):
        return plain(np.asarray(value).tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, str) else str(value)
