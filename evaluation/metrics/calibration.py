"""Expected calibration error. Lower is better."""

from __future__ import annotations

import torch
from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_labels, as_probabilities, require_same_length


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Weighted mean of ``|accuracy - confidence|`` over equal-width confidence bins, in [0, 1].

    C. Guo et al. 2017, "On calibration of modern neural networks", equation 3: bin m of M holds the images whose
    highest probability lies in ((m - 1) / M, m / M].

    Args:
        probabilities: [N, C], rows sum to 1.
        labels: int64 [N].
        bins: M.

    Raises:
        MetricError: empty, of different lengths, not distributions, or ``bins`` < 1.
    """
    if bins < 1:
        raise MetricError(f"bins must be positive; got {bins}")
    probabilities = as_probabilities(probabilities)
    labels = as_labels("labels", labels, probabilities.shape[1])
    require_same_length(probabilities, labels)
    confidence, predicted = probabilities.max(dim=1)
    correct = (predicted == labels).double()
    index = ((confidence * bins).ceil().long() - 1).clamp(max=bins - 1)  # a row may be rounded above 1
    gaps = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, correct - confidence)
    return float(gaps.abs().sum() / len(labels))
