"""Images moved and mirrored, as a guide meets them while it learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.augment import windows


def posed(images: Tensor, rng: torch.Generator, *, shift: int, flip: bool) -> Tensor:
    """Mirror each image or not, and move it by up to ``shift`` pixels; what moves in is a reflection.

    Args:
        images: [N, C, S, S], S greater than ``shift``.
        rng: a CPU generator.
        shift: pixels, at most, in each direction.
        flip: whether images may be mirrored.
    """
    count = len(images)
    mirrored = (torch.rand(count, generator=rng) < 0.5).to(images.device)
    if flip:
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    offsets = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=rng).to(images.device)
    if not shift:
        return images
    return windows(F.pad(images, (shift,) * 4, mode="reflect"), offsets[0], offsets[1], size=images.shape[2:])
