"""Models for the simulator's tests: one for each operator, and small generators of the families that are searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper
from torch import Tensor, nn

Shapes = tuple[tuple[int, ...], ...]
A = (1, 4, 4, 4)
COLUMN = (1, 4, 1, 1)


class Function(nn.Module):
    """A function of the inputs, and of one layer if it is given."""

    def __init__(self, function: Callable[..., Tensor | tuple[Tensor, ...]], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.function = function
        self.layer = layer

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.function(*inputs) if self.layer is None else self.function(self.layer, *inputs)


def _layer(layer: nn.Module, *shape: int) -> tuple[nn.Module, Shapes]:
    return layer, (shape or A,)


def _of(function: Callable[..., Tensor | tuple[Tensor, ...]], *shapes: tuple[int, ...]) -> tuple[nn.Module, Shapes]:
    return Function(function), shapes or (A,)


OPERATORS: dict[str, tuple[nn.Module, Shapes]] = {
    "conv": _layer(nn.Conv2d(4, 6, 3, 2, 1)),
    "conv_without_bias": _layer(nn.Conv2d(4, 6, (3, 2), bias=False)),
    "conv_groups": _layer(nn.Conv2d(4, 8, 3, 1, 1, groups=2)),
    "conv_depthwise": _layer(nn.Conv2d(4, 4, 3, 1, 1, groups=4)),
    "conv_pointwise": _layer(nn.Conv2d(4, 6, 1)),
    "conv_one_side": _layer(nn.Conv1d(4, 6, 3, 1, 1), 1, 4, 5),
    "conv_normalised": _layer(nn.Sequential(nn.Conv2d(4, 6, 3, 1, 1), nn.BatchNorm2d(6))),
    "transposed": _layer(nn.ConvTranspose2d(4, 3, 4, 2, 1)),
    "transposed_square": _layer(nn.ConvTranspose2d(4, 4, 4, 2, 1)),
    "transposed_output_padding": _layer(nn.ConvTranspose2d(4, 3, 3, 2, 1, 1)),
    "transposed_groups": _layer(nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2)),
    "transposed_one_side": _layer(nn.ConvTranspose1d(4, 3, 4, 2, 1), 1, 4, 5),
    "linear": _layer(nn.Linear(4, 6), 1, 4),
    "linear_without_bias": _layer(nn.Linear(4, 6, bias=False), 1, 4),
    "linear_of_concatenation": (
        Function(lambda layer, x, y: layer(torch.cat([x, y], 1)), nn.Linear(6, 5)),
        ((1, 4), (1, 2)),
    ),
    "matmul": _of(lambda x, y: x @ y, (1, 3, 4), (1, 4, 2)),
    "matmul_constant": _of(lambda x: torch.linspace(-1, 1, 12).reshape(3, 4) @ x, (1, 4, 2)),
    "batchnorm": _layer(nn.BatchNorm2d(4)),
    "add": _of(lambda x, y: x + y, A, A),
    "add_unequal_scales": _of(lambda x, y: x * 0.25 + y, A, A),
    "add_constant": _of(lambda x: x * 0.125 + 0.3),
    "subtract": _of(lambda x, y: x - y, A, COLUMN),
    "subtract_from_constant": _of(lambda x: 0.3 - x),
    "multiply": _of(lambda x, y: x * y * x, A, COLUMN),
    "multiply_constant": _of(lambda x: x * 0.3),
    "multiply_half": _of(lambda x: x * 0.5),
    "multiply_two": _of(lambda x: x * 2.0),
    "multiply_minus_half": _of(lambda x: x * -0.5),
    "divide_three": _of(lambda x: x / 3.0),
    "negative": _of(lambda x: -x),
    "absolute": _of(lambda x: x.abs()),
    "square": _of(lambda x: x**2),
    "cube": _of(lambda x: x**3),
    "relu": _of(F.relu),
    "leaky_relu": _of(lambda x: F.leaky_relu(x, 0.2)),
    "sigmoid": _of(torch.sigmoid),
    "tanh": _of(torch.tanh),
    "hardswish": _of(lambda x: F.hardswish(x * 2.5)),
    "hardsigmoid": _of(F.hardsigmoid),
    "hardtanh": _of(F.hardtanh),
    "relu6": _of(F.relu6),
    "silu": _of(F.silu),
    "gelu": _of(F.gelu),
    "average_pool": _of(lambda x: F.avg_pool2d(x, 2)),
    "average_pool_padded": _of(lambda x: F.avg_pool2d(x, 3, 1, 1)),
    "average_pool_global": _of(lambda x: F.adaptive_avg_pool2d(x, 1)),
    "max_pool": _of(lambda x: F.max_pool2d(x, 2)),
    "max_pool_padded": _of(lambda x: F.max_pool2d(x - 2.0, 3, 2, 1)),
    "mean": _of(lambda x: x.mean((2, 3))),
    "mean_of_three": _of(lambda x: x.mean(1), (1, 3, 4)),
    "mean_of_squares": _of(lambda x: (x * x).mean(1)),
    "sum": _of(lambda x: x.sum(1)),
    "greatest": _of(lambda x: x.amax((1, 3))),
    "least": _of(lambda x: x.amin(2)),
    "greater_of_two": _of(torch.maximum, A, COLUMN),
    "lesser_of_two": _of(torch.minimum, A, A),
    "upsample": _of(lambda x: F.interpolate(x, scale_factor=(3, 2), mode="nearest")),
    "pixel_shuffle": _of(lambda x: F.pixel_shuffle(x, 2)),
    "pixel_unshuffle": _of(lambda x: F.pixel_unshuffle(x, 2)),
    "transpose": _of(lambda x: x.permute(0, 2, 3, 1)),
    "reshape": _of(lambda x: x.reshape(1, 8, 8)),
    "flatten": _of(lambda x: torch.flatten(x, 1)),
    "squeeze": _of(lambda x: x[:, 1:2].squeeze(1).unsqueeze(2)),
    "slice": _of(lambda x: x[:, :, 1:3]),
    "strided_slice": _of(lambda x: x[:, :, 1::2]),
    "split": _of(lambda x: torch.cat(torch.split(x, [1, 3], 1)[::-1], 1)),
    "concatenate": _of(lambda x, y: torch.cat([x, y], 1), A, A),
    "concatenate_unequal_scales": _of(lambda x, y: torch.cat([x * 0.5, y], 1), A, A),
    "concatenate_constant": _of(lambda x: torch.cat([x, torch.full((1, 2, 4, 4), 0.7)], 1)),
    "expand": _of(lambda x: x.expand(1, 4, 4, 4), COLUMN),
    "select": _of(lambda x: x[:, [2, 0, 1]]),
    "two_outputs": _of(lambda x, y: (x * y, torch.cat([x, y], 1)), A, A),
}


class Conv(nn.Module):
    """Transposed convolutions, batch normalisation, ReLU; latent [1, 6] and class [1, 3] to [1, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm0 = nn.Linear(9, 32), nn.BatchNorm2d(8)
        self.up1, self.norm1 = nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.BatchNorm2d(6)
        self.up2 = nn.ConvTranspose2d(6, 3, 4, 2, 1)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        x = F.relu(self.norm0(self.first(torch.cat([latent, one_hot], 1)).view(-1, 8, 2, 2)))
        return torch.tanh(self.up2(F.relu(self.norm1(self.up1(x)))))


class SubPixel(nn.Module):
    """Convolutions and pixel shuffles with HardSwish; the class through a Linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.first = nn.Linear(3, 4, bias=False), nn.Linear(10, 32)
        self.conv1, self.conv2 = nn.Conv2d(8, 24, 3, padding=1), nn.Conv2d(6, 12, 3, padding=1)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        x = F.hardswish(self.first(torch.cat([latent, self.code(one_hot)], 1)).view(-1, 8, 2, 2))
        x = F.hardswish(F.pixel_shuffle(self.conv1(x), 2))
        return torch.tanh(F.pixel_shuffle(self.conv2(x), 2))


class Separable(nn.Module):
    """Depthwise and pointwise convolutions after nearest upsampling, LeakyReLU, conditional affine maps, Hardtanh."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.depth, self.point = (
            nn.Linear(6, 32),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Conv2d(8, 3, 1),
        )
        self.scale, self.shift = nn.Linear(3, 8, bias=False), nn.Linear(3, 8, bias=False)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        x = self.first(latent).view(-1, 8, 2, 2)
        x = x * self.scale(one_hot)[..., None, None] + self.shift(one_hot)[..., None, None]
        x = F.interpolate(F.leaky_relu(x, 0.2), scale_factor=2, mode="nearest")
        return F.hardtanh(self.point(self.depth(x)))


