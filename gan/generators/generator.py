"""The generator module: a class code, then a row of stages."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan.generators.layers import Stage


class Generator(nn.Module):
    """A conditional generator: ``(latent [N, Z], one_hot [N, K]) -> images [N, C, H, W] in [-1, 1]``.

    ``class_code`` turns the one-hot row into what is concatenated to the latent: an embedding (Linear without bias),
    the row itself (Identity), or nothing (None, when the class enters through conditional normalisation alone).
    """

    def __init__(self, *, class_code: nn.Module | None, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.class_code = class_code
        self.stages = nn.ModuleList(stages)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        """Generate one image per row."""
        x = latent if self.class_code is None else torch.cat([latent, self.class_code(one_hot)], dim=1)
        for stage in self.stages:
            x = stage(x, one_hot)
        return x
