"""What the distance looks at: numbers made of images and of a guide's maps of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

View: TypeAlias = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
"""From images [N, C, S, S] and the guide's maps of them to parts [N, d], float32, which count alike."""

_COARSE = 4


def pooled(images: Tensor, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Give the image in four by four patches, and means and maxima of the maps: what there is, hardly where."""
    _, middle, last = maps
    coarse = F.adaptive_avg_pool2d(images, _COARSE).flatten(1)
    return coarse, middle.mean(dim=(2, 3)), last.mean(dim=(2, 3)), last.amax(dim=(2, 3))


def quartered(images: Tensor, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Give the means of the last map in its four quarters, as one part [N, 4 * width]: what is there, and about where.

    The map has at least two by two places. Random directions hardly see such means, which are a small share of how
    a map varies from place to place.
    """
    return (F.adaptive_avg_pool2d(maps[-1], 2).flatten(1),)


class Projections:
    """The middle and the last map as they lie, in random directions: what is where.

    Random directions keep distances, and distributions that differ in a map differ in almost all of its projections
    (Johnson and Lindenstrauss 1984; Cramer and Wold 1936), so that no part of the map has to be chosen.
    """

    def __init__(self, count: int) -> None:
        """Look in ``count`` directions at each of the two maps; the same ones wherever it runs."""
        self._count = count
        self._directions: dict[int, Tensor] = {}

    def __call__(self, images: Tensor, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Give two parts [N, count]."""
        return tuple(self._projected(seen.flatten(1)) for seen in maps[1:])

    def _projected(self, rows: Tensor) -> Tensor:
        width = rows.shape[1]
        if width not in self._directions:
            drawn = torch.randn(width, self._count, generator=torch.Generator().manual_seed(width))
            self._directions[width] = drawn.to(rows.device) / math.sqrt(width)
        return rows @ self._directions[width]
