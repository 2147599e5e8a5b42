"""What a running study is known to be at: trials in work, what has ended, how fast it goes. Pure: time is an argument.

Times are in seconds on any clock that never goes back; all of one state are on the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from gan.training import TrainingRecord
from search.tally import EndedTrial, Tally

CIRCUIT, TRAINING, SCORING = "circuit", "training", "scoring"


@dataclass(frozen=True)
class TrialInWork:
    """A trial that is being evaluated.

    Attributes:
        number: of the trial.
        family: of its generator.
        budget_images: training images of its budget, None if only seconds limit it.
        budget_seconds: seconds of its budget, None if they do not limit it.
        record: the latest of its training, None before the first.
        heard: when that came.
        first_share: share of the budget that was spent at the first record; an earlier session's is in it.
    """

    number: int
    family: str
    budget_images: int | None = None
    budget_seconds: float | None = None
    record: TrainingRecord | None = None
    heard: float = 0.0
    first_share: float = 0.0

    @property
    def share(self) -> float:
        """Share of the budget that is spent, by whichever limit is nearer, in [0, 1]."""
        if self.record is None:
            return 0.0
        return min(1.0, max(self._shares(self.record), default=0.0))

    def _shares(self, record: TrainingRecord) -> list[float]:
        images = [] if self.budget_images is None else [record.images / self.budget_images]
        return images + ([] if self.budget_seconds is None else [record.seconds / self.budget_seconds])

    @property
    def stage(self) -> str:
        """What it is at: its circuit is measured, it is trained, or the trained generator is scored."""
        if self.record is None:
            return CIRCUIT
        return SCORING if self.share >= 1 else TRAINING

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds of training left, by its latest record and the time since; None if unknown."""
        if self.record is None or self.record.eta_seconds is None:
            return None
        return max(0.0, self.record.eta_seconds - (now - self.heard))

    def recorded(self, record: TrainingRecord, now: float) -> TrialInWork:
        """Return it with its next record."""
        following = replace(self, record=record, heard=now)
        return replace(following, first_share=following.share) if self.record is None else following


@dataclass(frozen=True)
class LiveState:
    """A study in work.

    Attributes:
        name: of the study.
        wanted: candidates to end with that were trained.
        draws: most candidates to draw in all.
        started: when this session began its trials.
        tally: what came of the trials that have ended, those of earlier sessions included.
        in_work: open trials, oldest first.
        ended: when the session ended; None while it works.
        closing: how it ended, in a word.
    """

    name: str
    wanted: int
    draws: int
    started: float
    tally: Tally
    in_work: tuple[TrialInWork, ...] = ()
    ended: float | None = None
    closing: str = ""

    def opened(self, trial: TrialInWork) -> LiveState:
        """Return it with ``trial`` in work."""
        others = (other for other in self.in_work if other.number != trial.number)
        return replace(self, in_work=tuple(sorted((*others, trial), key=lambda one: one.number)))

    def recorded(self, number: int, record: TrainingRecord, now: float) -> LiveState:
        """Return it with what a training told; a trial that is not in work is passed over."""
        in_work = tuple(trial.recorded(record, now) if trial.number == number else trial for trial in self.in_work)
        return replace(self, in_work=in_work)

    def over(self, trial: EndedTrial) -> LiveState:
        """Return it with ``trial``, which this session has ended."""
        in_work = tuple(other for other in self.in_work if other.number != trial.number)
        return replace(self, in_work=in_work, tally=self.tally.with_trials([replace(trial, here=True)]))

    def known(self, trials: Iterable[EndedTrial]) -> LiveState:
        """Return it with trials that the study's storage tells of: earlier sessions', and other drivers'."""
        return replace(self, tally=self.tally.with_trials(trials))

    def closed(self, now: float, word: str) -> LiveState:
        """Return it as the session's end leaves it."""
        return replace(self, ended=now, closing=word)

    def elapsed(self, now: float) -> float:
        """Return the seconds that the session has worked, at least 0."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)

    def trained_per_hour(self, now: float) -> float | None:
        """Return how many candidates this session trains in an hour, on average; None before the first."""
        elapsed = self.elapsed(now)
        return 3600 * self.tally.trained_here / elapsed if self.tally.trained_here and elapsed > 0 else None

    def seconds_left(self, now: float) -> float | None:
        """Return the seconds until enough candidates are trained, at the session's pace so far; None if unknown.

        Pace is candidates per second, shares of those in work included; what is drawn and found infeasible takes its
        part of the time. At least the longest training in work is left.
        """
        wanted = self.wanted - self.tally.trained - sum(trial.share for trial in self.in_work)
        done = self.tally.trained_here + sum(trial.share - trial.first_share for trial in self.in_work)
        in_work = max((trial.seconds_left(now) or 0.0 for trial in self.in_work), default=0.0)
        if wanted <= 0:
            return in_work
        elapsed = self.elapsed(now)
        return max(in_work, wanted * elapsed / done) if done > 0 and elapsed > 0 else None
