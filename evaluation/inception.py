"""The Inception Score by torchmetrics, with a classifier as its feature network."""

from __future__ import annotations

import math
import warnings
from typing import Any, cast, final

import torch
from torch import Tensor, nn

from evaluation.classifier.network import FeatureClassifier
from evaluation.errors import MetricError
from evaluation.inference import INFERENCE_BATCH
from evaluation.metrics.inception import InceptionScoreResult, check_splits
from evaluation.sampling import dequantize
from torchvision_compat import import_torchvision

INCEPTION_SPLITS = 10
"""Groups over which the published score and its deviation are taken (Salimans et al. 2016)."""


@final
class ClassifierFeatures(nn.Module):
    """The classifier as torchmetrics wants a feature network: uint8 [N, 3, H, W] -> logits float64 [N, C].

    float64, because torchmetrics takes ``0 * log 0`` for a probability that underflows, and float32 ones do.
    """

    def __init__(self, classifier: FeatureClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        """Logits of 8-bit images."""
        device = next(self.classifier.parameters()).device
        return cast(Tensor, self.classifier(dequantize(images.to(device))).double().cpu())


def classifier_inception_score(
    classifier: FeatureClassifier, images: Tensor, *, seed: int, splits: int = INCEPTION_SPLITS
) -> InceptionScoreResult:
    """Inception Score of uint8 images [N, 3, H, W] under a classifier in eval mode: in [1, C], higher is better.

    Args:
        classifier: gives p(y|x). Its own confidence bounds the score, so compare with real images under the same one.
        images: at least ``splits``.
        seed: the shuffle before splitting; the global random state is left alone.
        splits: two or more, so that there is a deviation.

    Raises:
        MetricError: too few images or splits, or a score that is not finite.
    """
    if splits < 2:
        raise MetricError(f"splits must be at least 2 for a deviation; got {splits}")
    check_splits(len(images), splits)
    was_training = classifier.training
    metric = _build_metric(ClassifierFeatures(classifier.eval()), splits)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for batch in torch.split(images, INFERENCE_BATCH):
            metric.update(batch)
        mean, deviation = (float(value) for value in metric.compute())
    classifier.train(was_training)
    if not (math.isfinite(mean) and math.isfinite(deviation)):
        raise MetricError(f"an Inception Score must be finite; got {mean} with deviation {deviation}")
    return InceptionScoreResult(mean, deviation)


def _build_metric(features: ClassifierFeatures, splits: int) -> Any:
    import_torchvision()
    from torchmetrics.image.inception import InceptionScore

    with warnings.catch_warnings():
        # It warns that it keeps every feature: here ten numbers an image.
        warnings.filterwarnings("ignore", message="Metric `InceptionScore` will save all extracted features")
        return InceptionScore(feature=features, splits=splits)
