"""What is known about a trained classifier: its figures on the real test set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evaluation.classifier.network import FeatureClassifier, count_parameters
from evaluation.errors import EvaluationError
from evaluation.inception import classifier_inception_score
from evaluation.inference import predict
from evaluation.metrics.accuracy import accuracy, per_class_accuracy
from evaluation.metrics.calibration import expected_calibration_error
from evaluation.metrics.confusion import confusion_counts

REPORT_SEED = 0
"""The shuffle of the test images before the splits of the Inception Score; fixed, so that reports compare."""


@dataclass(frozen=True)
class ClassifierReport:
    """Figures of a classifier on the whole real test set.

    Attributes:
        accuracy: in [0, 1].
        per_class_accuracy: in [0, 1], one value per class.
        confusion: counts; ``confusion[true][predicted]``.
        expected_calibration_error: 15 bins, in [0, 1], lower is better.
        real_inception_score: of the real test images under this classifier: the mark for generated ones.
        real_inception_score_std: deviation over 10 splits.
        train_seconds: wall-clock time of the training alone.
        parameters: number of trained values.
        class_names: one per class.
        train_images: number of images it was trained on.
        test_images: number of images behind these figures.
        precision: ``float32`` or ``bfloat16`` training.
        device: where it was trained.
    """

    accuracy: float
    per_class_accuracy: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]
    expected_calibration_error: float
    real_inception_score: float
    real_inception_score_std: float
    train_seconds: float
    parameters: int
    class_names: tuple[str, ...]
    train_images: int
    test_images: int
    precision: str
    device: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClassifierReport:
        """Invert :meth:`to_dict`; lists in place of tuples are allowed.

        Raises:
            EvaluationError: a field is missing or unknown.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            raise EvaluationError(f"a report must have the fields {sorted(names)}; got {sorted(values)}")
        fixed = dict(values)
        fixed["per_class_accuracy"] = tuple(values["per_class_accuracy"])
        fixed["confusion"] = tuple(tuple(row) for row in values["confusion"])
        fixed["class_names"] = tuple(values["class_names"])
        return cls(**fixed)


def build_report(
    module: FeatureClassifier,
    *,
    images: Tensor,
    labels: Tensor,
    class_names: tuple[str, ...],
    train_images: int,
    train_seconds: float,
    precision: str,
    device: torch.device | str,
) -> ClassifierReport:
    """Score a trained module on real test images uint8 [N, 3, H, W] with labels int64 [N].

    Raises:
        MetricError: a class without any test image, or fewer than 10 images.
    """
    predictions = predict(module, images)
    classes = len(class_names)
    score = classifier_inception_score(module, images, seed=REPORT_SEED)
    counts = confusion_counts(predictions.labels, labels, classes)
    return ClassifierReport(
        accuracy=accuracy(predictions.labels, labels),
        per_class_accuracy=per_class_accuracy(predictions.labels, labels, classes),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        expected_calibration_error=expected_calibration_error(predictions.probabilities, labels),
        real_inception_score=score.mean,
        real_inception_score_std=score.deviation,
        train_seconds=train_seconds,
        parameters=count_parameters(module),
        class_names=tuple(class_names),
        train_images=train_images,
        test_images=len(images),
        precision=precision,
        device=str(device),
    )
