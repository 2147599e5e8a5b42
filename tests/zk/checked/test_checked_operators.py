"""Our integers are EZKL's: for every operator with a checked form, all checks vanish and outputs are equal.

EZKL computes the witness of the emitted graph; the claims in it, and what the outputs must be, are ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zk import backend
from zk.benchmark.layers import Square
from zk.checked.asked import asked_tensor
from zk.checked.circuit import CheckedCircuit, build_checked
from zk.checked.columns import committed_values, draw_salt, fill_columns
from zk.checked.evaluate import quantise, run_program
from zk.checked.foreign import circuit_options
from zk.checked.options import CheckedOptions
from zk.checked.parts import possible_cuts
from zk.export import export_onnx, run_onnx
from zk.field import felt_to_int, int_to_felt
from zk.types import Budget

BUDGET = Budget(4 << 30, 120.0)
SEED = b"a seed that no claim can depend on"


class Net(nn.Module):
    """A module from a function, with layers that it may use."""

    def __init__(self, function: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply the function to this module and the inputs."""
        return self.function(self, *inputs)


def conv(*args: int, **kwargs: int) -> nn.Module:
    return nn.Conv2d(*args, **kwargs)


IMAGE, ROW = (1, 3, 6, 6), (1, 8)
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)), ROW),
    "linear over the last axis": (lambda: nn.Linear(4, 5), (1, 3, 4)),
    "convolution": (lambda: nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU(), conv(4, 2, 3)), IMAGE),
    "stride": (lambda: nn.Sequential(conv(3, 4, 3, stride=2, padding=1), nn.Hardswish()), IMAGE),
    "dilation": (lambda: conv(3, 2, 3, dilation=2), IMAGE),
    "groups": (lambda: nn.Sequential(conv(3, 6, 3, groups=3, padding=1), nn.ReLU()), IMAGE),
    "convolution of one side": (lambda: nn.Conv1d(3, 4, 3, padding=1), (1, 3, 7)),
    "transposed": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), nn.ReLU(), conv(2, 1, 1)), IMAGE),
    "transposed, more on one side": (lambda: nn.ConvTranspose2d(3, 2, 3, 2, 1, output_padding=1), IMAGE),
    "batch normalisation": (lambda: nn.Sequential(conv(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), IMAGE),
    "leaky relu": (lambda: nn.Sequential(nn.Linear(8, 6), nn.LeakyReLU(0.2), nn.Linear(6, 3)), ROW),
    "hardswish": (lambda: nn.Sequential(nn.Linear(8, 6), nn.Hardswish(), nn.Linear(6, 3)), ROW),
    "sigmoid": (lambda: nn.Sequential(nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 3)), ROW),
    "tanh": (lambda: nn.Sequential(nn.Linear(8, 6), nn.Tanh()), ROW),
    "silu": (lambda: nn.Sequential(nn.Linear(8, 6), nn.SiLU(), nn.Linear(6, 3)), ROW),
    "gelu": (lambda: nn.Sequential(nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 3)), ROW),
    "residual": (
        lambda: Net(lambda net, x: net.get_submodule("b")(x + F.relu(net.get_submodule("a")(x))),
                    a=nn.Linear(8, 8), b=nn.Linear(8, 3)), ROW),
    "pixel shuffle": (lambda: nn.Sequential(conv(3, 8, 3, padding=1), nn.PixelShuffle(2), nn.Hardswish()), IMAGE),
    "nearest": (lambda: nn.Sequential(nn.Upsample(scale_factor=2), conv(3, 2, 3, padding=1)), IMAGE),
    "average pool": (lambda: nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)), IMAGE),
    "max pool": (lambda: nn.Sequential(conv(3, 4, 3, padding=1), nn.MaxPool2d(2)), IMAGE),
    "concatenation": (
        lambda: Net(lambda net, x: torch.cat([F.relu(net.get_submodule("a")(x)), x], 1), a=nn.Linear(8, 3)), ROW),
    "slice and transpose": (
        lambda: Net(lambda net, x: net.get_submodule("a")(x[:, 1:, :3].transpose(1, 2)), a=nn.Linear(2, 3)), (1, 3, 4)),
    "product of values": (
        lambda: Net(lambda net, x: net.get_submodule("a")(x) * torch.sigmoid(net.get_submodule("b")(x)),
                    a=nn.Linear(8, 5), b=nn.Linear(8, 5)), ROW),
    "scaled": (lambda: Net(lambda net, x: F.relu(net.get_submodule("a")(x) * 0.7) * 0.25, a=nn.Linear(8, 5)), ROW),
    "attention": (
        lambda: Net(lambda net, x: torch.matmul(net.get_submodule("a")(x), net.get_submodule("b")(x).transpose(1, 2)),
                    a=nn.Linear(4, 4), b=nn.Linear(4, 4)), (2, 3, 4)),
    "a batch of two": (lambda: nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU(), conv(4, 2, 3)), (2, 3, 5, 5)),
    "squares": (lambda: nn.Sequential(conv(3, 4, 3), Square(), conv(4, 2, 3), nn.ReLU()), IMAGE),
    "sum": (lambda: Net(lambda net, x: net.get_submodule("a")(x).sum(1), a=nn.Linear(8, 6)), ROW),
    "left to EZKL": (lambda: nn.Sequential(nn.Linear(8, 6), nn.Softmax(1)), ROW),
}  # fmt: skip


def build(folder: Path, module: nn.Module, shape: tuple[int, ...], **options: object) -> tuple[Path, CheckedCircuit]:
    torch.manual_seed(1)
    path = export_onnx(module.eval(), (torch.randn(shape),), folder / "n.onnx", ("x",), ("y",)).path
    layout = CheckedOptions(**{"activation_bits": 7, "logrows": 12, **options})  # type: ignore[arg-type]
    return path, build_checked(path, layout, folder / "nodes", budget=BUDGET)


