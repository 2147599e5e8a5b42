"""An observer for benchmarks that measure the engine and not its record."""

from __future__ import annotations

from gan.training import TrainingHooks
from search.candidate import Candidate
from search.record import TrialRecord


class Silent:
    """Hears everything and says nothing."""

    def trial_started(self, number: int, candidate: Candidate) -> TrainingHooks:
        """Give callbacks that do nothing."""
        return TrainingHooks()

    def trial_compared(self, number: int, images: int, record: TrialRecord, reason: str) -> None:
        """Ignore a comparison."""

    def trial_ended(self, number: int, record: TrialRecord) -> None:
        """Ignore an end."""

    def trial_rejected(self, number: int, reason: str) -> None:
        """Ignore a rejection."""

    def trial_repeated(self, number: int, original: int) -> None:
        """Ignore a repetition."""
