"""Counts that need no circuit: published "operations" and multiply-accumulates of a torch module."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def published_operations(module: nn.Module) -> int:
    """Count einsum operations by the published rule: Linear 1, Conv and ConvTranspose 2, BatchNorm 1, Embedding 1.

    Each leaf module counts once, however often ``forward`` calls it. This is the figure the published limits are
    stated in; it says nothing of the rows of a circuit (:mod:`zk.cost`).
    """
    total = 0
    for leaf in module.modules():
        if isinstance(leaf, _CONVOLUTIONS):
            total += 2
        elif isinstance(leaf, (nn.Linear, nn.Embedding, *_NORMS)):
            total += 1
    return total


def multiply_accumulates(module: nn.Module, example_inputs: tuple[torch.Tensor, ...]) -> int:
    """Count multiply-accumulates of the Linear, Conv and ConvTranspose layers on the example inputs.

    Products with padding count; products with the zeros that a strided ConvTranspose inserts do not: it costs its
    input elements times the kernel. Functional calls (``F.conv2d``) are not seen. Runs one forward pass in eval mode
    and restores the mode.
    """
    counted = 0

    def hook(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        nonlocal counted
        if isinstance(layer, nn.Linear):
            counted += output.numel() * layer.in_features
        elif isinstance(layer, _TRANSPOSED):
            counted += inputs[0].numel() * layer.out_channels // layer.groups * math.prod(layer.kernel_size)
        elif isinstance(layer, _CONVOLUTIONS):
            counted += output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)

    leaves = [leaf for leaf in module.modules() if isinstance(leaf, (nn.Linear, *_CONVOLUTIONS))]
    handles = [leaf.register_forward_hook(hook) for leaf in leaves]
    training = module.training
    try:
        module.eval()
        with torch.no_grad():
            module(*example_inputs)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return counted
