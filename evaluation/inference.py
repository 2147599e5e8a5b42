"""Running a classifier over stored images."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from evaluation.classifier.network import FeatureClassifier
from evaluation.errors import MetricError
from evaluation.sampling import dequantize

INFERENCE_BATCH = 250
"""Images per forward pass. Fixed, so that a score does not depend on how its images were made."""


class Predictions(NamedTuple):
    """A classifier's view of N images, float64 on the CPU.

    Attributes:
        logits: [N, C].
        features: [N, F], the input of the last linear layer.
    """

    logits: Tensor
    features: Tensor

    @property
    def labels(self) -> Tensor:
        """Predicted classes, int64 [N]."""
        return self.logits.argmax(dim=1)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, float64 [N, C]."""
        return self.logits.softmax(dim=1)


def predict(module: FeatureClassifier, images: Tensor) -> Predictions:
    """Logits and features of uint8 images [N, 3, H, W], computed in float32 on the module's device.

    Raises:
        MetricError: the images are empty or not uint8, or the network gives NaN or infinity.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
        raise MetricError(f"images must be uint8 [N, 3, H, W] with N > 0; got {images.dtype} {list(images.shape)}")
    device = next(module.parameters()).device
    was_training = module.training
    module.eval()
    logits, features = [], []
    with torch.no_grad():
        for batch in torch.split(images, INFERENCE_BATCH):
            hidden = module.features(dequantize(batch.to(device)))
            features.append(hidden.double().cpu())
            logits.append(module.head(hidden).double().cpu())
    module.train(was_training)
    result = Predictions(torch.cat(logits), torch.cat(features))
    if not (torch.isfinite(result.logits).all() and torch.isfinite(result.features).all()):
        raise MetricError("a classifier's outputs must be finite; got NaN or infinity; train it again")
    return result
