"""An optional cache of decoded images, keyed by the digest of the files that they come from."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from atomic_files import replacing
from gan.data.types import Split, content_digest
from gan.errors import DataError
from plain_archives import check_plain

_FORMAT_VERSION = 1
_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")
_READ_BYTES = 1 << 20
_ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError)

Splits = tuple[Split, Split]


def files_digest(paths: Iterable[Path]) -> str:
    """Digest the names and contents of files, in the given order: sha256 hex.

    Raises:
        DataError: a file cannot be read.

    """
    sha = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                inner = hashlib.sha256()
                while block := stream.read(_READ_BYTES):
                    inner.update(block)
        except OSError as error:
            raise DataError(f"a data file must be readable; cannot read {path}: {error}") from error
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
        DataError: from ``build``, or the cache folder cannot be written.

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
        # Opened here, because np.load leaves the file open where the archive inside is damaged.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            tensors = [torch.from_numpy(stored[name]) for name in _TENSORS]
            digest = str(stored["digest"])
        train, test = Split(*tensors[:2]), Split(*tensors[2:])
    except (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, *_ARCHIVE_ERRORS):
        return None
    return (train, test) if content_digest(train, test, ()) == digest else None


def _write(path: Path, train: Split, test: Split) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            digest=np.array(content_digest(train, test, ())),
            train_images=train.images.numpy(),
            train_labels=train.labels.numpy(),
            test_images=test.images.numpy(),
            test_labels=test.labels.numpy(),
        )
