"""The errors of the evaluation package: one small tree, so that a caller can catch one class."""

from __future__ import annotations


class EvaluationError(Exception):
    """Base of every error that this package raises on purpose."""


class SpecError(EvaluationError, ValueError):
    """A classifier spec, a recipe or another argument describes something that cannot be built or run."""


class MetricError(EvaluationError, ValueError):
    """A metric was given values for which it is not defined (empty, too few, NaN, infinite, wrong shape)."""


class SamplerError(EvaluationError, ValueError):
    """A sampler returned something that is not a batch of images in [-1, 1]."""


class CacheFileError(EvaluationError):
    """A file of the cache cannot be read or does not hold what its name says."""


class ClassifierTrainingError(EvaluationError, RuntimeError):
    """Training a classifier failed, for example by a loss that is no longer finite."""
