"""How a running study is shown: line by line, or live where somebody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self, TextIO

from gan.training import ConsoleProgress, TrainingRecord
from search.candidate import Candidate
from search.errors import ConfigError
from search.record import TrialRecord

VIEWS = ("auto", "live", "lines")
_DUMB = ("dumb", "unknown")


class View(Protocol):
    """Shows a study; entered when its trials begin and left when they have ended, in whatever way."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was; an error is not swallowed."""

    def say(self, line: str) -> None:
        """Show a line that stays."""

    def trial_started(self, number: int, candidate: Candidate) -> None:
        """Hear of a trial."""

    def trial_recorded(self, number: int, record: TrainingRecord) -> None:
        """Hear how its training goes."""

    def trial_ended(self, number: int, state: str, record: TrialRecord | None = None) -> None:
        """Hear how it ended, in the words of :func:`search.front.trial_state`; without a record nothing was found."""


class LineView:
    """Says lines, and on a terminal shows the latest of a training in a line that rewrites itself."""

    def __init__(self, say: Callable[[str], None] = print) -> None:
        self._say = say
        self._progress: dict[int, ConsoleProgress] = {}

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave all as it is."""

    def say(self, line: str) -> None:
        """Say it."""
        self._say(line)

    def trial_started(self, number: int, candidate: Candidate) -> None:
        """Begin the trial's own line."""
        self._progress[number] = ConsoleProgress(f"trial {number} ({candidate.spec.family})", sys.stderr)

    def trial_recorded(self, number: int, record: TrainingRecord) -> None:
        """Rewrite the line."""
        self._progress[number](record)

    def trial_ended(self, number: int, state: str, record: TrialRecord | None = None) -> None:
        """End the line."""
        if (progress := self._progress.pop(number, None)) is not None:
            progress.close()


def checked_view(view: str) -> str:
    """Return ``view`` if it is one of :data:`VIEWS`.

    Raises:
        ConfigError: it is none of them.
    """
    if view not in VIEWS:
        raise ConfigError(f"view must be one of {', '.join(VIEWS)}; got {view!r}")
    return view


def wants_live(view: str, stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Say whether to show a study live on ``stream``: ``auto`` does on a terminal that can move its cursor."""
    if view != "auto":
        return view == "live"
    return stream.isatty() and environment.get("TERM", "").lower() not in _DUMB
