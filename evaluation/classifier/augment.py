"""Augmentation on tensors: an epoch's random choices drawn at once, and pure functions that apply them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class EpochPlan(NamedTuple):
    """The random choices of one epoch; row ``i`` belongs to the ``i``-th image in training order.

    Attributes:
        order: int64 [N], image indices in training order.
        rows: int64 [N], first row of the crop in the padded image.
        columns: int64 [N], first column of the crop.
        mirrored: bool [N].
    """

    order: Tensor
    rows: Tensor
    columns: Tensor
    mirrored: Tensor

    def to(self, device: torch.device) -> EpochPlan:
        """Move the plan to another device."""
        return EpochPlan(*(tensor.to(device) for tensor in self))


def draw_plan(*, count: int, offsets: int, mirror: Tensor, generator: torch.Generator) -> EpochPlan:
    """Draw an epoch's order and crops on the CPU, so that every device follows the same random stream.

    Args:
        count: number of images N.
        offsets: number of crop positions in each direction; 1 means no shift.
        mirror: bool [N] by image index: which images are mirrored in this epoch.
        generator: a CPU generator.
    """
    order = torch.randperm(count, generator=generator)
    rows = torch.randint(offsets, (count,), generator=generator)
    columns = torch.randint(offsets, (count,), generator=generator)
    return EpochPlan(order, rows, columns, mirror[order])


def alternating_mirror(first: Tensor, epoch: int) -> Tensor:
    """Mirror choice of an epoch: ``first`` (bool [N]) in even epochs, its complement in odd ones.

    Each pair of epochs shows every image in both orientations (K. Jordan 2024, "94 % on CIFAR-10", section 3.6).
    """
    return ~first if epoch % 2 else first


def reflect_pad(images: Tensor, pixels: int) -> Tensor:
    """Pad images [N, C, H, W] of any type by reflection, without repeating the edge: [N, C, H + 2p, W + 2p]."""
    if pixels == 0:
        return images
    rows = _reflected_indices(images.shape[-2], pixels).to(images.device)
    columns = _reflected_indices(images.shape[-1], pixels).to(images.device)
    return images.index_select(-2, rows).index_select(-1, columns)


def crop_batch(padded: Tensor, plan: EpochPlan, start: int, stop: int, size: int) -> Tensor:
    """Images ``start`` to ``stop`` of the plan, cropped to ``size`` and mirrored: [stop - start, C, size, size]."""
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)
    batch = windows[plan.order[start:stop], :, plan.rows[start:stop], plan.columns[start:stop]]
    mirrored = plan.mirrored[start:stop]
    return torch.where(mirrored[:, None, None, None], batch.flip(3), batch)


def _reflected_indices(size: int, pixels: int) -> Tensor:
    position = torch.arange(-pixels, size + pixels).abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)
