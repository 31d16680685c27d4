"""Data sets in a folder of the user: read as they are written, refused by name where they are not."""

from __future__ import annotations

import gzip
import os
import pickle
import struct

import numpy as np
import pytest

from theorylab.core import Refused
from theorylab.data import folders

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 7, dtype=np.uint8)
ROWS = RANDOM.integers(0, 256, (4, 3072), dtype=np.uint8)


def write_mnist(where):
    for half in ("train", "t10k"):
        images = bytes([0, 0, 8, 3]) + struct.pack(">3i", *IMAGES.shape) + IMAGES.tobytes()
        (where / f"{half}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        labels = bytes([0, 0, 8, 1]) + struct.pack(">i", len(LABELS)) + LABELS.tobytes()
        (where / f"{half}-labels-idx1-ubyte").write_bytes(labels)


def write_cifar(where):
    where.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (where / name).write_bytes(pickle.dumps({b"data": ROWS, b"labels": [0, 1, 2, 9], b"batch_label": b"x"}))


def test_mnist(tmp_path):
    write_mnist(tmp_path)
    found = folders.mnist(tmp_path)
    assert found.train.shape == (7, 28, 28, 1)
    np.testing.assert_array_equal(np.round(found.test[..., 0] * 255), IMAGES)
    np.testing.assert_array_equal(found.train_labels, LABELS)


def test_cifar10(tmp_path):
    write_cifar(tmp_path / "cifar-10-batches-py")
    found = folders.cifar10(tmp_path)
    assert found.train.shape == (20, 32, 32, 3)
    assert found.test[1, 2, 3, 1] * 255 == pytest.approx(ROWS[1, 1024 + 2 * 32 + 3])
    np.testing.assert_array_equal(found.test_labels, [0, 1, 2, 9])


def test_text(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"b" * 100)
    (tmp_path / "a.txt").write_bytes(b"a" * 100)
    found = folders.text(tmp_path, least=200)
    assert len(found.train) == 180
    assert len(found.test) == 20
    assert found.train[0] == ord("a")
    assert found.test[-1] == ord("b")


@pytest.mark.parametrize(
    ("read", "name"), [(folders.mnist, "MNIST"), (folders.cifar10, "CIFAR-10"), (folders.text, "text")]
)
def test_what_is_missing_is_named(tmp_path, read, name):
    with pytest.raises(Refused, match=f"{name}.*--data FOLDER"):
        read(None)
    with pytest.raises(Refused, match="is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(Refused, match="train-images-idx3-ubyte|data_batch_1|no \\*.txt"):
        read(tmp_path)


def test_what_is_of_another_form_is_named(tmp_path):
    write_mnist(tmp_path)
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Refused, match="train-labels-idx1-ubyte is no IDX file"):
        folders.mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(Refused, match="cannot be read"):
        folders.mnist(tmp_path)
    write_cifar(tmp_path / "cifar")
    (tmp_path / "cifar" / "test_batch").write_bytes(pickle.dumps({b"data": ROWS[:, :5], b"labels": [0, 1, 2, 9]}))
    with pytest.raises(Refused, match="expected uint8 rows of 3072"):
        folders.cifar10(tmp_path / "cifar")
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(Refused, match="at least 10000 are needed"):
        folders.text(tmp_path)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_a_batch_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cifar(tmp_path / "cifar")
    (tmp_path / "cifar" / "data_batch_1").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(Refused, match="is no CIFAR-10 batch"):
        folders.cifar10(tmp_path / "cifar")
    assert not (tmp_path / "harmed").exists()
