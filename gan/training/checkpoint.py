"""Atomic training checkpoints, read back without unpickling code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from atomic_files import replacing
from gan.errors import CheckpointError, DamagedCheckpointError, UnwrittenCheckpointError

_ARCHIVE = b"PK\x03\x04"


def earlier_checkpoint(path: Path) -> Path:
    """Return where the checkpoint is kept that the one at ``path`` replaced, should that one turn out damaged."""
    return path.with_name(f"{path.stem}.earlier{path.suffix}")


def save_checkpoint(path: Path, identity: dict[str, str], state: dict[str, Any]) -> None:
    """Write ``state`` under ``identity`` to ``path``: a reader finds the old file or the new one, never a part.

    The old file is kept as :func:`earlier_checkpoint`, on file systems that give a file two names.

    Raises:
        UnwrittenCheckpointError: it cannot be written, as on a full disk; the old file stays.
    """
    try:
        with replacing(path) as partial:
            with partial.open("wb") as stream:
                torch.save({"identity": identity, "state": state}, stream)
                stream.flush()
                os.fsync(stream.fileno())  # whole before the one before loses its name
            _keep(path)
    except (OSError, RuntimeError) as error:  # torch's writer has errors of its own for what the system refuses
        raise UnwrittenCheckpointError(
            f"{path} cannot be written: {error}; make room or give the right to, then run the same command again"
        ) from error


def _keep(path: Path) -> None:
    """Give the file at ``path`` its second name, without a moment in which it has none."""
    earlier = earlier_checkpoint(path)
    linked = earlier.with_name(f"{earlier.name}.{os.getpid()}.partial")
    with contextlib.suppress(OSError):
        linked.unlink(missing_ok=True)
        os.link(path, linked)
        os.replace(linked, earlier)


def load_checkpoint(path: Path, identity: dict[str, str], *, device: torch.device) -> dict[str, Any]:
    """Return the state saved at ``path``.

    Raises:
        DamagedCheckpointError: the file is unreadable.
        CheckpointError: it was made by another spec, recipe, dataset or seed than ``identity``.
    """
    try:
        with path.open("rb") as stream:
            if stream.read(len(_ARCHIVE)) != _ARCHIVE:  # torch would try an older, looser format
                raise ValueError("it is no archive as torch writes them")
        content = torch.load(path, map_location=device, weights_only=True)
        found, state = content["identity"], content["state"]
        differing = sorted(key for key in identity if found.get(key) != identity[key])
        state = dict(state)
    except (MemoryError, torch.OutOfMemoryError):
        raise  # says nothing about the file
    except Exception as error:  # damage meets torch's unpickler in many places, each with an error of its own
        raise DamagedCheckpointError(f"{path} must be a training checkpoint; it cannot be read: {error}") from error
    if found != identity:
        raise CheckpointError(f"{path} was made by another run: {', '.join(differing)} differ; use an empty folder")
    return state


def first_checkpoint(paths: Sequence[Path], identity: dict[str, str], *, device: torch.device) -> dict[str, Any] | None:
    """Return the state of the first file in ``paths`` that was made by the run of ``identity``; None without one."""
    for path in paths:
        try:
            return load_checkpoint(path, identity, device=device)
        except CheckpointError:
            continue
    return None
