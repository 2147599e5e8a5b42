"""A polite end on SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let the first SIGTERM in this block raise ``KeyboardInterrupt`` in the main thread, as Ctrl-C does.

    Further SIGTERMs are ignored until the block has ended, so that a scheduler that sends several does not cut into the
    clean-up of the first; the former handler is then restored. A Ctrl-C during the clean-up still interrupts it, and
    SIGKILL ends all: neither can corrupt anything, since files are replaced as a whole and a database rolls back what
    was not committed, but the trial is then closed by the next driver instead of this one. The interrupt waits for a
    call into compiled code to return. Outside the main thread, where Python sets no handlers, the block changes
    nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ignore(number: int, frame: FrameType | None) -> None:
        """Do nothing; SIG_IGN would be handed down to every process started from here."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, ignore)
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if former is None else former)
