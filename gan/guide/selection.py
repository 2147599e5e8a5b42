"""Which training images a generator learns from."""

from __future__ import annotations

import torch
from torch import Tensor

from gan.data import Split
from gan.errors import SpecError


def selected(split: Split, margins: Tensor, share: float, *, evenly: bool = True) -> Split:
    """Keep a share of the images, those with the greatest margins, in their order.

    A generator that spends nothing on images that hardly look like their class is better for it (DeVries, Drozdzal and
    Taylor 2020, "Instance selection for GANs"; there by density, here by what a guide found easy to learn).

    Args:
        split: training images.
        margins: [N], of :attr:`gan.guide.Guide.margins`.
        share: in (0, 1]; at least one image of each class is kept.
        evenly: the same share of every class; otherwise one margin for all classes, so that those that are hard to tell
            keep fewer.

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
    if not evenly:
        kept[_best(margins, round(share * len(split)))] = True
    for label in torch.unique(split.labels):
        rows = (split.labels == label).nonzero()[:, 0]
        count = max(1, round(share * len(rows))) if evenly else int(not kept[rows].any())
        kept[rows[_best(margins[rows], count)]] = True
    return Split(images=split.images[kept], labels=split.labels[kept])


def _best(margins: Tensor, count: int) -> Tensor:
    """Give the places of so many greatest margins; of equal ones the first."""
    return margins.argsort(descending=True, stable=True)[:count]


def evened(split: Split) -> Split:
    """Repeat images of the classes that have fewer until all classes have as many; the first of them once more.

    A discriminator that sees a class more seldom among the real images than among the generated ones learns to distrust
    the class.
    """
    places = [(split.labels == label).nonzero()[:, 0] for label in torch.unique(split.labels)]
    most = max(len(rows) for rows in places)
    rows = torch.cat([rows[torch.arange(most, device=rows.device) % len(rows)] for rows in places]).sort().values
    return Split(images=split.images[rows], labels=split.labels[rows])
