"""Export and its check against torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_networks import TinyGenerator
from torch import nn

from zk.errors import ExportError
from zk.export import export_onnx, run_onnx

INPUTS = (torch.randn(1, 4, generator=torch.Generator().manual_seed(1)), torch.eye(2)[:1])
NAMES = ("latent", "one_hot")


def test_export_is_repeatable_and_agrees(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = TinyGenerator()
    first = export_onnx(module, INPUTS, tmp_path / "a.onnx", NAMES, ("image",))
    second = export_onnx(module, INPUTS, tmp_path / "b.onnx", NAMES, ("image",))
    assert first.digest == second.digest
    assert first.bytes == first.path.stat().st_size > 0
    assert 0.0 <= first.max_abs_error < 1e-5
    assert first.batchnorm_nodes == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    (image,) = run_onnx(first.path, tuple(x.numpy() for x in INPUTS))
    np.testing.assert_allclose(image, module(*INPUTS).detach().numpy(), atol=1e-5)


def test_remaining_batchnorm_is_reported(tmp_path: Path) -> None:
    module = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3))
    report = export_onnx(module, (torch.randn(1, 3, 2, 2),), tmp_path / "m.onnx", ("x",), ("y",))
    assert report.batchnorm_nodes == 1
    assert module.training


class Random(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(1).item() if torch.onnx.is_in_onnx_export() else x


class Unused(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * 2.0


class Infinite(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 0.0


@pytest.mark.parametrize(
    ("module", "count", "match"),
    [(Random(), 1, "must agree within"), (Unused(), 2, "every input must be used"), (Infinite(), 1, "must be finite")],
)
def test_bad_modules_are_refused_and_leave_nothing(tmp_path: Path, module: nn.Module, count: int, match: str) -> None:
    names = ("x", "y")[:count]
    with pytest.raises(ExportError, match=match), np.errstate(invalid="ignore"):
        export_onnx(module, (torch.ones(2, 2),) * count, tmp_path / "m.onnx", names, ("out",))
    assert list(tmp_path.iterdir()) == []
