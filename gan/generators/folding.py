"""Absorb batch normalisation into the linear operators before it, for export to a circuit."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gan.generators.generator import Generator
from gan.generators.layers import ChannelNorm, Stage


def fold_batchnorm(generator: Generator) -> Generator:
    """Return an evaluation copy of ``generator`` without batch normalisation and with the same outputs.

    A plain normalisation ``(y - mean) * gain + bias`` becomes part of the weights before it. A conditional one keeps
    its class-dependent affine map, into which mean and variance are absorbed, so only that product is left. On a copy
    whose normalisations are already folded this changes nothing.
    """
    folded = copy.deepcopy(generator).eval()
    for stage in folded.stages:
        if isinstance(stage, Stage) and isinstance(stage.norm, ChannelNorm):
            _fold_stage(stage, stage.norm)
    return folded


@torch.no_grad()
def _fold_stage(stage: Stage, norm: ChannelNorm) -> None:
    statistics = norm.norm
    if statistics.running_mean is None or statistics.running_var is None:
        raise AssertionError("generator normalisations always track running statistics")
    gain = torch.rsqrt(statistics.running_var.double() + statistics.eps)
    shift = -statistics.running_mean.double() * gain
    if norm.affine is not None:
        scale_table, shift_table = norm.affine.scale.weight, norm.affine.shift.weight
        shift_table.copy_((shift_table.double() + scale_table.double() * shift[:, None]).float())
        scale_table.copy_((scale_table.double() * gain[:, None]).float())
        stage.norm = norm.affine
        return
    gain, shift = gain * statistics.weight.double(), shift * statistics.weight.double() + statistics.bias.double()
    _scale_outputs(_last_layer(stage.operator), gain, shift)
    stage.norm = None


def _last_layer(operator: nn.Module) -> nn.Linear | nn.Conv2d | nn.ConvTranspose2d:
    layer = operator
    while isinstance(layer, nn.Sequential):
        layer = layer[-1]
    if not isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"a normalisation folds into Linear, Conv2d or ConvTranspose2d; got {type(layer).__name__}")
    return layer


def _scale_outputs(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d, gain: Tensor, shift: Tensor) -> None:
    """Replace ``layer`` by ``gain * layer + shift``, each channel of ``gain`` serving a run of neighbouring outputs."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    outputs = layer.weight.shape[1 if transposed else 0]
    repeat = outputs // gain.numel()
    gain, shift = gain.repeat_interleave(repeat), shift.repeat_interleave(repeat)
    shape = (1, -1, 1, 1) if transposed else (-1, *([1] * (layer.weight.ndim - 1)))
    bias = torch.zeros_like(gain) if layer.bias is None else layer.bias.double()
    layer.weight.copy_((layer.weight.double() * gain.reshape(shape)).float())
    layer.bias = nn.Parameter((bias * gain + shift).float())
