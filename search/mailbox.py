"""Progress from a worker elsewhere to the driver: what cannot be kept or delivered in time is dropped."""

from __future__ import annotations

import contextlib
import pickle
import queue
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

_POLL_SECONDS = 0.2


class Mailbox:
    """Keeps the newest ``most`` messages until they are taken.

    Messages are bytes, so that its process need not import what they are made of.
    """

    def __init__(self, most: int = 512) -> None:
        self._messages: deque[tuple[int, bytes]] = deque(maxlen=most)

    def put(self, sender: int, message: bytes) -> None:
        """Add a message; a full mailbox loses its oldest."""
        self._messages.append((sender, message))

    def take(self) -> list[tuple[int, bytes]]:
        """Return everything in it with its senders, oldest first, and keep nothing."""
        taken = list(self._messages)
        self._messages.clear()
        return taken


class Courier:
    """Delivers messages on a thread of its own, as long as its context is open.

    Leaving the context waits up to ``last_seconds`` for what is still on its way.

    Args:
        deliver: takes a pickled message; may be slow, and may fail.
        most: messages that may wait to be delivered.
        last_seconds: the longest wait at the end.
    """

    def __init__(self, deliver: Callable[[bytes], None], *, most: int = 64, last_seconds: float = 10.0) -> None:
        self._deliver, self._last_seconds = deliver, last_seconds
        self._waiting: queue.Queue[object] = queue.Queue(most)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join(self._last_seconds)

    def send(self, message: object) -> None:
        """Have ``message`` delivered, or drop it where too many wait; never waits, never fails."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(message)

    def _work(self) -> None:
        while True:
            try:
                message = self._waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._closed.is_set():
                    return
                continue
            with contextlib.suppress(Exception):  # progress is worth no trial
                self._deliver(pickle.dumps(message))
