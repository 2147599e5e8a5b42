"""What is known of one candidate when its trial ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from search.candidate import Candidate


class TrialOutcome(StrEnum):
    """How a trial ended."""

    SCORED = "scored"
    INFEASIBLE = "infeasible"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    UNSCORED = "unscored"
    LOST = "lost"


@dataclass(frozen=True)
class TrialRecord:
    """Everything a trial found out.

    Attributes:
        candidate: what was tried.
        outcome: scored; infeasible (never trained); stopped (trained to a rung, where others were better; its figures
            are of that rung); diverged (training met a loss that was not finite); unscored (trained, but a metric
            refused its images); or lost (its workers died, whenever it was tried again).
        reason: why it was not scored, for a person; empty when it was.
        metrics: flat figures by name; scores, circuit and training figures share the space (``accuracy``, ``rows``,
            ``train_seconds``). What was not measured is absent.
        constraints: figures of :func:`search.constraints.constraint_values`.
        facts: short strings worth a tag (digests, arithmetic).
        folder: where its files are.
    """

    candidate: Candidate
    outcome: TrialOutcome
    reason: str
    metrics: dict[str, float]
    constraints: dict[str, float]
    folder: Path
    facts: dict[str, str] = field(default_factory=dict)
