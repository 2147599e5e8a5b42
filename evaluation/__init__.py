"""Scores of generated images: classifiers, metrics and the comparison with real data."""

from evaluation.cas import CasResult, classification_accuracy_score
from evaluation.classifier import TrainedClassifier, load_or_train
from evaluation.errors import (
    CacheFileError,
    ClassifierTrainingError,
    EvaluationError,
    MetricError,
    SamplerError,
    SpecError,
)
from evaluation.evaluate import evaluate_sampler, score_images
from evaluation.reference import RealReference, compute_reference
from evaluation.scores import Scores
from evaluation.types import DatasetLike, Sampler, SplitLike

__all__ = [
    "CacheFileError",
    "CasResult",
    "ClassifierTrainingError",
    "DatasetLike",
    "EvaluationError",
    "MetricError",
    "RealReference",
    "Sampler",
    "SamplerError",
    "Scores",
    "SpecError",
    "SplitLike",
    "TrainedClassifier",
    "classification_accuracy_score",
    "compute_reference",
    "evaluate_sampler",
    "load_or_train",
    "score_images",
]
