"""Pictures of samples: one row per class."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from atomic_files import replacing

GRID_COLUMNS = 8
GAP_PIXELS = 2
"""White pixels between two images."""


def image_grid(images: Tensor, columns: int) -> Image.Image:
    """Lay ``images`` [N, C, H, W] in [-1, 1] out row by row, ``columns`` to a row, on white."""
    count, _, height, width = images.shape
    rows = -(-count // columns)
    step_y, step_x = height + GAP_PIXELS, width + GAP_PIXELS
    canvas = torch.full((3, rows * step_y - GAP_PIXELS, columns * step_x - GAP_PIXELS), 255, dtype=torch.uint8)
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    for index, picture in enumerate(pixels):
        top, left = index // columns * step_y, index % columns * step_x
        canvas[:, top : top + height, left : left + width] = picture
    return Image.fromarray(canvas.permute(1, 2, 0).contiguous().numpy())


def save_image_grid(images: Tensor, path: Path, *, columns: int = GRID_COLUMNS) -> None:
    """Write ``images`` [N, C, H, W] in [-1, 1] to ``path`` as a PNG grid."""
    with replacing(path) as temporary:
        image_grid(images, columns).save(temporary, "PNG")


def save_class_grid(sample: Callable[[Tensor, Tensor], Tensor], *, num_classes: int, path: Path) -> None:
    """Write a PNG with one row of :data:`GRID_COLUMNS` samples for each class."""
    indices = torch.arange(num_classes * GRID_COLUMNS)
    save_image_grid(sample(indices // GRID_COLUMNS, indices), path)
