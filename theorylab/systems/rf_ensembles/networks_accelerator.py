"""One network or many at real size, on data that the user keeps in a folder: CIFAR-10, and a text.

python -m theorylab.compare rf_ensembles --preset accelerator-images --data FOLDER
python -m theorylab.compare rf_ensembles --preset accelerator-text --data FOLDER
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np

from theorylab.core import Cells, Outcome
from theorylab.data import folders
from theorylab.systems.rf_ensembles import networks_bytes, networks_images, networks_text
from theorylab.systems.rf_ensembles.networks import WIDEN, Task, outcome

IMAGES = {"held_out": 5000, "width": 256, "steps": 10_000, "batch": 128, "runs": 8}
TEXT = {"tested": 256, "width": 512, "layers": 6, "length": 256, "steps": 5000, "batch": 64, "runs": 8}
GRID = {"members": (1, 4, 16), "richness": (0.3, 1.0, 3.0), "decay": (0.0, 0.01, 0.1)}


def images(cells: Cells) -> Outcome:
    """Preset `accelerator-images`: CIFAR-10, all 45,000 training images (parameters limit) and 4,000 (data limit)."""
    return image_ensembles(cells, {"parameter-limited": 45_000, "data-limited": 4000}, IMAGES, GRID)


def text(cells: Cells) -> Outcome:
    """Preset `accelerator-text`: bytes of a text, 40,000 windows (10 MB) and 2,000."""
    return text_ensembles(cells, {"parameter-limited": 40_000, "data-limited": 2000}, TEXT, GRID)


def image_ensembles(
    cells: Cells, samples: dict[str, int], size: dict[str, int], grid: dict[str, Any], widen: int = WIDEN
) -> Outcome:
    """Convolutional networks on CIFAR-10 from the user's folder.

    Raises: `Refused` where no folder was named or it holds no CIFAR-10.
    """
    found = folders.cifar10(cells.data)
    mark = _mark(*found)
    tasks = [
        Task(
            f"CIFAR-10, {name}",
            functools.partial(networks_images.measure, found),
            {"data": mark, "samples": number, **size},
            lambda k: networks_images.parameters(size["width"], k),
            largest_decay=0.5 / networks_images.RATE,
            loss="cross-entropy",
            **grid,
        )
        for name, number in samples.items()
    ]
    return outcome(cells, tasks, widen)


def text_ensembles(
    cells: Cells, samples: dict[str, int], size: dict[str, int], grid: dict[str, Any], widen: int = WIDEN
) -> Outcome:
    """Transformers on the bytes of the *.txt files in the user's folder.

    Raises: `Refused` where no folder was named, it holds no text, or too short a one.
    """
    found = folders.text(cells.data)
    mark = _mark(*found)
    tasks = [
        Task(
            f"text of {len(found.train) + len(found.test)} bytes, {name}",
            functools.partial(networks_bytes.measure, found),
            {"data": mark, "samples": number, **size},
            lambda k: networks_bytes.parameters(size["width"], k, size["length"], size["layers"]),
            largest_decay=0.5 / networks_text.RATE,
            loss="cross-entropy [nats a byte]",
            **grid,
        )
        for name, number in samples.items()
    ]
    return outcome(cells, tasks, widen)


def _mark(*arrays: np.ndarray) -> str:
    """What tells one data set from another in a question."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
