"""Data sets that a user keeps in a folder of his own: MNIST, CIFAR-10, a text. Nothing is downloaded."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theorylab.core.errors import require


class Images(NamedTuple):
    """Images with values in [0, 1], and their classes; channels last.

    Arguments:
      train, test: shape (images, side, side, channels).
      train_labels, test_labels: classes, from 0.
    """

    train: Float[np.ndarray, "train side side channels"]
    train_labels: Int[np.ndarray, "train"]
    test: Float[np.ndarray, "test side side channels"]
    test_labels: Int[np.ndarray, "test"]


def folder(data: Path | None, name: str) -> Path:
    """The user's folder. Raises: `Refused` where none was named or it is none."""
    require(data is not None, f"{name} is read from a folder of yours; name it with --data FOLDER")
    assert data is not None
    require(data.is_dir(), f"the data folder {data} is no folder; --data names the folder that holds {name}")
    return data


def mnist(data: Path | None) -> Images:
    """MNIST from its four IDX files (train-images-idx3-ubyte, ..., gzipped or not).

    Raises: `Refused` where a file is absent or is no IDX file.
    """
    where = folder(data, "MNIST")
    parts = []
    for half in ("train", "t10k"):
        images = _idx(where, f"{half}-images-idx3-ubyte", 3)
        labels = _idx(where, f"{half}-labels-idx1-ubyte", 1)
        require(len(images) == len(labels), f"{half}: {len(images)} images but {len(labels)} labels in {where}")
        parts += [images[..., None].astype(np.float32) / 255, labels.astype(np.int32)]
    return Images(*parts)


def _idx(where: Path, name: str, axes: int) -> np.ndarray:
    for path in (where / name, where / f"{name}.gz"):
        if path.exists():
            try:
                content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            except (OSError, EOFError) as error:
                require(False, f"{path} cannot be read: {error}")
                raise AssertionError from error
            shape = np.frombuffer(content, ">i4", axes, 4) if len(content) >= 4 + 4 * axes else np.zeros(axes, int)
            size = int(np.prod(shape))
            fits = content[:4] == bytes([0, 0, 8, axes]) and len(content) == 4 + 4 * axes + size
            require(fits, f"{path} is no IDX file of unsigned bytes with {axes} axes")
            return np.frombuffer(content, np.uint8, size, 4 + 4 * axes).reshape(shape)
    require(False, f"{where} has no {name} or {name}.gz, which MNIST needs")
    raise AssertionError


def cifar10(data: Path | None) -> Images:
    """CIFAR-10 from its Python files (data_batch_1 ... data_batch_5, test_batch, also in cifar-10-batches-py).

    Unpickles: name only files whose origin you trust; what is no CIFAR-10 batch is refused.

    Raises: `Refused` where a file is absent or of another form.
    """
    where = folder(data, "CIFAR-10")
    inner = where / "cifar-10-batches-py"
    where = inner if inner.is_dir() else where
    batches = [_batch(where / f"data_batch_{i}") for i in range(1, 6)]
    test = _batch(where / "test_batch")
    return Images(
        np.concatenate([one[0] for one in batches]), np.concatenate([one[1] for one in batches]), test[0], test[1]
    )


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain containers, and runs nothing else."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name.startswith("numpy") and global_name in ("_reconstruct", "ndarray", "dtype", "_frombuffer"):
            return super().find_class(module_name, global_name)
        if (module_name, global_name) == ("_codecs", "encode"):
            return super().find_class(module_name, global_name)
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is no part of a batch")


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    require(path.exists(), f"{path} is missing: CIFAR-10 needs data_batch_1 to data_batch_5 and test_batch")
    try:
        with path.open("rb") as file:
            found = _Arrays(file, encoding="bytes").load()
        rows, labels = np.asarray(found[b"data"]), np.asarray(found[b"labels"], np.int32)
    except Exception as error:  # a broken pickle raises a dozen kinds
        require(False, f"{path} is no CIFAR-10 batch ({type(error).__name__}: {error})")
        raise AssertionError from error
    fits = rows.ndim == 2 and rows.shape[1] == 3072 and rows.dtype == np.uint8 and labels.shape == (len(rows),)
    require(fits, f"{path}: expected uint8 rows of 3072 and as many labels, found {rows.dtype} {rows.shape}")
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).astype(np.float32) / 255
    return images, labels


class Text(NamedTuple):
    """A text as bytes: the last tenth is held out.

    Arguments:
      train, test: values 0 to 255.
    """

    train: Int[np.ndarray, "train"]
    test: Int[np.ndarray, "test"]


def text(data: Path | None, least: int = 10_000) -> Text:
    """All *.txt files of the folder, one after another in the order of their names.

    Raises: `Refused` where there is none, or fewer than `least` bytes.
    """
    where = folder(data, "a text (*.txt)")
    files = sorted(where.glob("*.txt"))
    require(bool(files), f"{where} has no *.txt file to read text from")
    content = np.frombuffer(b"".join(path.read_bytes() for path in files), np.uint8).astype(np.int32)
    require(len(content) >= least, f"the text in {where} has {len(content)} bytes, at least {least} are needed")
    cut = len(content) - len(content) // 10
    return Text(content[:cut], content[cut:])
