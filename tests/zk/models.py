"""Tiny models of known soundness, and helpers that build their keys."""

import dataclasses
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from zk import backend
from zk.cost import load_settings
from zk.export import export_onnx
from zk.stages import write_json
from zk.types import CircuitOptions

TINY = CircuitOptions(
    input_scale_bits=5,
    param_scale_bits=5,
    decomp_base=128,
    lookup_range=(-100, 100),
    min_logrows=9,
    max_logrows=12,
)


class TinyGenerator(nn.Module):
    """Latent [1, 4] and class [1, 2] to an image [1, 1, 4, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, latent: torch.Tensor, one_hot: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(torch.cat([latent, one_hot], 1))).view(1, 4, 2, 2)
        return torch.tanh(F.pixel_shuffle(self.conv(x), 2))


class Product(nn.Module):
    """y = W X, then y * y, ReLU, a second product, or a convolution."""

    def __init__(self, then: str) -> None:
        super().__init__()
        self.then = then
        self.weight = nn.Parameter(torch.randn(3, 4) / 2)
        self.second = nn.Parameter(torch.randn(2, 3) / 2)
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.then == "none":
            return torch.matmul(self.weight, x)
        if self.then == "conv":
            return torch.matmul(self.weight, self.conv(x.view(1, 1, 4, 4)).view(4, 4))
        y = torch.matmul(self.weight, x)
        if self.then == "square":
            return y * y
        if self.then == "relu":
            return F.relu(y)
        return torch.matmul(self.second, y * 0.5)


class OnlyConv(nn.Module):
    """A convolution and ReLU: no einsum with two free axes, so Freivalds columns never appear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.conv(x.view(1, 1, 4, 4)))


def build_keys(folder: Path, then: str, *, freivalds: bool, logrows: int = 9) -> tuple[Path, Path, Path]:
    """Build the keys of a product on a [4, 4] input; gives (pk, settings, vk)."""
    torch.manual_seed(0)
    module = OnlyConv() if then == "only-conv" else Product(then)
    options = dataclasses.replace(TINY, disable_freivalds=not freivalds, logrows=logrows)
    onnx, settings, srs = folder / "m.onnx", folder / "settings.json", folder / "srs"
    export_onnx(module, (torch.randn(4, 4),), onnx, ("x",), ("y",))
    backend.gen_settings(onnx=str(onnx), settings=str(settings), options=options.to_json(), logrows=logrows)
    backend.compile_circuit(onnx=str(onnx), compiled=str(folder / "c"), settings=str(settings))
    backend.gen_srs(srs=str(srs), logrows=logrows)
    backend.setup(compiled=str(folder / "c"), vk=str(folder / "vk"), pk=str(folder / "pk"), srs=str(srs))
    return folder / "pk", settings, folder / "vk"


def edit_settings(path: Path, section: str, **changes: object) -> None:
    """Change values in one section of a settings file ("" is the top)."""
    settings = load_settings(path)
    (settings[section] if section else settings).update(changes)
    write_json(path, settings)
