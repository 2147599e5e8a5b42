"""Differentiable augmentation of images on their own device, the same policy for real and generated batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan.errors import SpecError

POLICIES = ("color", "translation", "cutout")


def augment(images: Tensor, policy: Sequence[str], rng: torch.Generator) -> Tensor:
    """Apply each transformation of ``policy`` with one random draw per image.

    Args:
        images: [N, C, H, W] in [-1, 1].
        policy: any of :data:`POLICIES`, applied in the order given; empty changes nothing.
        rng: a CPU generator; draws do not depend on the images' device.

    Returns:
        [N, C, H, W], differentiable in ``images``. Source: Zhao et al. 2020, "Differentiable augmentation", section 4.
    """
    for name in policy:
        if name not in _TRANSFORMS:
            raise SpecError(f"augmentation policy must be of {', '.join(POLICIES)}; got {name!r}")
        images = _TRANSFORMS[name](images, rng)
    return images


def _uniform(images: Tensor, rng: torch.Generator) -> Tensor:
    """One number in [-0.5, 0.5) per image, shaped to broadcast."""
    return (torch.rand(len(images), 1, 1, 1, generator=rng) - 0.5).to(images.device, images.dtype)


def _integers(images: Tensor, low: int, high: int, rng: torch.Generator) -> Tensor:
    """One integer in [low, high] per image, [N, 1]."""
    return torch.randint(low, high + 1, (len(images), 1), generator=rng).to(images.device)


def _color(images: Tensor, rng: torch.Generator) -> Tensor:
    images = images + _uniform(images, rng)
    mean = images.mean(dim=1, keepdim=True)
    images = (images - mean) * (2 * (_uniform(images, rng) + 0.5)) + mean
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (_uniform(images, rng) + 1) + mean


def _translation(images: Tensor, rng: torch.Generator, ratio: float = 0.125) -> Tensor:
    """Shift each image by up to ``ratio`` of its side; what moves in from outside is the mid grey 0."""
    height, width = images.shape[2:]
    reach = max(1, int(max(height, width) * ratio + 0.5))
    tops, lefts = (reach + _integers(images, -reach, reach, rng) for _ in range(2))
    return windows(torch.nn.functional.pad(images, (reach, reach, reach, reach)), tops, lefts, size=(height, width))


def windows(images: Tensor, tops: Tensor, lefts: Tensor, *, size: Sequence[int]) -> Tensor:
    """Cut one window of ``size`` (height, width) out of each image.

    Args:
        images: [N, C, H, W].
        tops: first row of each window, int64 [N, 1], on the images' device.
        lefts: first column, likewise.
        size: of the windows.
    """
    device = images.device
    rows, columns = tops + torch.arange(size[0], device=device), lefts + torch.arange(size[1], device=device)
    picked = images.permute(0, 2, 3, 1)[
        torch.arange(len(images), device=device)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return picked.permute(0, 3, 1, 2)


def _cutout(images: Tensor, rng: torch.Generator, ratio: float = 0.5) -> Tensor:
    """Blank one square of ``ratio`` of the side, its centre anywhere in the image."""
    _, _, height, width = images.shape
    half = max(1, int(max(height, width) * ratio / 2 + 0.5))
    rows = torch.arange(height, device=images.device) - _integers(images, 0, height - 1, rng)
    columns = torch.arange(width, device=images.device) - _integers(images, 0, width - 1, rng)
    inside = ((rows >= -half) & (rows < half))[:, :, None] & ((columns >= -half) & (columns < half))[:, None, :]
    return images * (~inside[:, None]).to(images.dtype)


_TRANSFORMS = {"color": _color, "translation": _translation, "cutout": _cutout}
