"""What this package asks of a data set and of a sampler, as structural types.

The data set classes live elsewhere; anything with these attributes will do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from torch import Tensor

Sampler: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``sample(labels int64 [n], sample_indices int64 [n]) -> float32 [n, 3, H, W] in [-1, 1]``.

Both arguments are CPU tensors. Image ``i`` must depend on its label, on its index and on the sampler's own seed only,
never on the other members of the batch.
"""


class SplitLike(Protocol):
    """One split of a data set."""

    @property
    def images(self) -> Tensor:
        """Images, uint8 [N, 3, H, W]."""

    @property
    def labels(self) -> Tensor:
        """Class indices, int64 [N]."""


class DatasetLike(Protocol):
    """A labelled image data set held in memory."""

    @property
    def train(self) -> SplitLike:
        """The training split."""

    @property
    def test(self) -> SplitLike:
        """The test split; nothing is ever trained on it."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class, in label order."""

    @property
    def digest(self) -> str:
        """Hex digest of the content of both splits."""

    @property
    def horizontal_flip(self) -> bool:
        """Whether mirroring an image keeps its class."""
