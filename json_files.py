"""JSON of files and texts that may be damaged: whatever is wrong with it, the error is a ``ValueError``.

This module stands at the top level because every package reads such files.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 64 * 2**20
"""Far more than any file of the project's; parsed, it takes several times its size."""


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; bytes are UTF-8.

    Raises:
        ValueError: it is no JSON, no UTF-8, or nested more deeply than Python's parser can follow.
    """
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path, *, most_bytes: int = MOST_BYTES) -> Any:
    """Parse the file ``path``.

    Raises:
        OSError: it cannot be read.
        ValueError: as :func:`parse_json`; or it has more than ``most_bytes``, or is no plain file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for its writer
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no plain file")
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it has more than {most_bytes:,} bytes")
    return parse_json(content)