def witness(folder: Path, circuit: CheckedCircuit, part: int, columns: Sequence[Sequence[int]]) -> list[list[int]]:
    """What EZKL's witness of a part gives out, for these columns and an honest challenge."""
    found = circuit.parts[part]
    file = {name: str(folder / f"{part}-{name}") for name in ("onnx", "settings", "compiled", "data", "witness")}
    Path(file["onnx"]).write_bytes(found.model)
    options = circuit_options(circuit.program.options)
    backend.gen_settings(
        onnx=file["onnx"], settings=file["settings"], options=options.to_json(), logrows=options.logrows or 0
    )
    backend.compile_circuit(onnx=file["onnx"], compiled=file["compiled"], settings=file["settings"])
    asked = asked_tensor(found.part, found.layout, SEED)
    data = [[int_to_felt(value) for value in column] for column in (*columns, asked)]
    Path(file["data"]).write_text(json.dumps([data]))
    backend.plain_outputs(inputs=file["data"], compiled=file["compiled"], outputs=file["witness"])
    (outputs,) = json.loads(Path(file["witness"]).read_text())
    return [[felt_to_int(felt) for felt in tensor] for tensor in outputs]


def prover_columns(circuit: CheckedCircuit, inputs: Sequence[Tensor]) -> tuple[list[list[list[int]]], list[list[int]]]:
    """Columns of every part, and the outputs that they claim."""
    integers = quantise(circuit.program, inputs)
    run = run_program(circuit.program, integers, circuit.foreign.values)
    salt = draw_salt([part.part for part in circuit.parts])
    values = committed_values(circuit.program, integers, run)
    columns = [fill_columns(part.part, values, salt) for part in circuit.parts]
    return columns, [[int(value) for value in tensor.flatten()] for tensor in run.outputs]


def assert_equal(folder: Path, circuit: CheckedCircuit, inputs: Sequence[Tensor]) -> list[list[int]]:
    columns, outputs = prover_columns(circuit, inputs)
    given = []
    for index, part in enumerate(circuit.parts):
        checks, *public = witness(folder, circuit, index, columns[index])
        assert checks == [0] * (len(part.part.claims) + 1)
        given += public[len(part.part.public_inputs) :]
    assert given == outputs
    return outputs


@pytest.mark.parametrize("name", CASES)
def test_integers_are_ezkl_s(tmp_path: Path, name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    path, circuit = build(tmp_path, make(), shape)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    (output,) = assert_equal(tmp_path, circuit, [x])
    expected = torch.from_numpy(run_onnx(path, (x.numpy(),))[0]).flatten()
    bits = circuit.program.outputs[0].bits
    assert (torch.tensor(output).double() / 2.0**bits - expected).abs().max() < 0.1
    assert bool(circuit.program.foreign) == (name == "left to EZKL")


@pytest.mark.parametrize(
    "name", ["linear", "convolution", "stride", "groups", "a batch of two", "linear over the last axis"]
)
def test_integers_are_ezkl_s_with_bound_weights(tmp_path: Path, name: str) -> None:
    make, shape = CASES[name]
    torch.manual_seed(0)
    _, circuit = build(tmp_path, make(), shape, weights="bound")
    assert any(claim.bound for claim in circuit.program.claims)
    assert_equal(tmp_path, circuit, [torch.randn(shape)])


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_claim_that_is_off_by_one_fails_its_own_check(tmp_path: Path, place: int) -> None:
    """A quotient, a remainder, or a product that is given out."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    _, circuit = build(tmp_path, module, ROW)
    columns, _ = prover_columns(circuit, [torch.randn(ROW)])
    claim = columns[0][0]
    position = (0, 9, 6)[place]  # quotients of the first product, its remainders behind all results, the last product
    claim[position] += 1
    checks = witness(tmp_path, circuit, 0, columns[0])[0]
    assert checks[2] == 0
    broken = [index for index in (0, 1) if checks[index] != 0]
    assert broken == [[0, 1], [0], [1]][place] or (place == 0 and broken == [0])  # a negative quotient is cut off


def test_every_cut(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(conv(3, 4, 3, padding=1), nn.ReLU(), conv(4, 4, 3, padding=1), nn.Hardswish(), conv(4, 2, 3))
    path, circuit = build(tmp_path, module, IMAGE, private_inputs=("x",))
    x = torch.randn(IMAGE)
    whole = assert_equal(tmp_path, circuit, [x])
    cuts = possible_cuts(circuit.program)
    assert len(cuts) == 2
    for chosen in (cuts[:1], cuts[1:], cuts):
        options = CheckedOptions(activation_bits=7, logrows=12, private_inputs=("x",), cuts=chosen)
        parted = build_checked(path, options, tmp_path / "nodes", budget=BUDGET)
        assert len(parted.parts) == len(chosen) + 1
        assert assert_equal(tmp_path, parted, [x]) == whole


def test_weights_behind_squares_keep_their_bits(tmp_path: Path) -> None:
    module, shape = CASES["squares"][0](), CASES["squares"][1]
    path, circuit = build(tmp_path, module, shape, activation_bits=8, logrows=14)
    image = torch.randn(shape, generator=torch.Generator().manual_seed(5))
    run = run_program(circuit.program, quantise(circuit.program, (image,)), circuit.foreign.values)
    (expected,) = run_onnx(path, (image.numpy(),))
    found = run.outputs[0].double().flatten() / 2.0 ** circuit.program.outputs[0].bits
    assert float((found - torch.from_numpy(expected).double().flatten()).abs().max()) < 2.0**-6
