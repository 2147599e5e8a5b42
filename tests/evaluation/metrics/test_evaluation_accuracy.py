import pytest
import torch

from evaluation.errors import MetricError
from evaluation.metrics import accuracy, confusion_counts, per_class_accuracy

PREDICTED = torch.tensor([0, 1, 1, 2, 0, 2])
LABELS = torch.tensor([0, 1, 2, 2, 1, 2])


def test_accuracy_counts_the_hits() -> None:
    assert accuracy(PREDICTED, LABELS) == pytest.approx(4 / 6, abs=1e-15)


def test_confusion_has_true_classes_as_rows() -> None:
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 2]]
    assert confusion_counts(PREDICTED, LABELS, 3).tolist() == expected


def test_per_class_accuracy_is_the_recall() -> None:
    assert per_class_accuracy(PREDICTED, LABELS, 3) == pytest.approx((1.0, 0.5, 2 / 3), abs=1e-15)


def test_confusion_agrees_with_a_naive_count() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted = torch.randint(5, (200,), generator=generator)
    labels = torch.randint(5, (200,), generator=generator)
    naive = [[0] * 5 for _ in range(5)]
    for guess, truth in zip(predicted.tolist(), labels.tolist(), strict=True):
        naive[truth][guess] += 1
    assert confusion_counts(predicted, labels, 5).tolist() == naive


def test_one_image() -> None:
    assert accuracy(torch.tensor([3]), torch.tensor([3])) == 1.0
    assert accuracy(torch.tensor([3]), torch.tensor([2])) == 0.0


@pytest.mark.parametrize("metric", [accuracy, lambda p, t: confusion_counts(p, t, 3)])
def test_empty_and_unequal_lengths_are_errors(metric) -> None:
    empty = torch.empty(0, dtype=torch.int64)
    with pytest.raises(MetricError, match="N >= 1"):
        metric(empty, empty)
    with pytest.raises(MetricError, match="got 6 and 5"):
        metric(PREDICTED, LABELS[:5])


def test_a_class_outside_the_range_is_an_error() -> None:
    with pytest.raises(MetricError, match=r"labels must lie in \[0, 2\); got 0 to 2"):
        confusion_counts(PREDICTED.clamp(max=1), LABELS, 2)


@pytest.mark.parametrize("metric", [accuracy, lambda p, t: confusion_counts(p, t, 3)])
def test_an_error_names_the_argument(metric) -> None:
    whole = torch.tensor([0])
    for predicted, labels, name in ((whole.float(), whole, "predicted"), (whole, whole.float(), "labels")):
        with pytest.raises(MetricError, match=f"^{name} must be integers"):
            metric(predicted, labels)


def test_a_predicted_class_outside_the_range_is_an_error() -> None:
    with pytest.raises(MetricError, match=r"^predicted must lie in \[0, 2\); got 0 to 2"):
        confusion_counts(PREDICTED, LABELS.clamp(max=1), 2)


def test_a_class_without_images_is_an_error() -> None:
    with pytest.raises(MetricError, match=r"none of class \[3\]"):
        per_class_accuracy(PREDICTED, LABELS, 4)
