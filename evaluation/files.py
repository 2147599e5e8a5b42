"""Atomic writes: a reader sees the old file or the whole new one, never a part."""

from __future__ import annotations

import io
import os
import uuid
import warnings
from pathlib import Path
from typing import Any

import torch

from evaluation.errors import CacheFileError


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to a temporary file beside ``path`` and move it into place; parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its files are readable by their owner alone, and a cache may be shared.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save_tensors_atomically(path: Path, payload: dict[str, object]) -> None:
    """``torch.save`` of tensors and plain values, atomically; read it back with ``weights_only=True``."""
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    write_bytes_atomically(path, buffer.getvalue())


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what :func:`save_tensors_atomically` wrote, to the CPU; nothing in the file is executed.

    Raises:
        CacheFileError: the file is damaged or holds something else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            payload = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged bytes can raise almost anything in an unpickler.
        raise CacheFileError(f"{path.name} must be a torch file; got {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise CacheFileError(f"{path.name} must hold a dictionary; got {type(payload).__name__}")
    return payload
