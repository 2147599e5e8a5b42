"""For how long a generator is trained: one frozen record."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gan.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class TrainingBudget:
    """When training ends: at whichever of the given limits comes first. At least one must be given.

    Attributes:
        steps: optimiser steps.
        images: real images shown.
        epochs: epochs of ``batches_per_epoch`` steps, or of the whole training set without it.
        batches_per_epoch: steps that count as one epoch.
        seconds: wall clock spent in training, earlier sessions of a resumed run included. A budget in seconds alone is
            not reproducible across machines; steps and images are.
    """

    steps: int | None = None
    images: int | None = None
    epochs: int | None = None
    batches_per_epoch: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.images is None and self.epochs is None and self.seconds is None:
            raise SpecError("a training budget needs steps, images, epochs or seconds; got none")
        for name in ("steps", "images", "epochs", "batches_per_epoch", "seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SpecError(f"training budget {name} must be positive; got {value}")

    def step_limit(self, *, batch_size: int, train_images: int) -> int | None:
        """Return the largest number of steps that the budget allows, or None when only seconds limit it."""
        limits = []
        if self.steps is not None:
            limits.append(self.steps)
        if self.images is not None:
            limits.append(math.ceil(self.images / batch_size))
        if self.epochs is not None:
            limits.append(self.epochs * (self.batches_per_epoch or math.ceil(train_images / batch_size)))
        return min(limits) if limits else None


def published_budget(*, epochs: int = 30, batches_per_epoch: int = 51, full: bool = False) -> TrainingBudget:
    """Return the published budget.

    Args:
        epochs: passes, of whatever length.
        batches_per_epoch: batches in each.
        full: each pass is over the whole training set instead.
    """
    return TrainingBudget(epochs=epochs, batches_per_epoch=None if full else batches_per_epoch)
