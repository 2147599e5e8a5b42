"""Removing BatchNorm from a trained network, for export."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from evaluation.classifier.cache import TrainedClassifier

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def fold_batchnorm(module: ModuleT) -> ModuleT:
    """Make an eval copy of ``module`` without BatchNorm, with the same outputs up to rounding (1e-4 on logits).

    A BatchNorm that follows a convolution inside an ``nn.Sequential`` becomes part of that convolution's weights and
    bias. Any other one (before the first convolution of a pre-activation block) becomes a 1x1 depthwise convolution:
    the same affine map of each channel, with fixed numbers. The argument is left alone.
    """
    folded = copy.deepcopy(module).eval()
    for child in list(folded.modules()):
        if isinstance(child, nn.Sequential):
            _fold_sequence(child)
    for child in list(folded.modules()):
        for name, member in list(child.named_children()):
            if isinstance(member, nn.BatchNorm2d):
                setattr(child, name, _as_depthwise(member))
    return folded


def circuit_form(classifier: TrainedClassifier) -> tuple[nn.Module, tuple[Tensor]]:
    """Give a classifier in the form that circuits are made of: without BatchNorm, and an image [1, 3, S, S] for it."""
    size = classifier.spec.image_size
    return fold_batchnorm(classifier.module).cpu(), (torch.zeros(1, 3, size, size),)


def _fold_sequence(sequence: nn.Sequential) -> None:
    layers: list[nn.Module] = []
    for layer in sequence:
        previous = layers[-1] if layers else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(previous, nn.Conv2d):
            layers[-1] = fuse_conv_bn_eval(previous, layer)
        else:
            layers.append(layer)
    while len(sequence):
        del sequence[-1]
    for layer in layers:
        sequence.append(layer)


def _as_depthwise(norm: nn.BatchNorm2d) -> nn.Conv2d:
    channels = norm.num_features
    identity = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, dtype=norm.weight.dtype)
    with torch.no_grad():
        identity.weight.fill_(1.0)
    return fuse_conv_bn_eval(identity.to(norm.weight.device).eval(), norm)
