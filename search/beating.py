"""Doing something every few seconds beside the main work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType


class Beating:
    """Calls ``beat`` at once and then every ``every_seconds`` in a daemon thread, for the length of a ``with`` block.

    An error of ``beat`` is said once until it succeeds again, and never reaches the main work.

    Args:
        beat: what to do; may take its time, but is waited for at the end for ``patience_seconds`` only.
        every_seconds: between the end of one call and the next.
        say: takes a line about trouble and its end.
        patience_seconds: how long leaving the block waits for a call that is under way.
    """

    def __init__(
        self,
        beat: Callable[[], None],
        *,
        every_seconds: float,
        say: Callable[[str], None] = print,
        patience_seconds: float = 5.0,
    ) -> None:
        self._beat, self._say = beat, say
        self._every_seconds, self._patience_seconds = every_seconds, patience_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def __enter__(self) -> Beating:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(self._patience_seconds)

    def _run(self) -> None:
        failing = False
        while not self._stop.is_set():
            try:
                self._beat()
            except Exception as error:
                if not failing:
                    self._say(f"no sign of life could be given ({error}); trying on every {self._every_seconds:g} s")
                failing = True
            else:
                if failing:
                    self._say("signs of life are given again")
                failing = False
            self._stop.wait(self._every_seconds)
