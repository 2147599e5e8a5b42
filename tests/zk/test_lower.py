"""The command that lowers a model: rows measured by EZKL, the file written, errors said."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from zk.export import export_onnx, run_onnx
from zk.lower import lower_file, main
from zk.stages import StageRunner
from zk.types import Budget, CircuitOptions

BUDGET = Budget(2 << 30, 60.0)
OPTIONS = CircuitOptions(scale_rebase_multiplier=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lower")
    torch.manual_seed(0)
    module = nn.Sequential(nn.ConvTranspose2d(2, 4, 4, 2, 1), nn.AvgPool2d(2), nn.MaxPool2d(2))
    export_onnx(module, (torch.zeros(1, 2, 4, 4),), folder / "model.onnx", ("x",), ("y",))
    return folder / "model.onnx"


def test_rows_fall_and_are_ezkl_s_own(source: Path, tmp_path: Path) -> None:
    lowering = lower_file(source, tmp_path / "out.onnx", options=OPTIONS, budget=BUDGET)
    assert lowering.rows_before is not None
    assert lowering.rows_after is not None
    assert lowering.rows_before > 2.5 * lowering.rows_after
    assert {step.rule for step in lowering.steps if step.kept} >= {"phase-convolution", "average-pool"}
    for path, rows in ((source, lowering.rows_before), (tmp_path / "out.onnx", lowering.rows_after)):
        assert StageRunner(tmp_path / "check", OPTIONS, BUDGET).settings(path)["num_rows"] == rows


def test_the_phases_keep_their_places_in_the_circuit(tmp_path: Path) -> None:
    """EZKL takes uneven pads as ONNX means them: its own forward pass gives the float model's image."""
    from zk.simulate import load_circuit

    torch.manual_seed(0)
    module = nn.ConvTranspose2d(2, 3, 4, 2, 1)
    export_onnx(module, (torch.zeros(1, 2, 4, 4),), tmp_path / "m.onnx", ("x",), ("y",))
    lower_file(tmp_path / "m.onnx", tmp_path / "out.onnx", options=OPTIONS, budget=BUDGET, measured=False)
    settings = StageRunner(tmp_path / "run", OPTIONS, BUDGET).settings(tmp_path / "out.onnx")
    inputs = torch.randn(3, 2, 4, 4)
    found = load_circuit(tmp_path / "out.onnx", settings, budget=BUDGET).run([inputs]).outputs[0]
    torch.testing.assert_close(found.reshape(3, 3, 8, 8).float(), module(inputs).detach(), atol=0.03, rtol=0)


def test_the_command(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "out.onnx"
    assert main([str(source), str(target), "--unmeasured", "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    assert "phase-convolution" in printed
    assert "max-pool-tree" in printed
    assert json.loads((tmp_path / "out.json").read_text())["rows_after"] is None
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(run_onnx(target, (x,))[0], run_onnx(source, (x,))[0], atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_what_is_no_model_is_said(content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.onnx"
    if content is not None:
        path.write_bytes(content)
    assert main([str(path), str(tmp_path / "out.onnx")]) == 2
    assert "must be an ONNX model" in capsys.readouterr().err
    assert not (tmp_path / "out.onnx").exists()


def test_a_dynamic_batch_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[n, 4] x) => (float[n, 4] y) { y = Relu(x) }'
    )
    onnx.save(model, str(tmp_path / "m.onnx"))
    assert main([str(tmp_path / "m.onnx"), str(tmp_path / "out.onnx"), "--unmeasured"]) == 2
    assert "static shape" in capsys.readouterr().err
