"""Seeded, stratified choices of rows: a train/test split, and a subset."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def stratified_split(
    labels: Tensor, *, test_fraction: float, seed: int, min_per_class: int = 1
) -> tuple[Tensor, Tensor]:
    """Split rows so that each class gives about the same fraction of its images to the test split.

    Class c of n images gives ``round(test_fraction * n)`` of them, but where n allows it neither split gets fewer than
    ``min_per_class``.

    Args:
        labels: int64 ``[N]`` on the CPU.
        test_fraction: in (0, 1).
        seed: seed of the shuffle inside each class.
        min_per_class: wanted least number of images of each class in each split.

    Returns:
        ``(train, test)``: ascending int64 row numbers; disjoint, together all of ``range(N)``.

    """
    generator = torch.Generator().manual_seed(seed)
    test_parts = [torch.empty(0, dtype=torch.int64)]
    for label in np.unique(labels.numpy()).tolist():
        rows = (labels == label).nonzero().flatten()
        wanted = max(round(test_fraction * len(rows)), min_per_class)
        count = max(0, min(wanted, len(rows) - min_per_class))
        test_parts.append(rows[torch.randperm(len(rows), generator=generator)[:count]])
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    is_test[torch.cat(test_parts)] = True
    return (~is_test).nonzero().flatten(), is_test.nonzero().flatten()


def stratified_subset(labels: Tensor, *, count: int | None, seed: int) -> Tensor:
    """Choose ``count`` rows with the class proportions of the whole (largest remainders, ties to the lower class).

    Args:
        labels: int64 ``[N]`` on the CPU.
        count: number of rows to keep; None, or N and above, keeps all.
        seed: seed of the choice inside each class.

    Returns:
        Ascending int64 row numbers, ``min(count, N)`` of them.

    """
    total = len(labels)
    if count is None or count >= total:
        return torch.arange(total)
    generator = torch.Generator().manual_seed(seed)
    values, class_sizes = np.unique(labels.numpy(), return_counts=True)
    sizes = torch.from_numpy(class_sizes)
    quotas = sizes * count // total
    remainders = sizes * count % total
    spare = count - int(quotas.sum())
    quotas[torch.argsort(remainders, descending=True, stable=True)[:spare]] += 1
    chosen = []
    for label, quota in zip(values.tolist(), quotas.tolist(), strict=True):
        rows = (labels == label).nonzero().flatten()
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:quota]])
    return torch.cat(chosen).sort().values
