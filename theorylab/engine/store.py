"""The store: tiles and instances under an address made of everything that can change their numbers."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key

from theorylab.core import AbstractSystem
from theorylab.core.casting import Precision
from theorylab.core.registry import name_of
from theorylab.core.system import fields_of
from theorylab.engine import files, sources

VARIABLE = "THEORYLAB_STORE"
"""Environment variable that says where the store is, instead of results/store."""
MANIFEST = "manifest.json"
SET_ASIDE = ".damaged"


def default_root() -> Path:
    """Where the store is: the environment's choice, or results/store in the current folder."""
    return Path(os.environ.get(VARIABLE) or Path("results") / "store")


def exact(value: Any) -> Any:
    """A field's value as JSON that loses nothing: floats in hexadecimal, arrays as their checksum."""
    if isinstance(value, (float, np.floating)):
        return float(value).hex()
    if isinstance(value, (np.ndarray, jax.Array)):
        return files.digest_of({"array": np.asarray(value)})
    if isinstance(value, (tuple, list)):
        return [exact(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): exact(item) for name, item in value.items()}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    return repr(value)


def description(
    system: AbstractSystem, key: Key[Array, ""], tile: int, precision: Precision, instances: int | None
) -> dict[str, Any]:
    """Everything that can change the numbers of a simulation, as JSON."""
    device = jax.local_devices()[0]
    return {
        "system": name_of(system),
        "fields": {f.name: exact(getattr(system, f.name)) for f in fields_of(system)},
        "key": [str(jax.random.key_impl(key)), np.asarray(jax.random.key_data(key)).tolist()],
        "tile": tile,
        "instances": instances,
        "precision": precision,
        "platform": [device.platform, device.device_kind],
        "libraries": sources.libraries(type(system)),
        "sources": sources.simulation_sources(type(system)),
    }


def address(described: Mapping[str, Any]) -> str:
    """The address of a description."""
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Shelf:
    """One address of the store: named items, each a file of arrays."""

    folder: Path
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr)

    def path(self, item: str) -> Path:
        return self.folder / f"{item}.npz"

    def has(self, item: str) -> bool:
        return self.path(item).exists()

    def get(self, item: str) -> dict[str, np.ndarray] | None:
        """The arrays of an item; None where it is absent, or damaged: then it is named and set aside."""
        path = self.path(item)
        try:
            return files.read_arrays(path)
        except FileNotFoundError:
            return None
        except files.Damaged as damage:
            aside = path.with_name(f"{path.name}.{time.time_ns()}{SET_ASIDE}")
            try:
                os.replace(path, aside)
            except FileNotFoundError:  # another process was quicker
                return None
            self.warn(f"{damage}; it is set aside as {aside.name} and computed again")
            return None

    def put(self, item: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Store an item, whole or not at all. Raises: `Refused` where that is not possible."""
        files.write_arrays(self.path(item), arrays)


def shelf(root: Path, described: Mapping[str, Any]) -> Shelf:
    """The shelf for a description, its manifest written. Raises: `Refused` where it cannot be written."""
    folder = root / str(described["system"]) / address(described)
    manifest = folder / MANIFEST
    if not manifest.exists():
        files.write_json(manifest, described)
    return Shelf(folder)


@dataclass(frozen=True)
class Entry:
    """One address as the store's listing shows it."""

    system: str
    address: str
    folder: Path
    items: int
    damaged: int
    bytes: int
    modified: float
    fields: Mapping[str, Any]


def entries(root: Path) -> Iterator[Entry]:
    """Every address in the store."""
    for folder in sorted(path for path in root.glob("*/*") if path.is_dir()):
        content = [path for path in folder.iterdir() if path.is_file()]
        manifest = folder / MANIFEST
        try:
            fields = json.loads(manifest.read_text())["fields"]
        except (OSError, ValueError, KeyError):
            fields = {}
        yield Entry(
            system=folder.parent.name,
            address=folder.name,
            folder=folder,
            items=sum(path.suffix == ".npz" for path in content),
            damaged=sum(path.suffix == SET_ASIDE for path in content),
            bytes=sum(path.stat().st_size for path in content),
            modified=max((path.stat().st_mtime for path in content), default=folder.stat().st_mtime),
            fields=fields,
        )


def remove(entry: Entry) -> None:
    """Delete an address: renamed first, so that a reader never sees half of it."""
    doomed = entry.folder.with_name(f".{entry.address}.{os.getpid()}")
    os.replace(entry.folder, doomed)
    shutil.rmtree(doomed)
