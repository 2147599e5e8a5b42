"""Atomic training checkpoints, read back without unpickling code."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from atomic_files import replacing
from gan.archive import read_archive
from gan.errors import CheckpointError, DamagedCheckpointError, UnwrittenCheckpointError


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
    found, state = read_archive(
        path,
        lambda content: (_identity(content), dict(content["state"])),
        wanted="be a training checkpoint",
        refused=DamagedCheckpointError,
        device=device,
    )
    differing = sorted(key for key in identity if found.get(key) != identity[key])
    if found != identity:
        raise CheckpointError(f"{path} was made by another run: {', '.join(differing)} differ; use an empty folder")
    return state


def checkpoint_identity(path: Path) -> dict[str, str]:
    """Return what the checkpoint at ``path`` is of: digests of spec, recipe, data and guide, and the seed.

    Raises:
        DamagedCheckpointError: the file is unreadable.
    """
    return read_archive(
        path,
        _identity,
        wanted="be a training checkpoint",
        refused=DamagedCheckpointError,
        device=torch.device("cpu"),
    )


def _identity(content: Any) -> dict[str, str]:
    found = dict(content["identity"])
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in found.items()):
        raise TypeError("its identity must be names with digests")
    return found


def checkpoint_discriminator(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the discriminator in the checkpoint at ``path``, on the CPU, whatever run it is of.

    Raises:
        DamagedCheckpointError: the file is unreadable, or its training had no discriminator.
    """

    def weights(content: Any) -> dict[str, torch.Tensor]:
        found = content["state"]["discriminator"]
        if not all(isinstance(value, torch.Tensor) for value in found.values()):
            raise ValueError("its discriminator is more than tensors")
        return {str(name): value for name, value in found.items()}

    return read_archive(
        path,
        weights,
        wanted="be a training checkpoint with a discriminator",
        refused=DamagedCheckpointError,
        device=torch.device("cpu"),
    )


def first_checkpoint(paths: Sequence[Path], identity: dict[str, str], *, device: torch.device) -> dict[str, Any] | None:
    """Return the state of the first file in ``paths`` that was made by the run of ``identity``; None without one."""
    for path in paths:
        try:
            return load_checkpoint(path, identity, device=device)
        except CheckpointError:
            continue
    return None
