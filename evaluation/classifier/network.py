"""The one module class of all classifiers: a body that gives features and a linear head."""

from __future__ import annotations

from typing import cast, final

from torch import Tensor, nn


@final
class FeatureClassifier(nn.Module):
    """Features, then one linear layer.

    ``forward`` takes images float [N, 3, H, W] in [-1, 1] and gives logits [N, C]; ``features`` gives [N, F], the
    input of the head.
    """

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def features(self, images: Tensor) -> Tensor:
        """Features [N, F] of images [N, 3, H, W] in [-1, 1]."""
        return cast(Tensor, self.body(images))

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, C] of images [N, 3, H, W] in [-1, 1]."""
        return cast(Tensor, self.head(self.features(images)))


def count_parameters(module: nn.Module) -> int:
    """Count the trainable values."""
    return sum(parameter.numel() for parameter in module.parameters())
