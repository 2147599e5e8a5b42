"""The figures of one sampler, as one frozen record."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from evaluation.errors import EvaluationError


@dataclass(frozen=True)
class Scores:
    """Scores of generated images, each beside the same figure for real ones.

    Attributes:
        accuracy: share of images that the ZK classifier takes for the class asked for, in [0, 1]; maximise.
        per_class_accuracy: the same within each class.
        inception_score: under the ZK classifier, in [1, C]; maximise.
        inception_score_std: deviation over the splits.
        real_inception_score: of ``real_samples`` real test images under the same classifier.
        real_inception_score_std: deviation over the splits.
        diversity: mean pairwise squared difference within a class on [-1, 1], averaged over classes; maximise.
        real_diversity: of the same real test images.
        frechet_distance: generated against the real test set on the classifier's features; minimise.
        real_frechet_distance: real training images, as many as were generated, against the same test set.
        mode_entropy: entropy of the predicted classes in nats, in [0, log C]; maximise.
        mode_entropy_normalised: the same divided by log C, in [0, 1].
        judge_accuracy: as ``accuracy``, by the judge.
        samples: number of generated images.
        real_samples: number of real test images behind the ``real_*`` figures; fewer where the set has fewer.
        real_train_samples: number of real training images behind ``real_frechet_distance``.
        seed: of the shuffle and of the choice of real images.
        classifier_digest: which ZK classifier.
        classifier_accuracy: its accuracy on the whole real test set.
        classifier_real_inception_score: of the whole real test set under it.
        judge_digest: which judge.
        judge_real_accuracy: its accuracy on the whole real test set.
        arithmetic: the numbers that the images were computed in, ``float`` unless said otherwise.

    Raises:
        EvaluationError: a figure is NaN or infinite.
    """

    accuracy: float
    per_class_accuracy: tuple[float, ...]
    inception_score: float
    inception_score_std: float
    real_inception_score: float
    real_inception_score_std: float
    diversity: float
    real_diversity: float
    frechet_distance: float
    real_frechet_distance: float
    mode_entropy: float
    mode_entropy_normalised: float
    judge_accuracy: float
    samples: int
    real_samples: int
    real_train_samples: int
    seed: int
    classifier_digest: str
    classifier_accuracy: float
    classifier_real_inception_score: float
    judge_digest: str
    judge_real_accuracy: float
    arithmetic: str = "float"

    def __post_init__(self) -> None:
        for name, value in self.as_flat_dict().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise EvaluationError(f"{name} must be a finite number; got {value}; record the trial as failed")

    def as_flat_dict(self) -> dict[str, float | int | str]:
        """Every field by name; per-class accuracies as ``per_class_accuracy_0``, ``per_class_accuracy_1``, ..."""
        flat: dict[str, float | int | str] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                flat.update({f"{field.name}_{index}": entry for index, entry in enumerate(value)})
            else:
                flat[field.name] = value
        return flat
