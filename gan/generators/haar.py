"""An image from its four Haar sub-bands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIGNS = ((1.0, 1.0, 1.0, 1.0), (1.0, -1.0, 1.0, -1.0), (1.0, 1.0, -1.0, -1.0), (1.0, -1.0, -1.0, 1.0))
"""Rows: average, horizontal, vertical and diagonal band; columns: the four pixels of a 2x2 block, row by row."""


class InverseHaar(nn.Module):
    """Sub-bands [N, 4 C, H, W], the four of a channel side by side, to the image [N, C, 2 H, 2 W].

    The transform is its own inverse up to the order of its axes (Haar 1910): each block of four pixels is half the
    signed sum of its four coefficients.
    """

    mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mix", torch.tensor(SIGNS) / 2, persistent=False)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, bands: Tensor) -> Tensor:
        """Give the image."""
        count, channels, height, width = bands.shape
        blocks = bands.reshape(count, channels // 4, 4, height * width)
        pixels = torch.matmul(self.mix.T, blocks)  # [4 pixels, 4 bands] on each block
        image: Tensor = self.shuffle(pixels.reshape(bands.shape))
        return image

    def weights(self, channels: int) -> Tensor:
        """The mix as a matrix on all of ``4 * channels`` bands, for folding into the layer before it."""
        return torch.kron(torch.eye(channels), self.mix.T.contiguous().cpu())
