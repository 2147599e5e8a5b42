"""What a discriminator says of a batch."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class DiscriminatorOutput(NamedTuple):
    """Logits of one batch.

    Attributes:
        realness: [N] logits, larger is more real.
        class_logits: [N, K] logits of the auxiliary head, or None without one.
    """

    realness: Tensor
    class_logits: Tensor | None
