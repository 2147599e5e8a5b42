"""The judge: a plain network of paired convolutions, held out from every training of a generator."""

from __future__ import annotations

from torch import nn

from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.spec import JudgeSpec


def build_judge(spec: JudgeSpec) -> FeatureClassifier:
    """Build the network of a spec, with torch's default initialisation from the global generator.

    The stem is the first layer; training whitens it (see :mod:`evaluation.classifier.whitening`).
    """
    layers: list[nn.Module] = [nn.Conv2d(3, spec.stem_channels, 2), nn.GELU()]
    channels = spec.stem_channels
    for width in spec.widths:
        # Pooling before the norm and the activation: both then work on a quarter of the values.
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(width)]
        layers += [nn.GELU(), nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
        channels = width
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten()]
    return FeatureClassifier(nn.Sequential(*layers), nn.Linear(channels, spec.num_classes))
