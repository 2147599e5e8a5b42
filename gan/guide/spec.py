"""What a guide is and how it is trained: one frozen record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from gan.digest import json_digest, settled_form
from gan.errors import SpecError

NETWORKS = ("strided", "averaged")

STRIDE = 8
"""How much smaller than the images the last feature map is."""


@dataclass(frozen=True, kw_only=True)
class GuideSpec:
    """A network that tells training which class a real image looks like; it never scores anything.

    Attributes:
        widths: channels at a half, a quarter and an eighth of the image's side.
        epochs: passes over the training images.
        batch_size: images per step.
        learning_rate: greatest step size, reached after a fifth of the steps (one-cycle schedule).
        weight_decay: of every parameter.
        label_smoothing: share of each target that is spread over all classes, in [0, 1).
        shift: random shifts of the images in pixels, at most.
        seed: of weights, order, mirrors and shifts.
        network: ``strided`` halves maps by the steps of convolutions and knows a class by maxima over space;
            ``averaged`` looks at images in full size first, halves by averages and knows a class by means. What one
            kind cannot see the other may (docs/decisions/025-guides-of-two-kinds.md).
    """

    LATER_FIELDS: ClassVar[tuple[str, ...]] = ("network",)

    widths: tuple[int, int, int] = (64, 128, 256)
    epochs: int = 14
    batch_size: int = 128
    learning_rate: float = 0.15
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    shift: int = 4
    seed: int = 5
    network: str = "strided"

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.widths) != 3 or not all(1 <= width <= 8192 for width in self.widths):
            raise SpecError(f"a guide needs three widths in 1..8192; got {self.widths}")
        if self.epochs < 1 or self.batch_size < 2:
            raise SpecError(
                f"a guide needs at least 1 epoch of batches of at least 2 images; got {self.epochs} of "
                f"{self.batch_size}"
            )
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf):
            raise SpecError(
                "a guide's learning_rate must be positive and its weight_decay not negative; got "
                f"{self.learning_rate} and {self.weight_decay}"
            )
        if not 0 <= self.label_smoothing < 1 or self.shift < 0:
            raise SpecError(
                "a guide's label_smoothing must be in [0, 1) and its shift not negative; got "
                f"{self.label_smoothing} and {self.shift}"
            )

        if self.network not in NETWORKS:
            raise SpecError(f"a guide's network must be one of {', '.join(NETWORKS)}; got {self.network!r}")

    @property
    def form(self) -> dict[str, Any]:
        """Canonical form, as digests are taken of it."""
        return settled_form(self, self.LATER_FIELDS)

    @property
    def digest(self) -> str:
        """sha256 of the canonical form: equal specs, and only those, share it."""
        return json_digest(self.form)
