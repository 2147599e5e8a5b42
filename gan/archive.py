"""Files of torch, read without unpickling code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from gan.errors import GanError
from plain_archives import check_content, check_torch_archive
from plain_files import open_plain

_ARCHIVE = b"PK\x03\x04"

Read = TypeVar("Read")


def read_archive(
    path: Path, parse: Callable[[Any], Read], *, wanted: str, refused: type[GanError], device: torch.device
) -> Read:
    """Return what ``parse`` makes of the tensors and plain values that ``torch.save`` wrote to ``path``.

    Args:
        path: an archive as torch writes them; its older, looser format is not tried.
        parse: takes the content apart; whatever it raises says that the file is damaged.
        wanted: what the file must be, for the error: "be a training checkpoint".
        refused: the error of a file that cannot be read.
        device: where tensors go.

    Raises:
        refused: the file is missing, damaged, or something else. Memory that runs out says nothing about the file and
            is raised as it is.
    """
    try:
        with open_plain(path) as stream:
            if stream.read(len(_ARCHIVE)) != _ARCHIVE:
                raise ValueError("it is no archive as torch writes them")
        check_torch_archive(path)
        content = torch.load(path, map_location=device, weights_only=True)
        check_content(content)
        return parse(content)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # damage meets torch's unpickler in many places, each with an error of its own
        raise refused(f"{path} must {wanted}; it cannot be read: {error}") from error
