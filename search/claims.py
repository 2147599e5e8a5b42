"""Exclusive claims on folders and files, held by a process and released when it ends in any way.

They are ``flock``s, so they work between processes of one machine, and across machines only as well as the file
system's own ``flock`` does: Linux' NFS client passes it on since 2.6.12 unless mounted with ``local_lock``; others may
not. A process that was forked while a claim was held keeps it until it ends too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

CLAIM_NAME = ".claim"


class Claim:
    """A folder that no other process may claim until this is released; a context manager.

    Args:
        folder: what is claimed.
        handle: descriptor of the locked file.
    """

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._handle: int | None = handle

    def release(self) -> None:
        """Give the folder free; a second time does nothing. The lock file stays: removing it would race with others."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def try_claim(folder: Path) -> Claim | None:
    """Claim ``folder``, made where it is missing; None if somebody, this process included, holds it already."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = _lock(folder / CLAIM_NAME, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return None if handle is None else Claim(folder, handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path`` for a block, waiting for whoever holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _lock(path: Path, operation: int) -> int | None:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, operation)
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        if _is_at(handle, path):
            return handle
        os.close(handle)  # the file was replaced between opening and locking; that lock would exclude nobody


def _is_at(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
