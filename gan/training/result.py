"""What training reports: records on the way, one result at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from gan.generators import Generator


@dataclass(frozen=True)
class TrainingRecord:
    """One point of the training curves; losses are of that step, the rate is of this session."""

    step: int
    images: int
    seconds: float
    discriminator_loss: float
    generator_loss: float
    images_per_second: float
    eta_seconds: float | None


class TrainingOutcome(StrEnum):
    """How training ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"


@dataclass(frozen=True)
class TrainingResult:
    """The end of a training run.

    Attributes:
        generator: the averaged generator in evaluation mode, on the training device.
        outcome: completed, or diverged when a loss was not finite.
        steps: optimiser steps done, over all sessions.
        last_finite_step: the last step whose losses were finite (equal to ``steps`` when completed).
        images: real images shown.
        seconds: wall clock in training, over all sessions.
        history: the recorded points of the curves.
        resumed_from_step: the step that this session began at.
        message: why it ended, for a person.
    """

    generator: Generator
    outcome: TrainingOutcome
    steps: int
    last_finite_step: int
    images: int
    seconds: float
    history: tuple[dict[str, float], ...]
    resumed_from_step: int
    message: str


def _ignore(*_: object) -> None:
    return None


@dataclass(frozen=True)
class TrainingHooks:
    """Callbacks at the edge: ``on_record`` per logged step, ``on_samples`` (step, images in [-1, 1]) per grid."""

    on_record: Callable[[TrainingRecord], None] = _ignore
    on_samples: Callable[[int, Tensor], None] = _ignore
