"""Admission by memory: a proof starts only where the machine has what it is predicted to need."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import final

import psutil

from zk.errors import OptionError, ZkError

POLL_SECONDS = 1.0
RESERVE = 0.05
"""Share of the free memory that is left alone: the driver's own, and what others start."""


class AdmissionError(ZkError):
    """A job can never be admitted, or waited too long for memory that others hold."""


def free_bytes() -> int:
    """Memory that this process and its children could have: what is available, and what the children hold already."""
    return int(psutil.virtual_memory().available) + children_bytes()


def children_bytes() -> int:
    """Resident memory of all processes that this one started."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += int(child.memory_info().rss)
    return total


@final
class MemoryGate:
    """Lets jobs in, first come first served, while their predicted needs fit what is free.

    A job that waits for much memory is not overtaken by small ones that came later, so it starts in the end.

    Args:
        limit_bytes: most that all admitted jobs together may need.
        free: what the machine could give to this process and its children, in bytes.
        patience_seconds: how long to wait, with nothing running, for memory that other programs hold.
        poll_seconds: how often to look.

    Raises:
        OptionError: the limit is not positive.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        free: Callable[[], int] = free_bytes,
        patience_seconds: float = 600.0,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        if limit_bytes <= 0:
            raise OptionError(f"the memory for proofs must be positive; got {limit_bytes} bytes")
        self._limit = limit_bytes
        self._free = free
        self._patience = patience_seconds
        self._poll = poll_seconds
        self._reserved: dict[object, int] = {}
        self._queue: deque[object] = deque()
        self._condition = threading.Condition()

    @contextlib.contextmanager
    def hold(self, need_bytes: int) -> Iterator[None]:
        """Wait until a job of this need is admitted; it is over when the block ends.

        Raises:
            AdmissionError: the need is above the limit, or others hold the memory for too long.
        """
        if need_bytes > self._limit:
            raise AdmissionError(
                f"a job must need at most {self._limit / 2**30:.1f} GiB; this one is predicted to need "
                f"{need_bytes / 2**30:.1f}; raise the memory limit or leave it out"
            )
        ticket = object()
        with self._condition:
            self._queue.append(ticket)
            try:
                self._wait(ticket, need_bytes)
            except BaseException:
                self._queue.remove(ticket)
                self._condition.notify_all()
                raise
            self._queue.popleft()
            self._reserved[ticket] = need_bytes
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                del self._reserved[ticket]
                self._condition.notify_all()

    def _wait(self, ticket: object, need: int) -> None:
        alone_since: float | None = None
        while not (self._queue[0] is ticket and self._fits(need)):
            if self._queue[0] is ticket and not self._reserved:
                alone_since = alone_since or time.monotonic()
                if time.monotonic() - alone_since > self._patience:
                    raise AdmissionError(
                        f"{need / 2**30:.1f} GiB must be free; for {self._patience:.0f} s other programs left only "
                        f"{self._free() * (1 - RESERVE) / 2**30:.1f}; stop them or lower the memory limit"
                    )
            self._condition.wait(self._poll)

    def _fits(self, need: int) -> bool:
        reserved = sum(self._reserved.values())
        return reserved + need <= min(self._limit, int(self._free() * (1 - RESERVE)))
