"""Files that are written whole or not at all.

A full disk, a missing permission, a signal at any byte: a reader finds the old file or the new one, never a part. This
module stands at the top level because all packages write files.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a private file beside ``path`` to fill; afterwards it becomes ``path`` in one step, its content on the disk.

    Parent folders are made. Where the body raises, ``path`` stays as it was and nothing is left beside it. The private
    file has another ending than ``path``: a writer that goes by endings must be told the format.

    Raises:
        OSError: a folder cannot be made, or the file cannot be written or moved.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.is_file():  # a pipe or a device: there is nothing to keep whole
        yield path
        return
    path = path.resolve()  # what a link leads to is replaced, not the link
    # Not mkstemp: its files are readable by their owner alone, and folders may be shared.
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, data: bytes) -> None:
    """Make ``data`` the content of ``path``.

    Raises:
        OSError: see :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Make ``text``, in UTF-8, the content of ``path``.

    Raises:
        OSError: see :func:`replacing`.
    """
    write_bytes(path, text.encode("utf-8"))


def copy(source: Path, target: Path) -> None:
    """Give ``target`` the content of ``source``.

    Raises:
        OSError: see :func:`replacing`; or ``source`` cannot be read.
    """
    write_bytes(target, source.read_bytes())
