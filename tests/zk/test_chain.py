"""Two networks as one: what it computes, that it is the same for everybody, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from zk.chain import chain_models, main, write_chain
from zk.errors import ArtifactError
from zk.export import export_onnx, run_onnx

Z, K = 3, 2


class Drawing(nn.Module):
    """An image [1, 1, 4, 4] of a latent and a class."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(Z + K, 16)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        """Compute it."""
        return torch.tanh(self.linear(torch.cat([latent, one_hot], 1)).reshape(1, 1, 4, 4))


class Reading(nn.Module):
    """Logits [1, K] of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(1, 2, 3), nn.Linear(8, K)

    def forward(self, image: Tensor) -> Tensor:
        """Compute them."""
        logits: Tensor = self.linear(torch.relu(self.convolution(image)).flatten(1))
        return logits


LATENT, ONE_HOT, IMAGE = torch.tensor([[0.3, -1.0, 0.5]]), torch.eye(K)[:1], torch.zeros(1, 1, 4, 4)


def exported(folder: Path, *, taken: str = "image", found: str = "logits") -> tuple[nn.Module, nn.Module, Path, Path]:
    torch.manual_seed(0)
    one, two = Drawing().eval(), Reading().eval()
    first = export_onnx(one, (LATENT, ONE_HOT), folder / "first.onnx", ("latent", "one_hot"), ("image",)).path
    second = export_onnx(two, (IMAGE,), folder / "second.onnx", (taken,), (found,)).path
    return one, two, first, second


@pytest.mark.parametrize("taken", ["image", "picture", "latent"])
def test_a_chain_computes_both(tmp_path: Path, taken: str) -> None:
    one, two, first, second = exported(tmp_path, taken=taken)
    write_chain(first, second, tmp_path / "chain.onnx")
    image, logits = run_onnx(tmp_path / "chain.onnx", (LATENT.numpy(), ONE_HOT.numpy()))
    expected = one(LATENT, ONE_HOT)
    assert np.allclose(image, expected.detach().numpy(), atol=1e-6)
    assert np.allclose(logits, two(expected).detach().numpy(), atol=1e-6)
    model = onnx.load(str(tmp_path / "chain.onnx"))
    assert [slot.name for slot in model.graph.input] == ["latent", "one_hot"]
    assert [slot.name for slot in model.graph.output] == ["image", "logits"]
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]


def test_everybody_makes_the_same_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, first, second = exported(tmp_path)
    paths = [tmp_path / name for name in ("a.onnx", "b.onnx")]
    assert [main([str(first), str(second), str(path)]) for path in paths] == [0, 0]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    (one, two) = capsys.readouterr().out.splitlines()
    assert one.split()[-1] == two.split()[-1]
    torch.manual_seed(9)
    export_onnx(Reading().eval(), (IMAGE,), second, ("image",), ("logits",))
    assert write_chain(first, second, paths[1]) != one.split()[-1]


def test_what_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, first, second = exported(tmp_path)
    drawing, reading = onnx.load(str(first)), onnx.load(str(second))
    with pytest.raises(ArtifactError, match="one output and the second one input; found 1 and 2"):
        chain_models(reading, drawing)
    with pytest.raises(ArtifactError, match=r"shape that the second takes.*\(1, 2\), \(1, 1, 4, 4\)"):
        chain_models(reading, reading)
    _, _, _, same = exported(tmp_path, found="latent")
    with pytest.raises(ArtifactError, match="names of their own"):
        chain_models(drawing, onnx.load(str(same)))
    _, _, _, second = exported(tmp_path)
    reading = onnx.load(str(second))
    reading.opset_import[0].version = 15
    with pytest.raises(ArtifactError, match="export both at one opset"):
        chain_models(drawing, reading)
    assert main([str(tmp_path / "none.onnx"), str(second), str(tmp_path / "c.onnx")]) == 1
    assert "must be an ONNX model" in capsys.readouterr().err
    assert not (tmp_path / "c.onnx").exists()
