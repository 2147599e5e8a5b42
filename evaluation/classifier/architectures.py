"""The three variants of the ZK classifier, built from a spec."""

from __future__ import annotations

from torch import nn

from evaluation.classifier.network import FeatureClassifier
from evaluation.classifier.spec import ClassifierSpec


def build_classifier(spec: ClassifierSpec) -> FeatureClassifier:
    """Build the network of a spec, with torch's default initialisation from the global generator.

    Layers come in the order convolution, BatchNorm, ReLU, so that every BatchNorm folds into the convolution before it.
    """
    layers: list[nn.Module] = [nn.PixelUnshuffle(spec.patch_size)] if spec.patch_size > 1 else []
    channels = 3 * spec.patch_size**2
    for position, width in enumerate(spec.widths):
        last = position == len(spec.widths) - 1
        for block in range(spec.blocks_per_stage):
            stride = 2 if spec.variant == "strided" and block == 0 else 1
            whitened = spec.whitened_stem and position == 0 and block == 0
            layers.append(nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=whitened))
            if not whitened:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        if spec.variant == "avgpool" or (spec.variant == "global_pool" and not last):
            layers.append(nn.AvgPool2d(2))
    if spec.variant == "global_pool":
        layers.append(nn.AdaptiveAvgPool2d(1))
    layers.append(nn.Flatten())
    positions = 1 if spec.variant == "global_pool" else (spec.image_size // spec.reduction) ** 2
    return FeatureClassifier(nn.Sequential(*layers), nn.Linear(channels * positions, spec.num_classes))
