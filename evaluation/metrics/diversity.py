"""Intra-class diversity. Higher is better; 0 is full collapse."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_finite_matrix, as_labels, require_same_length


def intra_class_diversity(images: Tensor, labels: Tensor, num_classes: int) -> float:
    """Mean squared difference of two images of one class, over all pairs, then averaged over the classes.

    For n images the mean over the n (n - 1) / 2 pairs is ``2 n / (n - 1)`` times the mean per-pixel variance, because
    the squared differences of all ordered pairs sum to ``2 n`` times the squared deviations from the mean.

    Args:
        images: [N, ...], values in [-1, 1]; one image per row.
        labels: int64 [N].
        num_classes: C; every class needs two images.

    Raises:
        MetricError: empty, of different lengths, not finite, or a class with fewer than two images.
    """
    labels = as_labels("labels", labels, num_classes)
    require_same_length(images, labels)
    total = 0.0
    for index in range(num_classes):
        members = images[labels == index].flatten(1)
        if len(members) < 2:
            raise MetricError(
                f"diversity needs at least two images of every class; got {len(members)} of class {index}; "
                f"draw {2 * num_classes} or more samples"
            )
        total += _mean_pairwise_mse(as_finite_matrix("images", members))
    return total / num_classes


def _mean_pairwise_mse(rows: Tensor) -> float:
    return float(2.0 * torch.var(rows, dim=0, correction=1).mean())
