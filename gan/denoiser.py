"""A small conditional denoiser, the network that a diffusion model runs at every step (Ho et al. 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from gan.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class DenoiserSpec:
    """A U-shaped network: ``(images [N, C, S, S], time [N, T], one_hot [N, K]) -> noise [N, C, S, S]``.

    Attributes:
        widths: channels at full size, half of it, and so on.
        time_dim: length of the sinusoidal code of the time, even.
        condition_dim: length of the vector that every block adds to its channels.
        num_classes: number of classes.
        image_size: side of the images, a multiple of ``2**(len(widths) - 1)``.
        image_channels: channels of the images.
    """

    widths: tuple[int, ...] = (32, 64, 64)
    time_dim: int = 32
    condition_dim: int = 64
    num_classes: int = 10
    image_size: int = 32
    image_channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.widths) < 2 or min(self.widths) < 1 or self.image_size % 2 ** (len(self.widths) - 1):
            raise SpecError(
                f"a denoiser needs two positive widths or more, and images of a multiple of "
                f"2**(len(widths) - 1) pixels; got {self.widths} for {self.image_size}"
            )
        if self.time_dim < 2 or self.time_dim % 2:
            raise SpecError(f"time_dim must be even and positive; got {self.time_dim}")


def time_code(steps: Tensor, dim: int) -> Tensor:
    """Code steps [N] as sines and cosines [N, dim] of falling frequency (Vaswani et al. 2017, section 3.5)."""
    frequencies = torch.exp(-math.log(10_000.0) * torch.arange(dim // 2) / (dim // 2))
    angles = steps[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class _Block(nn.Module):
    """Two convolutions around a shortcut, the condition added between them."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))
        self.condition = nn.Linear(condition, outputs)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        inner = self.act(self.first(x) + self.condition(condition)[:, :, None, None])
        found: Tensor = self.act(self.second(inner) + self.shortcut(x))
        return found


class Denoiser(nn.Module):
    """The network of :class:`DenoiserSpec`, with batch normalisations, which a circuit folds away."""

    def __init__(self, spec: DenoiserSpec) -> None:
        super().__init__()
        widths, size = spec.widths, spec.condition_dim
        self.condition = nn.Sequential(nn.Linear(spec.time_dim + spec.num_classes, size), nn.ReLU())
        self.entry = nn.Conv2d(spec.image_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_Block(width, width, size) for width in widths)
        self.smaller = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths))
        self.larger = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(b, a, 3, padding=1))
            for a, b in reversed(list(pairwise(widths)))
        )
        self.up = nn.ModuleList(_Block(2 * width, width, size) for width in reversed(widths[:-1]))
        self.exit = nn.Conv2d(widths[0], spec.image_channels, 3, padding=1)

    def forward(self, images: Tensor, time: Tensor, one_hot: Tensor) -> Tensor:
        """Estimate the noise in ``images``."""
        condition = self.condition(torch.cat([time, one_hot], dim=1))
        x, kept = self.entry(images), list[Tensor]()
        for place, block in enumerate(self.down):
            x = block(x, condition)
            if place < len(self.smaller):
                kept.append(x)
                x = self.smaller[place](x)
        for larger, block in zip(self.larger, self.up, strict=True):
            x = block(torch.cat([larger(x), kept.pop()], dim=1), condition)
        noise: Tensor = self.exit(x)
        return noise
