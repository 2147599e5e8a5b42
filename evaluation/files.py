"""Tensors in files of torch, written whole and read without running what they hold."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch

from atomic_files import write_bytes
from evaluation.errors import CacheFileError
from plain_archives import check_content, check_torch_archive


def save_tensors_atomically(path: Path, payload: dict[str, object]) -> None:
    """``torch.save`` of tensors and plain values, atomically; read it back with ``weights_only=True``."""
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    write_bytes(path, buffer.getvalue())


def load_tensors(path: Path) -> dict[str, Any]:
    """Read what :func:`save_tensors_atomically` wrote, to the CPU; nothing in the file is executed.

    Raises:
        CacheFileError: the file is damaged or holds something else.
    """
    try:
        check_torch_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            payload = torch.load(path, map_location="cpu", weights_only=True)
        check_content(payload)
    except Exception as error:  # Damaged bytes can raise almost anything in an unpickler.
        raise CacheFileError(f"{path.name} must be a torch file; got {type(error).__name__}") from error
    if not isinstance(payload, dict):
        raise CacheFileError(f"{path.name} must hold a dictionary; got {type(payload).__name__}")
    return payload
