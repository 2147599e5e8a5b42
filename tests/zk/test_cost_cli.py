"""The command line of costs."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from models import TinyGenerator

from zk import cost_cli
from zk.attribution import INTERFACE, Attribution, NodeCost
from zk.cost import CircuitCost, predict_peak_bytes, predict_prove_seconds
from zk.cost_cli import WIDTH, main, report_lines
from zk.export import export_onnx

COST = CircuitCost(1, 1, 3_000_000, 6_000_000, 40, 1, 2, 0, 0, 0, 785, 2, 19, 6, 39, 36, 1)


def node(name: str, op_type: str, rows: int, **changes: object) -> NodeCost:
    plain = NodeCost(name, op_type, (1, 128, 32, 32), rows, 2 * rows, 0, 0, 0, rows / 3_000_000, None)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


NODES = (
    node("/a/Conv", "Conv", 2_000_000, macs=1_234_567_890, wasted_macs=1_234_567_890, rule="phase-convolution"),
    node(
        "/a/very/long/path/of/modules/" * 3 + "norm/BatchNormalization + /Mul",
        "BatchNormalization+Mul",
        999_000,
        lookups=3,
        rebase_rows=999_000,
        rule="activation-lookup-gelu",
    ),
    node("/Reshape", "Reshape", 0),
    *(node(f"/move{i}", f"MovesNumber{i}", 0) for i in range(20)),
    node(INTERFACE, "", 1_000, output_shape=()),
)
WIDE = Attribution(NODES, 3_000_000, 6_000_000, 3, 1_234_567_890, 1_234_567_890, COST)


def test_report_fits_the_terminal_and_keeps_its_numbers() -> None:
    lines = report_lines(WIDE)
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].split() == list(cost_cli._HEADER)
    first, second, interface, total = (line.split() for line in lines[1:5])
    assert first == ["a", "Conv", first[2], "2,000,000", "66.7%", "1,234,567,890", "1,234,567,890", "phase-convolution"]
    assert second[-5:] == ["999,000", "33.3%", "999,000", "3", "activation-lookup-gelu"]
    assert interface[-2:] == ["1,000", "0.0%"]
    assert total == ["total", "3,000,000", "100.0%", "999,000", "3", "1,234,567,890", "1,234,567,890"]
    assert "1 Reshape" in " ".join(line.strip() for line in lines)


def test_report_ends_with_the_predictions() -> None:
    text = "\n".join(report_lines(WIDE))
    assert "3,000,000 (equal to ezkl's), 6,000,000 cells" in text
    assert "2,999,000 (100.0%)" in text
    assert "19 (6 blocks)" in text
    assert f"{predict_peak_bytes(COST):,} " in text
    assert f"predicted prove seconds {predict_prove_seconds(COST):.1f}" in text


def test_module_runs_and_writes_json(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, report = tmp_path / "m.onnx", tmp_path / "new" / "out.json"
    export_onnx(TinyGenerator(), (torch.randn(1, 4), torch.eye(2)[:1]), model, ("latent", "one_hot"), ("image",))
    options = ["--json", str(report), "--logrows", "11", "--input-scale", "5", "--param-scale", "5"]
    command = [sys.executable, "-W", "error", "-m", "zk.cost", str(model), *options, "--lookup-range", "-99", "99"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120)
    assert (run.returncode, run.stderr) == (0, "")
    data = json.loads(report.read_text())
    assert f"total {data['rows']:,}".split() == run.stdout[run.stdout.index("total") :].split()[:2]
    assert sum(entry["rows"] for entry in data["nodes"]) == data["rows"] == data["cost"]["rows"] > 0
    assert data["cost"]["logrows"] == 11
    assert data["predicted_peak_bytes"] > 0 < data["predicted_prove_seconds"]


def test_a_zk_error_is_a_message_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.onnx")]) == 1
    assert main([str(tmp_path / "none.onnx"), "--logrows", "99"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line[:13] for line in printed.err.splitlines()] == ["error: " + str(tmp_path)[:6], "error: logrow"]


def test_subcommands_are_dispatched_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def calibrate(arguments: Sequence[str]) -> int:
        seen.append(arguments)
        return 7

    monkeypatch.setattr(cost_cli, "COMMANDS", {**cost_cli.COMMANDS, "calibrate": calibrate})
    assert main(["calibrate", "--runs", "3"]) == 7
    assert seen == [["--runs", "3"]]


def test_a_model_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["attribute"])
    assert ended.value.code == 2
    assert "model" in capsys.readouterr().err
