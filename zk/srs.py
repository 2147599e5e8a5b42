"""Local structured reference strings, cached by height.

A local SRS is made by ``ezkl.gen_srs``, whose secret was known to this machine: it is fit for tests and measurements
only, and the file name says so. Every call draws a new one, and a proof verifies only with the SRS that made it, so one
file is kept for each height.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def srs_path(srs_dir: Path, logrows: int) -> Path:
    """Where the cached test-only SRS of height ``2**logrows`` lies."""
    return srs_dir / f"test-only-k{logrows}.srs"


@contextlib.contextmanager
def publish_once(path: Path) -> Iterator[Path]:
    """Give a private temporary file to fill; afterwards it becomes ``path`` unless another process was first.

    The first complete file stays, so that two racing processes end up with the same SRS. Nothing is published when the
    body raises or writes nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        yield temporary
        if temporary.exists():
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)  # unlike rename, never replaces a file that a proof may already rest on
    finally:
        temporary.unlink(missing_ok=True)
