"""How large the numbers inside a composite network grow: what a fixed-point circuit has to hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evaluation.composites.spec import Square
from evaluation.inference import INFERENCE_BATCH
from evaluation.sampling import dequantize

MAGNITUDE_IMAGES = 1000
"""Test images that the greatest magnitudes are taken over."""


def largest_magnitudes(network: nn.Sequential, images: Tensor) -> dict[str, float]:
    """Greatest absolute output of each convolution, square and linear layer over uint8 images [N, 3, S, S].

    Returns:
        One value for each such layer, in order, under ``<position>.<class>``, for example ``0.Conv2d``: those of
        convolutions are pre-activations, those of the linear layer logits.
    """
    largest: dict[str, float] = {}
    device = next(network.parameters()).device
    with torch.no_grad():
        for batch in torch.split(images, INFERENCE_BATCH):
            values = dequantize(batch.to(device))
            for position, layer in enumerate(network):
                values = layer(values)
                if isinstance(layer, nn.Conv2d | nn.Linear | Square):
                    name = f"{position}.{type(layer).__name__}"
                    largest[name] = max(largest.get(name, 0.0), float(values.abs().max()))
    return largest
