"""Memory of trials: what one took, and from that what the next will."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from search.candidate import Candidate
from zk.child import peak_rss_bytes

_MARGIN = 1.25
_LOOK_SECONDS = 0.5
_REMEMBERED = 32
_FROM_HERE = "5"  # proc(5): sets a process's highest resident memory back to the present one


class PeakMeter:
    """Measures the memory that this process and its children need while it is open.

    The process's own is the system's high-water mark, where it can be set back; else it is that since the process
    began. Children, which the process waits for with all that it has loaded, are looked at twice a second, by their own
    marks; where the system does not list them they count nothing.
    """

    def __init__(self) -> None:
        self._child, self._over = 0, threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> PeakMeter:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text(_FROM_HERE, encoding="ascii")
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._watch.join()

    @property
    def bytes(self) -> int:
        """This process's highest memory and the greatest child's, together."""
        return peak_rss_bytes(os.getpid()) + self._child

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._child = max([self._child, *(peak_rss_bytes(child) for child in _children())])


def _children() -> Iterator[int]:
    """Children of all threads of this process."""
    for listed in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            yield from map(int, listed.read_text(encoding="ascii").split())


class MemoryForecast:
    """Predicts a trial's memory from what earlier ones of the session took.

    What candidates differ in is the ``footprint`` of their training; the rest (libraries, data, classifiers, children
    that lay out circuits) is the greatest of the last 32.

    Args:
        first_bytes: for the trials that begin before one has ended.
        footprint: bytes that a candidate's training takes beside the rest.
    """

    def __init__(self, first_bytes: int, footprint: Callable[[Candidate], int]) -> None:
        self._first_bytes, self._footprint = first_bytes, footprint
        self._rests, self._footprints = deque[int](maxlen=_REMEMBERED), dict[str, int]()

    def learn(self, candidate: Candidate, peak_bytes: int) -> None:
        """Take in what a trial of ``candidate`` took, which must have been trained."""
        self._rests.append(max(0, peak_bytes - self._own(candidate)))

    def of(self, candidate: Candidate) -> int:
        """Return the bytes that a trial of ``candidate`` will need, with a margin of a quarter."""
        return self._with(self._own(candidate))

    def of_any(self) -> int:
        """Return likewise for a candidate that is not drawn yet: for the greatest footprint that was seen."""
        return self._with(max(self._footprints.values(), default=0))

    def _own(self, candidate: Candidate) -> int:
        if candidate.digest not in self._footprints:
            self._footprints[candidate.digest] = self._footprint(candidate)
        return self._footprints[candidate.digest]

    def _with(self, footprint: int) -> int:
        return int(_MARGIN * (max(self._rests) + footprint)) if self._rests else self._first_bytes
