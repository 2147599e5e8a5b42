"""Stages made of stages: shortcuts, residual blocks, images and features of several sizes. All take (x, condition)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from gan.generators.layers import Stage


class Shortcut(nn.Module):
    """A stage and a path around it: ``stage(x) + path(x)``."""

    def __init__(self, stage: Stage, path: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.path = path

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply both and add."""
        added: Tensor = self.stage(x, condition) + self.path(x)
        return added


class Row(nn.Module):
    """Stages one after the other, as one."""

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply each to the result of the one before."""
        for stage in self.stages:
            x = stage(x, condition)
        return x


class Residual(nn.Module):
    """``x + row(x)``, the second half of the row without an activation (He et al. 2016, "Deep residual learning")."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply the row and add its input."""
        return x + cast(Tensor, self.row(x, condition))


class MultiScale(nn.Module):
    """Levels of growing size, an image of each, and the sum of these images, upsampled to the largest.

    Shapes: x [N, C, H, W] of the first level's input -> [N, colours, 2^n H, 2^n W] for n + 1 levels that double.
    """

    def __init__(self, levels: Sequence[Row], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.heads = nn.ModuleList(heads)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Run the levels and add up their images."""
        image: Tensor | None = None
        for level, head in zip(self.levels, self.heads, strict=True):
            x = level(x, condition)
            own = head(x)
            image = own if image is None else self.upsample(image) + own
        assert image is not None
        return image


class FeaturePyramid(nn.Module):
    """Levels of growing size, and the sum of their feature maps, each brought to the last one's size and channels."""

    def __init__(self, levels: Sequence[Row], laterals: Sequence[nn.Module]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.laterals = nn.ModuleList(laterals)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Run the levels and add up their maps."""
        total: Tensor | None = None
        for level, lateral in zip(self.levels, self.laterals, strict=True):
            x = level(x, condition)
            own = lateral(x)
            total = own if total is None else self.upsample(total) + own
        assert total is not None
        return total
