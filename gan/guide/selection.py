"""Which training images a generator learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from gan.data import Split
from gan.errors import SpecError


def selected(split: Split, margins: Tensor, share: float) -> Split:
    """Keep the same share of every class: its images with the greatest margins, in their order.

    A generator that spends nothing on images that hardly look like their class is better for it (DeVries, Drozdzal and
    Taylor 2020, "Instance selection for GANs"; there by density, here by what a guide found easy to learn).

    Args:
        split: training images.
        margins: [N], of :attr:`gan.guide.Guide.margins`.
        share: in (0, 1]; at least one image of each class is kept.

    Raises:
        SpecError: the share is out of range, or there are not as many margins as images.
    """
    if not 0 < share <= 1:
        raise SpecError(f"the share of images to keep must be in (0, 1]; got {share}")
    if len(margins) != len(split):
        raise SpecError(f"there must be a margin for each of {len(split)} images; got {len(margins)}")
    if share == 1:
        return split
    margins, kept = margins.to(split.device), torch.zeros(len(split), dtype=torch.bool, device=split.device)
    for label in torch.unique(split.labels):
        rows = (split.labels == label).nonzero()[:, 0]
        best = margins[rows].argsort(descending=True, stable=True)[: max(1, round(share * len(rows)))]
        kept[rows[best]] = True
    return Split(images=split.images[kept], labels=split.labels[kept])
