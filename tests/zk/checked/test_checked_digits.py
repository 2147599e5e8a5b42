"""An input in two digits is the same input, in shorter tables."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zk.checked.circuit import build_checked
from zk.checked.digits import split_input
from zk.checked.errors import CheckedError
from zk.checked.evaluate import quantise, run_program
from zk.checked.options import CheckedOptions
from zk.export import export_onnx, run_onnx
from zk.types import Budget

BUDGET = Budget(4 << 30, 120.0)


@pytest.fixture
def dense(tmp_path: Path) -> tuple[nn.Linear, Path]:
    torch.manual_seed(0)
    module = nn.Linear(12, 5).eval()
    export_onnx(module, (torch.randn(1, 12),), tmp_path / "d.onnx", ("x",), ("y",))
    return module, tmp_path / "d.onnx"


@pytest.mark.parametrize(("coarse", "fine"), [(5, 5), (4, 3), (1, 6)])
def test_the_digits_add_up_and_stay_small(dense: tuple[nn.Linear, Path], coarse: int, fine: int) -> None:
    digits = split_input(dense[1], dense[1].with_name("two.onnx"), coarse, fine)
    assert digits.names == ("x_coarse", "x_fine")
    x = torch.cat([torch.randn(1, 500) * 3, torch.tensor([[0.0, 1.0, -1.0, 2.0**-11, -(2.0**-11)]])], 1)
    high, low = digits.split(x)
    whole = high + low * 2.0**-fine
    assert (whole - x).abs().max() <= 0.5 / 2 ** (coarse + fine)
    for digit in (high, low):
        assert torch.equal(digit * 2**coarse, (digit * 2**coarse).round())
    assert (low * 2**coarse).min() >= -(2 ** (fine - 1))
    assert (low * 2**coarse).max() < 2 ** (fine - 1)


def test_the_network_is_the_same(dense: tuple[nn.Linear, Path]) -> None:
    module, path = dense
    target = path.with_name("two.onnx")
    digits = split_input(path, target, 6, 8)
    x = torch.randn(1, 12)
    found = run_onnx(target, tuple(digit.float().numpy() for digit in digits.split(x)))[0]
    assert np.abs(found - module(x).detach().numpy()).max() < 1e-3


def test_short_tables_hold_a_fine_input(dense: tuple[nn.Linear, Path]) -> None:
    """Ten bits of the input and fifteen of the weights, in tables of nine bits."""
    module, path = dense
    target = path.with_name("two.onnx")
    digits = split_input(path, target, 5, 5)
    options = CheckedOptions(activation_bits=5, logrows=9, private_inputs=digits.names)
    circuit = build_checked(target, options, path.parent, budget=BUDGET)
    x = torch.randn(1, 12)
    run = run_program(circuit.program, quantise(circuit.program, digits.split(x)), circuit.foreign.values)
    error = run.outputs[0] / 2.0 ** circuit.program.outputs[0].bits - module(x).double()
    assert error.abs().max() < 2e-3
    alone = CheckedOptions(activation_bits=7, logrows=9, private_inputs=("x",))
    plain = build_checked(path, alone, path.parent, budget=BUDGET)
    with pytest.raises(CheckedError, match="tables hold"):
        run_program(plain.program, quantise(plain.program, (x + 3,)), plain.foreign.values)


def test_weights_of_an_undivided_product_are_fine_at_every_height(dense: tuple[nn.Linear, Path]) -> None:
    module, path = dense
    for logrows in (9, 12, 17):
        options = CheckedOptions(activation_bits=6, logrows=logrows, private_inputs=("x",))
        program = build_checked(path, options, path.parent, budget=BUDGET).program
        (claim,) = program.claims
        assert claim.map is not None
        weights = claim.map.weight / 2.0 ** (claim.output.bits - claim.inputs[0].bits)
        assert (weights.reshape(-1).sort().values - module.weight.flatten().sort().values).abs().max() <= 2.0**-15


def test_only_one_input_has_digits(dense: tuple[nn.Linear, Path], tmp_path: Path) -> None:
    with pytest.raises(CheckedError, match="at least one bit"):
        split_input(dense[1], tmp_path / "t.onnx", 0, 3)
