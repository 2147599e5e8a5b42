"""How a classifier is trained: every knob, frozen, and the learning-rate schedule as a pure function."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from evaluation.classifier.spec import NetworkSpec
from evaluation.errors import SpecError

Precision: TypeAlias = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class ClassifierRecipe:
    """SGD with Nesterov momentum on a one-cycle linear schedule (Smith and Topin 2018), flips and small shifts.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step; a smaller training set lowers it to its own size.
        max_learning_rate: the peak of the cycle.
        warmup_fraction: share of all steps in which the rate rises to its peak, in [0, 1).
        start_factor: first rate, as a fraction of the peak.
        end_factor: last rate, as a fraction of the peak.
        momentum: Nesterov momentum, in (0, 1).
        weight_decay: on weights of two or more dimensions only.
        label_smoothing: in [0, 1).
        shift_pixels: largest random shift in each direction; edges are filled by reflection.
        flip: mirror every second epoch where the data set allows it (each image starts on a random side; Jordan 2024).
        ema_decay: decay of a running average of the weights for each step, used instead of the last ones; None: none.
        low_resolution: train on random crops of this many pixels first (only for networks that end in a global
            pooling); None: never.
        low_resolution_fraction: share of the epochs spent on those crops, in [0, 1).
        precision: ``auto`` takes bfloat16 autocast where the machine computes in it, else float32.
        channels_last: keep activations in channels-last memory order: speed only.
        cpu_threads: threads of a training on the CPU; None: torch's own choice. One is best for networks as
            small as the digits need: threads that share so little work wait longer than they compute, and far longer
            when another program holds a core.
    """

    epochs: int = 10
    batch_size: int = 256
    max_learning_rate: float = 0.3
    warmup_fraction: float = 0.25
    start_factor: float = 0.1
    end_factor: float = 0.0001
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    shift_pixels: int = 2
    flip: bool = True
    ema_decay: float | None = None
    low_resolution: int | None = None
    low_resolution_fraction: float = 0.0
    precision: Precision = "auto"
    channels_last: bool = True
    cpu_threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "max_learning_rate"):
            _require(self, name, "be positive and finite", 0 < getattr(self, name) < math.inf)
        for name in ("start_factor", "end_factor"):
            _require(self, name, "lie in [0, 1]", 0 <= getattr(self, name) <= 1)
        for name in ("warmup_fraction", "label_smoothing", "low_resolution_fraction"):
            _require(self, name, "lie in [0, 1)", 0 <= getattr(self, name) < 1)
        _require(self, "momentum", "lie in (0, 1)", 0 < self.momentum < 1)
        _require(self, "weight_decay", "be finite and not negative", 0 <= self.weight_decay < math.inf)
        _require(self, "shift_pixels", "not be negative", self.shift_pixels >= 0)
        _require(self, "ema_decay", "be null or lie in (0, 1)", self.ema_decay is None or 0 < self.ema_decay < 1)
        _require(self, "low_resolution", "be null or positive", self.low_resolution is None or self.low_resolution > 0)
        _require(self, "cpu_threads", "be null or positive", self.cpu_threads is None or self.cpu_threads > 0)
        _require(
            self, "precision", f"be one of {', '.join(get_args(Precision))}", self.precision in get_args(Precision)
        )
        if (self.low_resolution is None) != (self.low_resolution_fraction == 0):
            raise SpecError(
                "low_resolution and low_resolution_fraction must be given together; "
                f"got {self.low_resolution} and {self.low_resolution_fraction}"
            )

    @property
    def low_resolution_epochs(self) -> int:
        """Epochs that are spent on small crops."""
        return round(self.epochs * self.low_resolution_fraction)


def _require(recipe: ClassifierRecipe, name: str, rule: str, holds: bool) -> None:
    if not holds:
        raise SpecError(f"{name} must {rule}; got {getattr(recipe, name)!r}")


def recipe_to_dict(recipe: ClassifierRecipe) -> dict[str, Any]:
    """Plain values that say everything about the recipe."""
    return dataclasses.asdict(recipe)


def check_recipe_fits(recipe: ClassifierRecipe, spec: NetworkSpec) -> None:
    """Refuse a recipe that the network cannot follow.

    Raises:
        SpecError: small crops for a network of fixed image size, or crops of a size that it cannot halve; a shift as
            large as the image.
    """
    if recipe.shift_pixels >= spec.image_size:
        raise SpecError(f"shift_pixels must be below image_size {spec.image_size}; got {recipe.shift_pixels}")
    size = recipe.low_resolution
    if size is None:
        return
    if not spec.takes_any_size:
        raise SpecError(f"low_resolution must be null for this network; got {size}; use variant global_pool")
    if not spec.smallest_size <= size <= spec.image_size:
        raise SpecError(f"low_resolution must lie in [{spec.smallest_size}, {spec.image_size}]; got {size}")


def learning_rate_at(recipe: ClassifierRecipe, step: int, total_steps: int) -> float:
    """Learning rate of step ``step`` (from 0) of ``total_steps``.

    Linear from ``start_factor`` to 1 and on to ``end_factor``, times the peak; the peak is reached at
    ``warmup_fraction`` of the way from the first step to the last.
    """
    if not 0 <= step < total_steps:
        raise SpecError(f"step must lie in [0, {total_steps}); got {step}")
    progress = step / max(total_steps - 1, 1)
    if progress < recipe.warmup_fraction:
        factor = recipe.start_factor + (1 - recipe.start_factor) * progress / recipe.warmup_fraction
    else:
        descent = (progress - recipe.warmup_fraction) / (1 - recipe.warmup_fraction)
        factor = 1 + (recipe.end_factor - 1) * descent
    return recipe.max_learning_rate * factor
