"""The published layers as torch modules, and the inputs they are run on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zk.benchmark.published import published_experiments
from zk.errors import OptionError


class Square(nn.Module):
    """``x * x``, which the published benchmark calls Poly."""

    def forward(self, x: Tensor) -> Tensor:
        """Square every element."""
        return x * x


@dataclass(frozen=True)
class Layer:
    """One layer to prove.

    Attributes:
        name: as published; new ones have names of their own.
        category: "core", "scaling" or "future".
        input_shape: with the batch, whose size is fixed.
        build: makes the module; draws its weights from torch's generator.
    """

    name: str
    category: str
    input_shape: tuple[int, ...]
    build: Callable[[], nn.Module]

    @property
    def input_elements(self) -> int:
        """Elements of the input."""
        return math.prod(self.input_shape)


def _batchnorm() -> nn.Module:
    """A layer that has seen data: fresh statistics would make it the identity."""
    module = nn.BatchNorm2d(32)
    nn.init.normal_(module.running_mean, std=0.5)  # type: ignore[arg-type]
    nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return _with_affine(module)


def _with_affine(module: nn.BatchNorm2d | nn.LayerNorm) -> nn.Module:
    nn.init.normal_(module.weight, 1.0, 0.1)
    nn.init.normal_(module.bias, 0.0, 0.1)
    return module


def _conv(into: int, out: int, stride: int = 1, groups: int = 1) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(into, out, 3, stride=stride, padding=1, groups=groups)


_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "ReLU": nn.ReLU,
    "SiLU": nn.SiLU,
    "Tanh": nn.Tanh,
    "Poly": Square,
    "MaxPool2d_k2": lambda: nn.MaxPool2d(2),
    "AvgPool2d_k2": lambda: nn.AvgPool2d(2),
    "Conv2d_k3_s1": _conv(32, 64),
    "Conv2d_k3_s2": _conv(32, 64, stride=2),
    "DepthwiseConv2d": _conv(32, 32, groups=32),
    "BatchNorm2d": _batchnorm,
    "LayerNorm": lambda: _with_affine(nn.LayerNorm((32, 64, 64))),
    "Dense": lambda: nn.Linear(256, 128),
    "Conv2d_Scaling_Small": _conv(16, 32),
    "Conv2d_Scaling_Large": _conv(64, 128),
    "Dense_Scaling_Small": lambda: nn.Linear(128, 64),
    "Dense_Scaling_Large": lambda: nn.Linear(1024, 512),
}

COMPOSITES = ("CNN_ReLU", "CNN_Poly", "CNN_Mixed", "CNN_Strided")
"""Trained networks: whoever runs the benchmark brings them."""


def published_layers() -> dict[str, Layer]:
    """The 16 published layers by name; the composites are not among them."""
    return {
        found.name: Layer(found.name, found.category, found.input_shape, _BUILDERS[found.name])
        for found in published_experiments()
        if found.name in _BUILDERS
    }


def dense(into: int, out: int) -> Layer:
    """A linear layer for the scaling study."""
    return Layer(f"Dense_{into}_{out}", "scaling", (1, into), lambda: nn.Linear(into, out))


def conv(into: int, out: int, side: int) -> Layer:
    """A 3x3 convolution of stride 1 on a square map, for the scaling study."""
    return Layer(f"Conv2d_{into}_{out}_{side}", "scaling", (1, into, side, side), _conv(into, out))


def small_layers() -> tuple[Layer, ...]:
    """Layers of few elements, whose circuits are as small as their tables let them be: for the precision study."""
    flat, image = (1, 16, 16), (1, 4, 8, 8)
    return (
        Layer("ReLU_small", "precision", flat, nn.ReLU),
        Layer("SiLU_small", "precision", flat, nn.SiLU),
        Layer("Tanh_small", "precision", flat, nn.Tanh),
        Layer("Poly_small", "precision", flat, Square),
        Layer("Dense_small", "precision", (1, 64), lambda: nn.Linear(64, 32)),
        Layer("Conv2d_small", "precision", image, _conv(4, 8)),
        Layer("AvgPool2d_small", "precision", image, lambda: nn.AvgPool2d(2)),
        Layer("MaxPool2d_small", "precision", image, lambda: nn.MaxPool2d(2)),
    )


def build_layer(layer: Layer, seed: int) -> nn.Module:
    """Build a layer in eval mode with weights drawn from ``seed``; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return layer.build().eval()


def draw_inputs(shape: tuple[int, ...], count: int, seed: int) -> Tensor:
    """Standard normal inputs ``[count, *shape]``.

    Raises:
        OptionError: ``count`` is not positive.
    """
    if count < 1:
        raise OptionError(f"the number of inputs must be positive; got {count}")
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))
