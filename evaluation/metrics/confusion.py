"""Confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.metrics.checks import as_labels, require_same_length


def confusion_counts(predicted: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Count int64 [C, C]: row = true class, column = predicted class; the sum is the number of images.

    Args:
        predicted: int64 [N].
        labels: int64 [N].
        num_classes: C.

    Raises:
        MetricError: empty, of different lengths, or a class outside [0, C).
    """
    predicted = as_labels("predicted", predicted, num_classes)
    labels = as_labels("labels", labels, num_classes)
    require_same_length(predicted, labels)
    return torch.bincount(labels * num_classes + predicted, minlength=num_classes**2).view(num_classes, num_classes)
