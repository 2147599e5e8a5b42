"""An optional cache of decoded images, keyed by the digest of the files that they come from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.lib.format as npy
import numpy.typing as npt
import torch

from atomic_files import replacing
from gan.data.types import Split, content_digest
from gan.errors import DataError
from plain_archives import check_plain
from plain_files import open_plain

_FORMAT_VERSION = 1
_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
_READ_BYTES = 1 << 20

Splits = tuple[Split, Split]


def files_digest(paths: Iterable[Path]) -> str:
    """Digest the names and contents of files, in the given order: sha256 hex.

    Raises:
        DataError: a file cannot be read, or is no plain file.

    """
    sha = hashlib.sha256()
    for path in paths:
        try:
            with open_plain(path) as stream:
                inner = hashlib.sha256()
                while block := stream.read(_READ_BYTES):
                    inner.update(block)
        except (OSError, ValueError) as error:
            raise DataError(
                f"a data file must be a readable plain file; cannot read {path}: {error}; replace or remove it"
            ) from error
        sha.update(json.dumps([path.name, inner.hexdigest()]).encode())
    return sha.hexdigest()


def cached_splits(
    cache_dir: str | os.PathLike[str] | None,
    *,
    name: str,
    key: Mapping[str, object] | Callable[[], Mapping[str, object]],
    build: Callable[[], Splits],
) -> Splits:
    """Return ``build()``, or what an earlier call with the same key built.

    A cache file that is missing, damaged or altered (its pixels no longer match the digest inside) is built anew.

    Args:
        cache_dir: folder of the cache, made on demand; None builds without a cache.
        name: first part of the file's name.
        key: everything that decides the result, fit for JSON; a callable is called only where there is a cache.
        build: makes the train and the test split, on the CPU.

    Raises:
        DataError: from ``build``, or the cache folder cannot be written, or has a pipe or a device in the file's place.

    """
    if cache_dir is None:
        return build()
    content = {"format": _FORMAT_VERSION, **(key() if callable(key) else key)}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    path = Path(cache_dir).expanduser() / f"{name}-{digest[:32]}.npz"
    found = _read(path)
    if found is not None:
        return found
    train, test = build()
    try:
        _write(path, train, test)
    except OSError as error:
        raise DataError(f"cache_dir must be a writable folder; found {cache_dir}: {error}; choose another") from error
    return train, test


def _read(path: Path) -> Splits | None:
    """Read a cache file; None where it is absent or not what was written."""
    try:
        check_plain(path)
        with open_plain(path) as stream, zipfile.ZipFile(stream) as archive:
            most = os.fstat(stream.fileno()).st_size
            tensors = [torch.from_numpy(_read_array(archive, name, most)) for name in _TENSORS]
            digest = str(_read_array(archive, "digest", most))
        train, test = Split(*tensors[:2]), Split(*tensors[2:])
        return (train, test) if content_digest(train, test, ()) == digest else None
    except Exception:  # damage meets zipfile, tokenize, NumPy and torch in many places, each with an error of its own
        return None


def _read_array(archive: zipfile.ZipFile, name: str, most_bytes: int) -> npt.NDArray[Any]:
    """Read one array, after a look at the header: NumPy allocates what that declares before it reads."""
    with archive.open(f"{name}.npy") as entry:
        if npy.read_magic(entry) != (1, 0):
            raise ValueError(f"{name} must be in format 1.0, as np.savez writes it")
        shape, _, dtype = npy.read_array_header_1_0(entry)
        declared = math.prod(shape) * dtype.itemsize
        if declared != archive.getinfo(f"{name}.npy").file_size - entry.tell() or declared > most_bytes:
            raise ValueError(f"{name} must have the bytes that its header declares, {declared:,}")
        entry.seek(0)
        return npy.read_array(entry, allow_pickle=False)


def _write(path: Path, train: Split, test: Split) -> None:
    if path.exists() and not path.is_file():
        raise OSError(f"{path.name} is no plain file there")  # opening a pipe would wait for its reader
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            digest=np.array(content_digest(train, test, ())),
            train_images=train.images.numpy(),
            train_labels=train.labels.numpy(),
            test_images=test.images.numpy(),
            test_labels=test.labels.numpy(),
        )
