"""Proofs of a tiny network in checked form: what counts, what is resumed, and where tables end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zk.bundle import Bundle, read_bundle
from zk.bundle_check import verify_bundle
from zk.bundle_verdict import BundleVerification
from zk.checked import prove as prove_module
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.evaluate import Run, quantise, run_program
from zk.checked.options import CheckedOptions
from zk.checked.parts import possible_cuts
from zk.checked.program import Program
from zk.checked.prove import Proving, make_proofs
from zk.checked.run import CheckedRun, prove_checked, write_checked_bundle
from zk.checked.simulate import CheckedSimulator
from zk.errors import ArtifactError
from zk.export import export_onnx
from zk.prove import main as prove_main
from zk.srs import srs_path
from zk.types import Budget, Outcome, Wiring
from zk.verify_cli import main as verify_main

BUDGET = Budget(4 << 30, 120.0)
LATENT, CLASSES = 4, 3


class TinyGenerator(nn.Module):
    """A linear layer, a convolution, a pixel shuffle: [1, 1, 4, 4] from a latent and a class."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(LATENT + CLASSES, 16)
        self.end = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, latent: Tensor, one_hot: Tensor) -> Tensor:
        """Compute an image."""
        x = torch.relu(self.start(torch.cat([latent, one_hot], 1))).view(-1, 4, 2, 2)
        return torch.tanh(nn.functional.pixel_shuffle(self.end(x), 2))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checked")


@pytest.fixture(scope="module")
def network(folder: Path) -> Path:
    torch.manual_seed(3)
    example = (torch.randn(1, LATENT), torch.eye(CLASSES)[:1])
    return export_onnx(TinyGenerator(), example, folder / "network.onnx", ("latent", "one_hot"), ("image",)).path


@pytest.fixture(scope="module")
def inputs() -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    return torch.randn(1, LATENT), torch.eye(CLASSES)[1:2]


def build(network: Path, folder: Path, **options: Any) -> CheckedCircuit:
    return build_checked(
        network,
        CheckedOptions(**{"activation_bits": 6, "logrows": 9, "private_inputs": ("latent",), **options}),
        folder / "nodes",
        budget=BUDGET,
    )


def prove(network: Path, circuit: CheckedCircuit, inputs: Sequence[Tensor], folder: Path, name: str) -> CheckedRun:
    return prove_checked(network, circuit, inputs, Proving(folder / name, folder / "srs", BUDGET))


@pytest.fixture(scope="module")
def proved(network: Path, inputs: tuple[Tensor, Tensor], folder: Path) -> tuple[CheckedCircuit, CheckedRun, Bundle]:
    """The network in two circuits, proved."""
    whole = build(network, folder)
    circuit = build(network, folder, cuts=possible_cuts(whole.program)[:1])
    run = prove(network, circuit, inputs, folder, "proved")
    proving = Proving(folder / "proved", folder / "srs", BUDGET)
    bundle = write_checked_bundle(run, circuit, folder / "b.zip", onnx_path=network, proving=proving, config=None)
    return circuit, run, bundle


def verify(bundle: Bundle, folder: Path, network: Path | None, **kwargs: Any) -> BundleVerification:
    srs = srs_path(folder / "srs", bundle.manifest.srs_logrows)
    return verify_bundle(bundle.path, srs, budget=BUDGET, model_path=network, **kwargs)


def test_a_proof_in_two_parts_counts(
    proved: tuple[CheckedCircuit, CheckedRun, Bundle], inputs: tuple[Tensor, Tensor]
) -> None:
    circuit, run, _ = proved
    assert run.counts_as_proved
    assert run.wiring is Wiring.LINKED
    assert run.fidelity is not None
    assert run.fidelity.mean_abs_error < 0.02
    assert [stage.outcome for stage in run.stages] == [Outcome.OK] * len(run.stages)
    assert sum(stage.stage == "prove" for stage in run.stages) == len(circuit.parts) == 2
    assert [stage.stage for stage in run.merged_stages].count("prove") == 1
    simulated = CheckedSimulator(circuit).run([tensor for tensor in inputs]).outputs[0][0]
    assert simulated.tolist() == list(run.fidelity.output)


def test_the_verifier_accepts_and_rebuilds(
    proved: tuple[CheckedCircuit, CheckedRun, Bundle], folder: Path, network: Path
) -> None:
    bundle = proved[2]
    found = verify(bundle, folder, network)
    assert found.accepted, [check for check in found.checks if check.reason]
    assert "rebuild" in [check.name for check in found.checks]
    assert found.values is not None
    assert found.values.inputs == ((0.0, 1.0, 0.0),)  # the latent is not among them
    pinned = verify(bundle, folder, network, rebuild=False, expected_model_digest=bundle.manifest.model_sha256)
    assert pinned.accepted
    assert len(pinned.notes) == 3


def test_without_the_model_nothing_is_accepted(proved: tuple[CheckedCircuit, CheckedRun, Bundle], folder: Path) -> None:
    found = verify(proved[2], folder, None)
    assert found.failed == ("model", "rebuild")[:1]
    assert not found.accepted


def test_the_bundle_holds_every_part(proved: tuple[CheckedCircuit, CheckedRun, Bundle]) -> None:
    bundle = read_bundle(proved[2].path)
    assert bundle.manifest.parts == len(bundle.parts) == 2
    assert bundle.manifest.to_json()["circuit"] == "checked"
    roles = [(tensor.role, tensor.part) for tensor in bundle.manifest.public]
    assert roles == [("check", 0), ("input", 0), ("check", 1), ("output", 1)]
    assert CheckedOptions.from_json(bundle.manifest.to_json()["checked_options"]) == proved[0].program.options