class Mlp(nn.Module):
    """Linear layers with SiLU and GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(9, 12), nn.Linear(12, 12), nn.Linear(12, 48)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        x = F.silu(self.first(torch.cat([latent, one_hot], 1)))
        return torch.tanh(self.last(F.gelu(self.second(x)))).view(-1, 3, 4, 4)


GENERATORS: dict[str, type[nn.Module]] = {"conv": Conv, "subpixel": SubPixel, "separable": Separable, "mlp": Mlp}
GENERATOR_SHAPES: Shapes = ((1, 6), (1, 3))


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draw parameters and statistics of a module anew."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=source) * 0.4
                tensor.copy_(drawn.abs() + 0.5 if "var" in name else drawn)
    return module


def write_pad(path: Path) -> None:
    """Write a Pad node with constant pads, which torch's exporter computes at run time, beyond ezkl's parser."""
    pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 0, 0, 1, 0, 0, 2, 1])
    node = helper.make_node("Pad", ["a", "pads"], ["o"], mode="constant")
    slots = [helper.make_tensor_value_info("a", TensorProto.FLOAT, A)]
    out = [helper.make_tensor_value_info("o", TensorProto.FLOAT, (1, 4, 6, 6))]
    model = helper.make_model(
        helper.make_graph([node], "pad", slots, out, [pads]), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, str(path))
