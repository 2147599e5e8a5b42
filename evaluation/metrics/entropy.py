"""Entropy of the predicted-label histogram. Higher is better: a collapsed generator scores 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_labels


def mode_entropy(predicted: Tensor, num_classes: int) -> float:
    """Entropy in nats of the shares of the predicted classes, in [0, log C]; an unused class adds 0.

    Args:
        predicted: int64 [N], predicted classes.
        num_classes: C.

    Raises:
        MetricError: empty, or a class outside [0, C).
    """
    counts = torch.bincount(as_labels("predicted", predicted, num_classes)).double()
    shares = counts[counts > 0] / counts.sum()
    return max(0.0, float(-(shares * shares.log()).sum()))


def normalised_mode_entropy(predicted: Tensor, num_classes: int) -> float:
    """:func:`mode_entropy` divided by its largest possible value, in [0, 1].

    Raises:
        MetricError: as above, or fewer than two classes.
    """
    if num_classes < 2:
        raise MetricError(f"num_classes must be at least 2; got {num_classes}")
    return min(1.0, mode_entropy(predicted, num_classes) / math.log(num_classes))
