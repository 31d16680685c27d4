"""Files that are whole or absent: temporary name, checksum, fsync, rename."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from theorylab.core.errors import Refused

CHECKSUM = "sha256"
TEMPORARY = ".part"


class Damaged(RuntimeError):
    """A stored file whose contents are not what was written."""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends well and removed when it does not.

    Raises: `Refused` where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY}")
        temporary.touch(exist_ok=False)  # readable for whom the user's umask says, unlike a file of tempfile
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> Refused:
    """The refusal of a path that cannot be written."""
    return Refused(
        f"cannot write {path}: {error.strerror or error}; free some space or choose another folder "
        "(--out, or the environment variable THEORYLAB_STORE for the store)"
    )


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written, before anything is computed. Raises: `Refused`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"theorylab")
    except OSError as error:
        raise unwritable(folder, error) from error


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system lets a folder be synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write atomically. Raises: `Refused` where that is not possible."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically. Raises: `Refused` where that is not possible."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Checksum of named arrays: names, types, shapes, bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays with their checksum, atomically. Raises: `Refused` where that is not possible."""
    buffer = io.BytesIO()
    np.savez(buffer, **{CHECKSUM: np.array(digest_of(arrays))}, **dict(arrays))  # pyright: ignore[reportArgumentType]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read named arrays. Raises: `Damaged` where the checksum does not hold; `FileNotFoundError`."""
    content = path.read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        stated = str(arrays.pop(CHECKSUM))
    except Exception as error:  # a damaged zip raises a dozen kinds
        raise Damaged(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    if digest_of(arrays) != stated:
        raise Damaged(f"{path} does not match its checksum")
    return arrays
