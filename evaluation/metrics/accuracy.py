"""Accuracy, over all images and per class. Higher is better."""

from __future__ import annotations

from torch import Tensor

from evaluation.errors import MetricError
from evaluation.metrics.checks import as_labels, require_same_length
from evaluation.metrics.confusion import confusion_counts


def accuracy(predicted: Tensor, labels: Tensor) -> float:
    """Share of images whose predicted class is their label, in [0, 1].

    Args:
        predicted: int64 [N].
        labels: int64 [N].

    Raises:
        MetricError: empty or of different lengths.
    """
    predicted = as_labels("predicted", predicted)
    labels = as_labels("labels", labels)
    require_same_length(predicted, labels)
    return int((predicted == labels).sum()) / len(labels)


def per_class_accuracy(predicted: Tensor, labels: Tensor, num_classes: int) -> tuple[float, ...]:
    """Accuracy within each class (recall), C values in [0, 1].

    Raises:
        MetricError: as above, or a class without any image, whose accuracy is not defined.
    """
    counts = confusion_counts(predicted, labels, num_classes)
    totals = counts.sum(dim=1)
    if bool((totals == 0).any()):
        missing = (totals == 0).nonzero().flatten().tolist()
        raise MetricError(f"every class must have an image; got none of class {missing}; draw more samples")
    return tuple((counts.diagonal().double() / totals.double()).tolist())
