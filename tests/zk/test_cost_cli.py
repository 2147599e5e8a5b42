"""The command line of costs."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tiny_networks import TinyGenerator

from zk import cost_cli
from zk.attribution import INTERFACE, Attribution, NodeCost
from zk.circuit_cost import CircuitCost
from zk.cost import calibrated_path, predict_cost, shipped_cost_model
from zk.cost_cli import WIDTH, main, report_json, report_lines
from zk.cost_model import TERMS, CostModel, LinearFit, save_cost_model
from zk.export import export_onnx
from zk.machine import Machine, this_machine

COST = CircuitCost(1, 1, 3_000_000, 6_000_000, 40, 1, 2, 0, 0, 0, 785, 2, 19, 6, 39, 36, 1)
GIB = 2**30


def constant_model(**values: float) -> CostModel:
    """Each quantity ("prove_seconds") is the value given, or 1, whatever the circuit; intervals are of a factor 2."""
    fits = {
        f"{stage} {quantity}": LinearFit(
            (values.get(f"{stage}_{quantity}", 1.0), *(0.0,) * (len(terms) - 1)), spread=2.0
        )
        for (stage, quantity), terms in TERMS.items()
    }
    return CostModel(Machine("Fast 9000", 4, 8 * GIB, "Linux x86_64", "23.0.5"), fits, 3)


MODEL = constant_model(prove_seconds=1234.5, prove_bytes=10 * GIB, setup_seconds=7.125, setup_bytes=0.5 * GIB)


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
    lines = report_lines(WIDE, MODEL)
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].split() == list(cost_cli._HEADER)
    first, second, interface, total = (line.split() for line in lines[1:5])
    assert first == ["a", "Conv", first[2], "2,000,000", "66.7%", "1,234,567,890", "1,234,567,890", "phase-convolution"]
    assert second[-5:] == ["999,000", "33.3%", "999,000", "3", "activation-lookup-gelu"]
    assert interface[-2:] == ["1,000", "0.0%"]
    assert total == ["total", "3,000,000", "100.0%", "999,000", "3", "1,234,567,890", "1,234,567,890"]
    assert "1 Reshape" in " ".join(line.strip() for line in lines)


def test_report_ends_with_the_predictions() -> None:
    lines = report_lines(WIDE, MODEL)
    text = "\n".join(lines)
    assert "3,000,000 (equal to ezkl's), 6,000,000 cells" in text
    assert "2,999,000 (100.0%)" in text
    assert "19 (6 blocks)" in text
    found = predict_cost(COST, MODEL)
    assert (
        f"proving key {found.pk_bytes:,} bytes, verification key {found.vk_bytes:,}, proof {found.proof_bytes:,}"
        in text
    )
    assert [line.split() for line in lines[-6:-1]] == [
        ["predicted", "seconds", "from", "to", "peak", "GiB", "from", "to"],
        ["setup", "7.12", "3.56", "14.25", "0.50", "0.25", "1.00"],
        ["witness", "1.00", "0.50", "2.00", "0.00", "0.00", "0.00"],
        ["prove", "1234.50", "617.25", "2469.00", "10.00", "5.00", "20.00"],
        ["verify", "1.00", "0.50", "2.00", "0.00", "0.00", "0.00"],
    ]
    assert lines[-1] == "measured on Fast 9000, 4 cores, ezkl 23.0.5"


def test_predictions_stand_below_their_titles() -> None:
    title, *rows = report_lines(WIDE, MODEL)[-6:-1]
    assert len({len(row) for row in (title, *rows)}) == 1
    for column in ("seconds", "peak GiB"):
        end = title.index(column) + len(column)
        assert all(row[end - 1].isdigit() and row[end : end + 1] in ("", " ") for row in rows)


def test_json_keeps_the_attribution_and_adds_the_predictions() -> None:
    data = report_json(WIDE, MODEL)
    assert data.pop("predicted") == predict_cost(COST, MODEL).to_json()
    assert data == WIDE.to_json()
    assert json.loads(json.dumps(report_json(WIDE, MODEL)))["predicted"]["prove_seconds"] == [617.25, 1234.5, 2469.0]


def test_module_runs_and_writes_json(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, report = tmp_path / "m.onnx", tmp_path / "new" / "out.json"
    export_onnx(TinyGenerator(), (torch.randn(1, 4), torch.eye(2)[:1]), model, ("latent", "one_hot"), ("image",))
    options = ["--json", str(report), "--logrows", "11", "--input-scale", "5", "--param-scale", "5"]
    command = [sys.executable, "-W", "error", "-m", "zk.cost", str(model), *options, "--lookup-range", "-99", "99"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}  # no model of this machine
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=120, env=environment
    )
    assert (run.returncode, run.stderr) == (0, "")
    data = json.loads(report.read_text())
    assert f"total {data['rows']:,}".split() == run.stdout[run.stdout.index("total") :].split()[:2]
    assert sum(entry["rows"] for entry in data["nodes"]) == data["rows"] == data["cost"]["rows"] > 0
    assert data["cost"]["logrows"] == 11
    cost = CircuitCost(**data["cost"])
    assert data["predicted"] == predict_cost(cost, shipped_cost_model()).to_json()
    low, middle, high = data["predicted"]["prove_seconds"]
    assert 0 < low < middle < high
    assert run.stdout.splitlines()[-1].startswith(f"measured on {shipped_cost_model().machine.processor}, ")


@pytest.fixture
def attributed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every model is found to cost what WIDE does; gives the file of this machine's own cost model, not yet there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cost_cli, "attribute_cost", lambda *_, **__: WIDE)
    return calibrated_path(this_machine().digest)


def test_predictions_are_of_this_machine_once_it_is_measured(
    attributed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["m.onnx"]) == 0
    assert capsys.readouterr().out.splitlines() == report_lines(WIDE, shipped_cost_model())
    save_cost_model(MODEL, attributed)
    assert main(["attribute", "m.onnx", "--json", str(tmp_path / "new" / "m.json")]) == 0
    assert capsys.readouterr().out.splitlines() == report_lines(WIDE, MODEL)
    assert json.loads((tmp_path / "new" / "m.json").read_text()) == json.loads(json.dumps(report_json(WIDE, MODEL)))


def test_an_unreadable_model_of_this_machine_is_an_error(attributed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    attributed.parent.mkdir(parents=True)
    attributed.write_text("{}")
    assert main(["m.onnx"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {attributed} must be a cost model of this version")


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
