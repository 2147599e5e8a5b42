"""Classifiers that score generated images: the ZK classifier and the judge."""

from evaluation.classifier.architectures import build_classifier
from evaluation.classifier.cache import TrainedClassifier, classifier_digest, load_or_train, load_shipped
from evaluation.classifier.folding import circuit_form, fold_batchnorm
from evaluation.classifier.judge import build_judge
from evaluation.classifier.network import FeatureClassifier, count_parameters
from evaluation.classifier.picture import draw_confusion, write_confusion_png
from evaluation.classifier.recipe import ClassifierRecipe, learning_rate_at
from evaluation.classifier.report import ClassifierReport, build_report
from evaluation.classifier.spec import ClassifierSpec, JudgeSpec, NetworkSpec, spec_digest
from evaluation.classifier.training import (
    ProgressFunction,
    TrainingProgress,
    TrainingResult,
    build_network,
    train_classifier,
)

__all__ = [
    "ClassifierRecipe",
    "ClassifierReport",
    "ClassifierSpec",
    "FeatureClassifier",
    "JudgeSpec",
    "NetworkSpec",
    "ProgressFunction",
    "TrainedClassifier",
    "TrainingProgress",
    "TrainingResult",
    "build_classifier",
    "build_judge",
    "build_network",
    "build_report",
    "circuit_form",
    "classifier_digest",
    "count_parameters",
    "draw_confusion",
    "fold_batchnorm",
    "learning_rate_at",
    "load_or_train",
    "load_shipped",
    "spec_digest",
    "train_classifier",
    "write_confusion_png",
]
