"""Layer normalisation in checked form: near torch's, exactly EZKL's integers, a table and no square root, provable."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.zk.checked.test_checked_operators import BUDGET, Net, assert_equal, build
from zk.checked.bounds import _foreign_bound
from zk.checked.circuit import CheckedCircuit
from zk.checked.errors import CheckedError
from zk.checked.evaluate import quantise, run_program
from zk.checked.program import Claim, Foreign
from zk.checked.prove import Proving
from zk.checked.run import prove_checked
from zk.circuit_cost import load_settings
from zk.types import Wiring


def layer(*shape: int) -> nn.LayerNorm:
    """A layer as after some training."""
    found = nn.LayerNorm(shape)
    generator = torch.Generator().manual_seed(2)
    found.weight.data = 1 + 0.1 * torch.randn(shape, generator=generator)
    found.bias.data = 0.1 * torch.randn(shape, generator=generator)
    return found


def linear(into: int, out: int) -> nn.Linear:
    """A layer whose weights do not depend on what was drawn before."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Linear(into, out)


def drawn(*shape: int, size: float = 1.0) -> Tensor:
    return size * torch.randn(shape, generator=torch.Generator().manual_seed(5))


def outputs(circuit: CheckedCircuit, x: Tensor) -> Tensor:
    run = run_program(circuit.program, quantise(circuit.program, [x]), circuit.foreign.values)
    return run.outputs[0].double() / 2.0 ** circuit.program.outputs[0].bits


CASES: dict[str, tuple[nn.Module, tuple[int, ...], dict[str, object]]] = {
    "image": (layer(3, 4, 4), (1, 3, 4, 4), {"private_inputs": ("x",)}),
    "rows, without weights": (nn.LayerNorm(8, elementwise_affine=False), (2, 3, 8), {}),
    "no group of squares": (layer(7), (1, 5, 7), {}),
    "more elements than a table": (layer(96), (1, 96), {"logrows": 6, "activation_bits": 2}),
    "two, between products": (
        nn.Sequential(linear(8, 6), layer(6), linear(6, 6), layer(6), nn.ReLU(), linear(6, 3)), (1, 8), {}),
    "bound weights": (nn.Sequential(linear(8, 6), layer(6), linear(6, 3)), (1, 8), {"weights": "bound"}),
    "residual, of a table": (
        Net(lambda net, x: x + net.get_submodule("norm")(torch.relu(x)), norm=layer(8)), (1, 8), {}),
    "of a squashed value": (
        Net(lambda net, x: net.get_submodule("norm")(torch.tanh(net.get_submodule("a")(x))),
            a=linear(8, 6), norm=layer(6)), (1, 8), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_integers_are_ezkl_s(tmp_path: Path, name: str) -> None:
    module, shape, options = CASES[name]
    torch.manual_seed(0)
    _, circuit = build(tmp_path, module, shape, **options)
    x = drawn(*shape).clamp(-1.9, 1.9) if "logrows" in options else drawn(*shape)
    assert_equal(tmp_path, circuit, [x])
    error = (outputs(circuit, x).reshape(-1) - module(x).detach().reshape(-1)).abs().max()
    assert error < (0.6 if "logrows" in options else 0.05)
    assert all("Pow" in entry for entry in circuit.program.foreign)


@pytest.mark.parametrize(
    ("shape", "size", "logrows", "bits", "most"),
    [
        ((1, 24), 1.0, 10, 6, 0.05),
        ((1, 4, 16, 16), 1.0, 18, 14, 1e-3),
        ((1, 4, 16, 16), 0.1, 18, 14, 5e-3),
        ((1, 4, 16, 16), 3.0, 18, 13, 2e-3),
        ((1, 3, 5, 7), 1.0, 16, 12, 2e-3),
    ],
)
def test_values_are_near_torch_s(
    tmp_path: Path, shape: tuple[int, ...], size: float, logrows: int, bits: int, most: float
) -> None:
    module = layer(*shape[1:])
    _, circuit = build(tmp_path, module, shape, logrows=logrows, activation_bits=bits)
    x = drawn(*shape, size=size)
    error = float((outputs(circuit, x).reshape(shape) - module(x).detach()).abs().max())
    assert 0 < error < most


def test_equal_elements_give_the_bias(tmp_path: Path) -> None:
    """A variance of 0 is looked up as the least that has an entry."""
    module = layer(8)
    _, circuit = build(tmp_path, module, (1, 8), activation_bits=8)
    x = torch.full((1, 8), 0.75)
    assert_equal(tmp_path, circuit, [x])
    assert (outputs(circuit, x) - module.bias.detach()).abs().max() < 2.0**-8


def test_the_root_is_a_static_table(tmp_path: Path) -> None:
    _, circuit = build(tmp_path, layer(8), (1, 8))
    (step,) = (step for step in circuit.program.steps if isinstance(step, Foreign))
    assert circuit.foreign.rows(step) < 40
    (path,) = (tmp_path / "nodes").rglob("settings.json")
    settings = load_settings(path)
    (lookup,) = settings["required_lookups"]
    assert lookup["Pow"]["a"] == -0.5
    assert settings["required_range_checks"] == []


def test_the_tables_greatest_entry_is_counted(tmp_path: Path) -> None:
    """The table's entry is greatest where its operand is least: the operand's bound is not the result's."""
    _, circuit = build(tmp_path, layer(8), (1, 8))
    (step,) = (step for step in circuit.program.steps if isinstance(step, Foreign))
    reach = circuit.program.options.half_range
    greatest = 2 ** (3 * step.output.declared // 2)
    assert reach < greatest < _foreign_bound(step, {step.inputs[0].name: reach})


def test_nothing_is_divided_element_by_element_where_the_result_is_given_out(tmp_path: Path) -> None:
    module = layer(2, 8, 16)
    _, circuit = build(tmp_path, module, (1, 2, 8, 16), num_inner_cols=1, private_inputs=("x",), activation_bits=8)
    claimed = sum(step.output.size for step in circuit.program.steps if isinstance(step, Claim))
    assert claimed < 256 / 7
    assert sum(part.rows for part in circuit.parts) < 12 * 256


def test_a_size_without_divisors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckedError, match="equal groups"):
        build(tmp_path, nn.LayerNorm(61), (1, 61), logrows=6, activation_bits=3)


def test_a_proof_counts_and_takes_no_more_rows(tmp_path: Path) -> None:
    """Settings ask for the predicted rows: were they too few, there would be no key."""
    module = layer(150)
    path, circuit = build(tmp_path, module, (1, 150), logrows=9, activation_bits=5, private_inputs=("x",))
    run = prove_checked(path, circuit, [drawn(1, 150)], Proving(tmp_path / "proved", tmp_path / "srs", BUDGET))
    assert run.counts_as_proved
    assert run.wiring is Wiring.LINKED
    assert run.fidelity is not None
    assert run.fidelity.mean_abs_error < 0.05
