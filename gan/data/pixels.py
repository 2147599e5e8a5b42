"""Pure pixel arithmetic on tensors: value ranges, channels and image size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_PADDED_SIZES = {28: 32}
_RESIZE_CHUNK = 4096


def to_signed_unit(images: Tensor) -> Tensor:
    """Map uint8 ``[..., H, W]`` in [0, 255] to float32 in [-1, 1]: ``x / 127.5 - 1``."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_bytes(images: Tensor) -> Tensor:
    """Map float ``[..., H, W]`` in [-1, 1] to uint8 in [0, 255], rounding; values outside are clamped."""
    return images.float().add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def grey_to_rgb(images: Tensor) -> Tensor:
    """Repeat uint8 ``[N, H, W]`` grey images over three equal channels: ``[N, 3, H, W]``, contiguous."""
    return images.unsqueeze(1).repeat(1, 3, 1, 1)


def fit_image_size(images: Tensor, image_size: int) -> Tensor:
    """Bring square uint8 ``[N, 3, S, S]`` images to ``[N, 3, image_size, image_size]``.

    Images of the wanted size are returned as they are. 28 pixels become 32 by two rows or columns of zeros on each
    side, as LeNet-5 fed MNIST; everything else is resized bilinearly with antialiasing.
    """
    size = int(images.shape[-1])
    if size == image_size:
        return images
    if _PADDED_SIZES.get(size) == image_size:
        margin = (image_size - size) // 2
        return F.pad(images, (margin, margin, margin, margin))
    starts = range(0, max(len(images), 1), _RESIZE_CHUNK)
    return torch.cat([resize(images[start : start + _RESIZE_CHUNK].float(), image_size) for start in starts])


def resize(images: Tensor, image_size: int) -> Tensor:
    """Resize float ``[N, C, H, W]`` in [0, 255] bilinearly with antialiasing; returns uint8 of side ``image_size``."""
    resized = F.interpolate(images, size=(image_size, image_size), mode="bilinear", antialias=True, align_corners=False)
    return resized.round_().clamp_(0, 255).to(torch.uint8)
