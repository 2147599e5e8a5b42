"""JSON of files and texts that may be damaged: whatever is wrong with it, the error is a ``ValueError``.

This module stands at the top level because every package reads such files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plain_files import read_plain

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
    return parse_json(read_plain(path, most_bytes=most_bytes))
