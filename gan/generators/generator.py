"""The generator module: a class code, perhaps a style, then a row of stages."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """A conditional generator: ``(latent [N, Z], one_hot [N, K]) -> images [N, C, H, W] in [-1, 1]``.

    ``class_code`` turns the one-hot row into what is concatenated to the latent: an embedding (Linear without bias),
    the row itself (Identity), or nothing (None, when the class enters through conditional normalisation alone).
    ``mapping`` turns that vector into a style, which the stages then have for their condition; without one, their
    condition is the one-hot row. ``entry`` is applied to the vector, and does nothing unless training puts a rounding
    there.
    """

    def __init__(
        self, *, class_code: nn.Module | None, stages: Sequence[nn.Module], mapping: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.class_code = class_code
        self.mapping = mapping
        self.entry: nn.Module = nn.Identity()
        self.stages = nn.ModuleList(stages)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        """Generate one image per row."""
        x, condition = self.begin(latent, one_hot)
        for stage in self.stages:
            x = stage(x, condition)
        return x

    def begin(self, latent: Tensor, one_hot: Tensor) -> tuple[Tensor, Tensor]:
        """Give what the first stage reads, and the condition of every stage."""
        x = self.entry(latent if self.class_code is None else torch.cat([latent, self.class_code(one_hot)], dim=1))
        return x, one_hot if self.mapping is None else self.mapping(x)
