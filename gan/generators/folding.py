"""Absorb what training alone needs into the linear operators, for export to a circuit."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gan.generators.attention import SelfAttention
from gan.generators.generator import Generator
from gan.generators.haar import InverseHaar
from gan.generators.layers import LINEAR_OPERATORS, ChannelNorm, LinearOperator, Modulation, Stage, settle_weight


def fold_batchnorm(generator: Generator) -> Generator:
    """Return an evaluation copy of ``generator`` with fewer operators and with the same outputs.

    A plain batch normalisation ``(y - mean) * gain + bias`` becomes part of the weights before it. A conditional one
    keeps its affine map, into which mean and variance are absorbed, so only that product is left. Spectral norms are
    divided into their weights, and the mix of an inverse Haar transform and the gain of an attention are multiplied
    into the layers before them. What depends on the image, an instance normalisation, stays. On a copy that is folded
    already this changes nothing.
    """
    folded = copy.deepcopy(generator).eval()
    for layer in [module for module in folded.modules() if isinstance(module, LINEAR_OPERATORS)]:
        settle_weight(layer)
    for attention in [module for module in folded.modules() if isinstance(module, SelfAttention)]:
        attention.fold_gain()
    for stage in [module for module in folded.modules() if isinstance(module, Stage)]:
        stage.dropout = None
        if isinstance(stage.norm, ChannelNorm):
            _fold_norm(stage, stage.norm)
        if isinstance(stage.rearrange, InverseHaar) and _mix_outputs(last_layer(stage.operator), stage.rearrange):
            stage.rearrange = stage.rearrange.shuffle
    return folded


@torch.no_grad()
def _fold_norm(stage: Stage, norm: ChannelNorm) -> None:
    statistics = norm.norm
    if not isinstance(statistics, nn.BatchNorm1d | nn.BatchNorm2d):
        return
    if statistics.running_mean is None or statistics.running_var is None:
        raise AssertionError("generator normalisations always track running statistics")
    gain = torch.rsqrt(statistics.running_var.double() + statistics.eps)
    shift = -statistics.running_mean.double() * gain
    if isinstance(norm.affine, Modulation):
        _scale_inputs(norm.affine, gain, shift)
        stage.norm = norm.affine
        return
    gain, shift = gain * statistics.weight.double(), shift * statistics.weight.double() + statistics.bias.double()
    _scale_outputs(last_layer(stage.operator), gain, shift)
    stage.norm = None


def _scale_inputs(affine: Modulation, gain: Tensor, shift: Tensor) -> None:
    """Replace ``affine(y)`` by ``affine(gain * y + shift)``, both maps of the condition being affine themselves."""
    pairs = [(affine.scale.weight, affine.shift.weight, gain[:, None], shift[:, None])]
    if affine.scale.bias is not None:
        pairs.append((affine.scale.bias, affine.shift.bias, gain, shift))
    for scale, offset, factor, term in pairs:
        offset.copy_((offset.double() + scale.double() * term).float())
        scale.copy_((scale.double() * factor).float())


def last_layer(operator: nn.Module) -> LinearOperator:
    """Return the linear layer that an operator ends with."""
    layer = operator
    while isinstance(layer, nn.Sequential):
        layer = layer[-1]
    if not isinstance(layer, LINEAR_OPERATORS):
        raise TypeError(f"a normalisation folds into Linear, Conv2d or ConvTranspose2d; got {type(layer).__name__}")
    return layer


def _scale_outputs(layer: LinearOperator, gain: Tensor, shift: Tensor) -> None:
    """Replace ``layer`` by ``gain * layer + shift``, each channel of ``gain`` serving a run of neighbouring outputs."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    outputs = layer.weight.shape[1 if transposed else 0]
    repeat = outputs // gain.numel()
    gain, shift = gain.repeat_interleave(repeat), shift.repeat_interleave(repeat)
    shape = (1, -1, 1, 1) if transposed else (-1, *([1] * (layer.weight.ndim - 1)))
    bias = torch.zeros_like(gain) if layer.bias is None else layer.bias.double()
    layer.weight.copy_((layer.weight.double() * gain.reshape(shape)).float())
    layer.bias = nn.Parameter((bias * gain + shift).float())


@torch.no_grad()
def _mix_outputs(layer: LinearOperator, haar: InverseHaar) -> bool:
    """Replace ``layer`` by the transform's mix of its outputs; False for groups of channels, which the mix joins."""
    if not isinstance(layer, nn.Conv2d) or layer.bias is None or layer.groups != 1:
        return False
    mix = haar.weights(len(layer.weight) // 4).double().to(layer.weight.device)
    layer.weight.copy_((mix @ layer.weight.double().flatten(1)).reshape(layer.weight.shape).float())
    layer.bias.copy_((mix @ layer.bias.double()).float())
    return True