def test_a_finished_part_is_not_proved_again(
    proved: tuple[CheckedCircuit, CheckedRun, Bundle],
    inputs: tuple[Tensor, Tensor],
    network: Path,
    folder: Path,
) -> None:
    circuit, run, _ = proved
    second = folder / "proved" / "part-1"
    kept = (folder / "proved" / "part-0" / "proof.json").stat().st_mtime_ns
    (second / "done.json").unlink()  # as if the run had been killed in the second part
    again = prove(network, circuit, inputs, folder, "proved")
    assert again.counts_as_proved
    assert (folder / "proved" / "part-0" / "proof.json").stat().st_mtime_ns == kept
    assert (second / "done.json").exists()
    assert again.proof.parts[0].stages == run.proof.parts[0].stages


def test_a_proof_of_another_input_is_not_taken_for_finished(
    proved: tuple[CheckedCircuit, CheckedRun, Bundle], folder: Path, inputs: tuple[Tensor, Tensor]
) -> None:
    circuit, _, _ = proved
    record = json.loads((folder / "proved" / "part-0" / "done.json").read_text())
    values = quantise(circuit.program, (inputs[0] + 1.0, inputs[1]))
    other = run_program(circuit.program, values, circuit.foreign.values)
    salt = prove_module._kept_salt(circuit, folder / "proved")
    named = prove_module.committed_values(circuit.program, values, other)
    columns = prove_module.fill_columns(circuit.parts[0].part, named, salt)
    assert prove_module._digest(columns) != record["columns"]


def test_a_stage_that_fails_is_an_outcome(network: Path, inputs: tuple[Tensor, Tensor], folder: Path) -> None:
    circuit = build(network, folder)
    proving = Proving(folder / "failed", folder / "srs", BUDGET, stage_budgets={"setup": Budget(1 << 20, 60.0)})
    run = prove_checked(network, circuit, inputs, proving)
    assert (run.outcome, run.counts_as_proved, run.wiring) == (Outcome.OUT_OF_MEMORY, False, Wiring.UNCHECKED)
    with pytest.raises(ArtifactError, match="a proof of every part"):
        write_checked_bundle(run, circuit, folder / "no.zip", onnx_path=network, proving=proving, config=None)


def test_what_has_no_key_is_not_linked(network: Path, inputs: tuple[Tensor, Tensor], folder: Path) -> None:
    circuit = build(network, folder)
    proving = Proving(folder / "no-string", folder / "no-strings", Budget(1 << 20, 60.0))
    run = prove_checked(network, circuit, inputs, proving)
    assert [stage.stage for stage in run.stages] == ["srs"]
    assert (run.counts_as_proved, run.wiring) == (False, Wiring.UNCHECKED)
    assert run.wiring_reason == "1 of 1 parts have no key"


def test_parts_at_once(network: Path, inputs: tuple[Tensor, Tensor], folder: Path) -> None:
    circuit = build(network, folder, cuts=possible_cuts(build(network, folder).program)[:1])
    proving = Proving(folder / "parallel", folder / "srs", BUDGET, parallel=2)
    assert prove_checked(network, circuit, inputs, proving).counts_as_proved


@pytest.mark.parametrize(("value", "provable"), [(251, True), (-252, True), (252, False), (-253, False)])
def test_tables_end_where_the_divisor_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: int, provable: bool
) -> None:
    """At height 2**9 a table has 504 entries; a longer one would let a prover move quotients by one."""
    torch.manual_seed(0)
    path = folder / "linear.onnx"
    if not path.exists():
        export_onnx(nn.Linear(2, 2), (torch.randn(1, 2),), path, ("x",), ("y",))
    circuit = build(path, folder, private_inputs=("x",), activation_bits=2)
    assert circuit.program.options.divisor == 504

    def unguarded(program: Program, values: Sequence[Tensor], foreign: Any) -> Run:
        return run_program(program, values, foreign, within_tables=False)

    monkeypatch.setattr(prove_module, "run_program", unguarded)
    proving = Proving(
        folder / f"edge{value}",
        folder / "srs",
        BUDGET,
        stage_budgets={"prove": Budget(4 << 30, 20.0 if provable else 4.0)},
    )
    proof = make_proofs(circuit, (torch.tensor([[value / 4.0, 0.0]], dtype=torch.float64),), proving)
    assert proof.complete is provable


def test_the_command_line(
    network: Path, folder: Path, inputs: tuple[Tensor, Tensor], capsys: pytest.CaptureFixture[str]
) -> None:
    sample = folder / "sample.json"
    sample.write_text(json.dumps({"input_data": [tensor.flatten().tolist() for tensor in inputs]}))
    out = folder / "cli.zip"
    common = ["--srs-dir", str(folder / "srs"), "--circuit", "checked", "--private", "latent", "--logrows", "9"]
    assert prove_main([str(network), "--input", str(sample), "--out", str(out), *common]) == 0
    printed = capsys.readouterr().out
    assert "chosen" in printed
    assert "PROVED" in printed
    srs = str(srs_path(folder / "srs", 9))
    assert verify_main([str(out), "--srs", srs, "--model", str(network), "--no-rebuild"]) == 0
    assert "one-hot, class 1" in capsys.readouterr().out
    assert verify_main([str(out), "--srs", srs]) == 1
    assert "REJECTED: model" in capsys.readouterr().out
