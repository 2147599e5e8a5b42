"""Networks cut in parts: a column of inputs for each set of readers, outputs given out where they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from zk.checked import planner
from zk.checked.attacks.inprocess import in_process
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.columns import column_key, draw_salt
from zk.checked.options import CheckedOptions
from zk.checked.parts import possible_cuts, separate_cuts
from zk.checked.prove import Proving
from zk.checked.run import prove_checked
from zk.export import export_onnx, run_onnx
from zk.types import Budget

BUDGET = Budget(4 << 30, 120.0)


class Pair(nn.Module):
    """Two inputs: the first is read at the start, the second in both layers; an output between."""

    def __init__(self) -> None:
        super().__init__()
        self.start, self.middle, self.end = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(6, 3)

    def forward(self, latent: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both outputs."""
        x = torch.relu(self.start(torch.cat([latent, label], 1)))
        between = self.middle(x)
        return between, self.end(torch.cat([torch.relu(between), label], 1))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("pair") / "n.onnx"
    return export_onnx(Pair(), (torch.randn(1, 4), torch.eye(2)[:1]), path, ("latent", "label"), ("a", "b")).path


def build(path: Path, folder: Path, **options: Any) -> CheckedCircuit:
    made = CheckedOptions(**{"activation_bits": 6, "logrows": 9, **options})
    return build_checked(path, made, folder / "nodes", budget=BUDGET)


def test_inputs_lie_in_a_column_for_each_set_of_readers(pair: Path, tmp_path: Path) -> None:
    whole = build(pair, tmp_path, private_inputs=("latent",))
    (given,) = whole.parts[0].part.reads
    assert (given.name, [value.name for value in given.values]) == ("given", ["latent", "label"])
    cut = possible_cuts(whole.program)[-1]
    first, second = (part.part for part in build(pair, tmp_path, private_inputs=("latent",), cuts=(cut,)).parts)
    assert [(column.name, column.values[0].name) for column in first.reads] == [
        ("given_0", "latent"),
        ("given_1", "label"),
    ]
    assert [column.name for column in second.reads] == ["given_1", "boundary_1"]
    assert second.reads[0] == first.reads[1]
    assert [value.name for value in first.ranged] == ["latent"]
    assert {value.name for value in second.ranged} == {value.name for value in second.reads[1].values}
    assert ([value.name for value in first.public_inputs], second.public_inputs) == (["label"], ())
    salt = draw_salt([first, second])
    assert set(salt) == {"claim_0", "claim_1", "given_0", "given_1", "boundary_1"}
    assert column_key(first, first.reads[1]) == column_key(second, second.reads[0])


def test_an_input_that_no_part_reads_is_the_first_s(pair: Path, tmp_path: Path) -> None:
    model = onnx.load(str(pair))
    model.graph.input.append(onnx.helper.make_tensor_value_info("idle", onnx.TensorProto.FLOAT, [1, 3]))
    onnx.save(model, str(tmp_path / "n.onnx"))
    cut = possible_cuts(build(tmp_path / "n.onnx", tmp_path).program)[-1]
    first, second = (part.part for part in build(tmp_path / "n.onnx", tmp_path, cuts=(cut,)).parts)
    assert [[value.name for value in column.values] for column in first.reads] == [["latent", "idle"], ["label"]]
    assert [value.name for value in first.public_inputs] == ["latent", "label", "idle"]
    assert second.public_inputs == ()


def test_an_output_is_given_out_where_it_is_made(pair: Path, tmp_path: Path) -> None:
    program = build(pair, tmp_path).program
    first, second = (part.part for part in build(pair, tmp_path, cuts=(possible_cuts(program)[-1],)).parts)
    assert (first.outputs, second.outputs) == (program.outputs[:1], program.outputs[1:])
    assert separate_cuts(program) == ()


def test_fidelity_is_that_of_all_outputs(pair: Path, tmp_path: Path) -> None:
    circuit = build(pair, tmp_path)
    inputs = torch.randn(1, 4, generator=torch.Generator().manual_seed(2)), torch.eye(2)[1:]
    expected = torch.cat(
        [torch.from_numpy(found).flatten() for found in run_onnx(pair, tuple(map(Tensor.numpy, inputs)))]
    )
    with in_process():
        run = prove_checked(pair, circuit, inputs, Proving(tmp_path / "w", tmp_path / "srs", BUDGET))
    assert run.fidelity is not None
    error = (torch.tensor(run.fidelity.output) - expected).abs()
    assert len(error) == 4 + 3
    assert run.fidelity.max_abs_error == pytest.approx(float(error.max()), abs=1e-6)
    batch = [tensor[None] for tensor in inputs]
    sampled = planner._sampled(pair, batch, tmp_path, circuit.program.options, BUDGET)
    planned = planner._fidelity(planner._expected(pair, batch), sampled)
    assert planned.mean_abs_error == pytest.approx(float(error.mean()), abs=1e-6)
