"""How a composite network is trained: every knob, frozen, and the defaults of each data set."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from evaluation.classifier.recipe import ClassifierRecipe, Precision
from evaluation.composites.spec import CompositeKind
from evaluation.errors import SpecError


@dataclass(frozen=True)
class CompositeRecipe:
    """SGD with Nesterov momentum on a one-cycle schedule, with a BatchNorm that is folded away at the end.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step; a smaller training set lowers it to its own size.
        max_learning_rate: the peak of the cycle, of the convolutions.
        head_factor: learning rate of the linear layer's weights, as a fraction of the convolutions'. Below 1, because
            thousands of inputs share one logit (one CIFAR-10 epoch of ``poly``: 0.59 instead of 0.50 of the test set);
            its weight decay is raised by as much, so that both decay alike.
        warmup_fraction: share of all steps in which the rate rises to its peak, in [0, 1).
        momentum: Nesterov momentum, in (0, 1).
        weight_decay: on weights of two or more dimensions only.
        label_smoothing: in [0, 1).
        shift_pixels: largest random shift in each direction; edges are filled by reflection.
        flip: mirror every second epoch where the data set allows it.
        gradient_clip: largest global norm of a gradient; None: no limit. Squares make rare, huge gradients.
        precision: ``auto`` takes bfloat16 autocast where the machine computes in it, else float32.
        cpu_threads: threads of a training on the CPU; None: torch's own choice.

    Raises:
        SpecError: a field out of its range.
    """

    epochs: int = 5
    batch_size: int = 128
    max_learning_rate: float = 0.1
    head_factor: float = 0.1
    warmup_fraction: float = 0.25
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    shift_pixels: int = 2
    flip: bool = True
    gradient_clip: float | None = 5.0
    precision: Precision = "auto"
    cpu_threads: int | None = None

    def __post_init__(self) -> None:
        _ = self.schedule
        if not 0 < self.head_factor <= 1:
            raise SpecError(f"head_factor must lie in (0, 1]; got {self.head_factor!r}")
        if self.gradient_clip is not None and not 0 < self.gradient_clip < math.inf:
            raise SpecError(f"gradient_clip must be null or positive and finite; got {self.gradient_clip!r}")

    @property
    def schedule(self) -> ClassifierRecipe:
        """The classifier's recipe of the same optimiser, schedule and augmentation; it checks the shared fields."""
        return ClassifierRecipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            max_learning_rate=self.max_learning_rate,
            warmup_fraction=self.warmup_fraction,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            shift_pixels=self.shift_pixels,
            flip=self.flip,
            precision=self.precision,
            cpu_threads=self.cpu_threads,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values that say everything about the recipe."""
        return dataclasses.asdict(self)


def cifar10_recipe(kind: CompositeKind) -> CompositeRecipe:
    """Two to three minutes of two AVX2 cores on CIFAR-10; strides make an epoch about three times cheaper."""
    return CompositeRecipe(epochs=14 if kind == "strided" else 5)


def digits_recipe() -> CompositeRecipe:
    """Seconds of training, for the embedded digits and for tests."""
    return CompositeRecipe(epochs=6, batch_size=64, shift_pixels=1, cpu_threads=1)
