"""Plain files only: what comes from elsewhere may be a pipe, which would wait for a writer, or a device without end.

This module stands at the top level because every package reads such files.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would wait for its writer


def open_plain(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open ``path`` for reading, or what it links to, unless ``follow`` is false.

    Raises:
        OSError: it cannot be opened, or is a link that is not to be followed.
        ValueError: it is no plain file.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | os.O_NOFOLLOW)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is no plain file")
    return os.fdopen(descriptor, "rb")


def check_plain_file(path: Path) -> None:
    """Refuse what is no plain file, for readers that open it themselves.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no plain file.
    """
    open_plain(path).close()


def read_plain(path: Path, *, most_bytes: int) -> bytes:
    """Read the file ``path`` whole.

    Raises:
        OSError: it cannot be read.
        ValueError: it has more than ``most_bytes``, or is no plain file.
    """
    with open_plain(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(min(size, most_bytes) + 1)  # as much memory is taken as is asked for
    if max(size, len(content)) > most_bytes:
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    return content
