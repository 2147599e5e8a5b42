"""What carries out the work on candidates: a piece of work, how it came out, and the runner of this process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gan.training import TrainingHooks
from search.candidate import Candidate
from search.claims import try_claim
from search.errors import SegmentError
from search.objective import CandidateEvaluator
from search.record import TrialRecord

_CLAIM_SECONDS = 0.2


@dataclass(frozen=True)
class Segment:
    """A piece of work: everything about a candidate, or up to its next rung.

    Attributes:
        number: of the trial.
        candidate: what to evaluate.
        folder: of its files; an earlier segment's are continued.
        until_images: training images at which to pause; None trains to the end of the budget.
    """

    number: int
    candidate: Candidate
    folder: Path
    until_images: int | None = None


@dataclass(frozen=True)
class Ended:
    """How a segment came out."""

    segment: Segment
    record: TrialRecord


class Runner(Protocol):
    """Carries out segments, one or many at a time.

    An error of an evaluation that is no outcome of its candidate is raised by ``wait`` as a
    :class:`~search.errors.SegmentError`.
    """

    def has_room(self) -> bool:
        """Say whether another segment would be started at once."""

    def submit(self, segment: Segment, hooks: TrainingHooks) -> None:
        """Take on ``segment``; what its training records is passed to ``hooks`` in this process."""

    def wait(self) -> list[Ended]:
        """Wait until at least one segment has ended, or for about a second, and return those that have."""

    def close(self) -> None:
        """Stop whatever runs; checkpoints stay."""


class SerialRunner:
    """Evaluates one segment at a time, in this process."""

    def __init__(self, evaluate: CandidateEvaluator) -> None:
        self._evaluate = evaluate
        self._waiting: list[tuple[Segment, TrainingHooks]] = []

    def has_room(self) -> bool:
        """Say whether nothing waits."""
        return not self._waiting

    def submit(self, segment: Segment, hooks: TrainingHooks) -> None:
        """Keep ``segment`` for :meth:`wait`."""
        self._waiting.append((segment, hooks))

    def wait(self) -> list[Ended]:
        """Evaluate what waits longest."""
        if not self._waiting:
            return []
        segment, hooks = self._waiting.pop(0)
        try:
            return [evaluated(self._evaluate, segment, hooks)]
        except Exception as error:
            raise SegmentError(segment.number, error) from error

    def close(self) -> None:
        """Forget what waits."""
        self._waiting.clear()


def evaluated(evaluate: CandidateEvaluator, segment: Segment, hooks: TrainingHooks) -> Ended:
    """Evaluate ``segment`` here and now, when nobody else works in its folder any more.

    Two drivers can draw one candidate at a time, and a worker outlives its killed driver by the end of its step.
    """
    while (claim := try_claim(segment.folder)) is None:
        time.sleep(_CLAIM_SECONDS)
    with claim:
        return Ended(segment, evaluate(segment.candidate, segment.folder, hooks, segment.until_images))
