"""Pure metric cores: tensors in, float64 figures out."""

from evaluation.metrics.accuracy import accuracy, per_class_accuracy
from evaluation.metrics.calibration import expected_calibration_error
from evaluation.metrics.confusion import confusion_counts
from evaluation.metrics.diversity import intra_class_diversity
from evaluation.metrics.entropy import mode_entropy, normalised_mode_entropy
from evaluation.metrics.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from evaluation.metrics.inception import InceptionScoreResult, inception_score

__all__ = [
    "GaussianStatistics",
    "InceptionScoreResult",
    "accuracy",
    "confusion_counts",
    "expected_calibration_error",
    "frechet_distance",
    "gaussian_statistics",
    "inception_score",
    "intra_class_diversity",
    "mode_entropy",
    "normalised_mode_entropy",
    "per_class_accuracy",
]
