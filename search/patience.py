"""Repeating a call while what it needs is out of reach for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from search.errors import ConfigError, StorageUnreachable
from search.urls import safe_url

T = TypeVar("T")
_SHORTEST_PAUSE_SECONDS = 1e-3  # what is left of a wait may be a rounding error


@dataclass(frozen=True)
class Patience:
    """How long to wait for something that is out of reach, and how often to try.

    Attributes:
        wait_seconds: from the first failure to giving up; 0 tries once.
        first_pause_seconds: before the first repeat; every further pause is twice as long.
        longest_pause_seconds: no pause is longer.

    Raises:
        ConfigError: a pause is not positive, or a length negative.
    """

    wait_seconds: float = 120.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 10.0

    def __post_init__(self) -> None:
        if not self.wait_seconds >= 0:
            raise ConfigError(f"wait_seconds must be 0 or more; got {self.wait_seconds}")
        if not 0 < self.first_pause_seconds <= self.longest_pause_seconds:
            raise ConfigError(
                "pauses must be positive, the first no longer than the longest; got first_pause_seconds "
                f"{self.first_pause_seconds} and longest_pause_seconds {self.longest_pause_seconds}"
            )


def patiently(
    call: Callable[[], T],
    *,
    what: str,
    patience: Patience,
    is_passing: Callable[[BaseException], bool],
    say: Callable[[str], None],
    again: Callable[[], T] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return what ``call`` returns, repeating it while it fails with a passing error.

    Args:
        call: what to do.
        what: names what may be out of reach, for messages; passwords in it are hidden.
        patience: how long to wait.
        is_passing: says whether an error may pass by itself; any other is raised at once.
        say: takes a line when waiting begins and one when it has ended.
        again: takes the place of ``call`` from the first repeat on. For calls that must not be applied twice: a failed
            one may have been carried out all the same, its answer lost.
        sleep: waits for some seconds.
        clock: seconds of a clock that never goes back.

    Raises:
        StorageUnreachable: the last passing error came ``wait_seconds`` after the first or later; chained to it.
    """
    what, pause, first_failure = safe_url(what), patience.first_pause_seconds, None
    while True:
        try:
            value = call()
        except Exception as error:
            if not is_passing(error):
                raise
            now = clock()
            began = now if first_failure is None else first_failure
            left = patience.wait_seconds - (now - began)
            if left < _SHORTEST_PAUSE_SECONDS:
                raise StorageUnreachable(_given_up(what, now - began, error)) from error
            if first_failure is None:
                say(f"{what} is out of reach ({_reason(error)}); waiting for up to {patience.wait_seconds:.0f} s")
        else:
            if first_failure is not None:
                say(f"{what} answers again after {clock() - first_failure:.0f} s")
            return value
        first_failure, call = began, again or call
        sleep(min(pause, left))
        pause = min(2 * pause, patience.longest_pause_seconds)


def _given_up(what: str, seconds: float, error: Exception) -> str:
    return (
        f"{what} could not be reached for {seconds:.0f} s ({_reason(error)}); the study is kept with what was "
        "finished: make it reachable again and run the same command to go on"
    )


def _reason(error: BaseException) -> str:
    """First line of what went wrong at the bottom: wrappers of it say less."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return safe_url(lines[0].strip()) if lines else type(error).__name__


class PatientCaller:
    """Calls patiently for one thing that may be out of reach, and waits for it once only.

    After it has given up, every further call is tried once: clearing up after the error must not wait all over again.
    The first call that succeeds restores its patience.

    Args:
        what: see :func:`patiently`, as the others.
        patience: likewise.
        is_passing: likewise.
        say: likewise.
        sleep: likewise.
        clock: likewise.
    """

    def __init__(
        self,
        what: str,
        *,
        patience: Patience,
        is_passing: Callable[[BaseException], bool],
        say: Callable[[str], None] = print,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._patience, self._is_passing = what, patience, is_passing
        self._say, self._sleep, self._clock = say, sleep, clock
        self._gave_up = False

    def __call__(self, call: Callable[[], T], again: Callable[[], T] | None = None) -> T:
        """Return what ``call`` returns; see :func:`patiently`."""
        try:
            value = patiently(
                call,
                what=self._what,
                patience=replace(self._patience, wait_seconds=0.0) if self._gave_up else self._patience,
                is_passing=self._is_passing,
                say=self._say,
                again=again,
                sleep=self._sleep,
                clock=self._clock,
            )
        except StorageUnreachable:
            self._gave_up = True
            raise
        self._gave_up = False
        return value

    def hasty(self) -> PatientCaller:
        """Return a caller for the same thing that tries once."""
        return PatientCaller(
            self._what,
            patience=replace(self._patience, wait_seconds=0.0),
            is_passing=self._is_passing,
            say=self._say,
            sleep=self._sleep,
            clock=self._clock,
        )
