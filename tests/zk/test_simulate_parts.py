"""Parts of the simulator without EZKL: exact arithmetic beyond float64, the file reader, what is refused."""

import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zk.field import MODULUS
from zk.simulate import IntegerCircuit
from zk.simulation.bincode import BincodeReader
from zk.simulation.compiled import CompiledGraph, Node, Operator
from zk.simulation.errors import SimulationError
from zk.simulation.exact import INT_LIMIT, add, common, contract, divide, multiply, round_half_away, settle, total
from zk.simulation.guard import RangeGuard
from zk.simulation.linear import convolve, deconvolve, einsum
from zk.simulation.lookups import look_up
from zk.simulation.operators import evaluate

ARGS = {"input_scale": 7, "param_scale": 7, "decomp_base": 128, "decomp_legs": 2, "lookup_range": [-9, 9], "logrows": 9}


def integers(values: list[int]) -> torch.Tensor:
    return settle(torch.tensor(values, dtype=torch.int64))


def guard() -> RangeGuard:
    return RangeGuard(1, ARGS, torch.device("cpu"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.5, 1),
        (-0.5, -1),
        (1.5, 2),
        (2.5, 3),
        (-2.5, -3),
        (0.49999999999999994, 0),
        (-0.2, 0),
        (2.0**52 + 1, 2**52 + 1),
    ],
)
def test_halves_round_away_from_zero(value: float, expected: int) -> None:
    assert round_half_away(torch.tensor([value], dtype=torch.float64)).item() == expected


def test_division_goes_through_float64_as_ezkls_does() -> None:
    # 2**54 + 127 is not a float64; the nearest one, 2**54 + 128, is half way between two multiples of 256
    wide = torch.tensor([2**54 + 127, 2**54 + 125, 2**54 + 129, -(2**54) - 127], dtype=torch.int64)
    assert divide(wide, 256.0).tolist() == [2**46 + 1, 2**46, 2**46 + 1, -(2**46) - 1]


@given(
    st.lists(st.integers(-(2**30), 2**30), min_size=12, max_size=12),
    st.lists(st.integers(-(2**29), 2**29), min_size=12, max_size=12),
)
@settings(max_examples=50, deadline=None)
def test_contractions_are_exact_beyond_float64(left: list[int], right: list[int]) -> None:
    x, w = np.array(left, object).reshape(3, 4), np.array(right, object).reshape(4, 3)
    if any(sum(abs(a) * abs(b) for a, b in zip(row, column, strict=True)) >= 2**61 for row in x for column in w.T):
        return
    expected = (x @ w).tolist()
    found = einsum("ab,bc->ac", [integers(left).reshape(1, 3, 4), integers(right).reshape(1, 4, 3)])
    assert found[0].long().tolist() == expected


@pytest.mark.parametrize(("x_bits", "w_bits"), [(20, 20), (40, 18), (18, 40), (30, 28), (55, 3), (3, 55)])
def test_convolutions_are_exact_at_every_size(x_bits: int, w_bits: int) -> None:
    source = np.random.default_rng(x_bits)
    x = source.integers(-(1 << x_bits), 1 << x_bits, (1, 1, 1, 3, 3))
    w = source.integers(-(1 << w_bits), 1 << w_bits, (1, 1, 1, 2, 2))
    b = source.integers(-(1 << w_bits), 1 << w_bits, (1, 1))
    fields = {
        "padding": ((0, 1), (1, 0)),
        "stride": (1, 2),
        "group": 1,
        "data_format": "NCHW",
        "kernel_format": "OIHW",
    }
    found = convolve(fields, [settle(torch.from_numpy(part)) for part in (x, w, b)])
    padded = np.pad(x[0, 0, 0].astype(object), ((0, 1), (1, 0)))
    expected = [
        [
            sum(padded[i + u, 2 * j + v] * int(w[0, 0, 0, u, v]) for u in (0, 1) for v in (0, 1)) + int(b[0, 0])
            for j in (0, 1)
        ]
        for i in (0, 1, 2)
    ]
    assert found[0, 0, 0].long().tolist() == expected
    assert found.dtype == (torch.float64 if x_bits + w_bits < 50 else torch.int64)


def test_bounds_count_every_term_of_a_sum() -> None:
    # odd sums beyond 2**53, although no single product is
    x = integers([2**50 + 1] * 15)
    assert einsum("ab,c->c", [x.reshape(1, 5, 3), integers([3]).reshape(1, 1)]).tolist() == [[45 * (2**50 + 1)]]
    fields = {
        "padding": ((0, 0),),
        "output_padding": (0,),
        "stride": (1,),
        "group": 1,
        "data_format": "NCHW",
        "kernel_format": "OIHW",
    }
    found = deconvolve(fields, [x.reshape(1, 1, 15, 1), integers([3] * 15).reshape(1, 1, 15, 1)])
    assert found.flatten().tolist() == [45 * (2**50 + 1)]


def test_elementwise_results_switch_type_and_stop_at_62_bits() -> None:
    big, small = integers([2**52 + 1]), integers([2**52])
    assert add(big, small).tolist() == [2**53 + 1]
    assert multiply(big, integers([2**9])).tolist() == [(2**52 + 1) * 2**9]
    assert total(integers([2**53 - 1, 1, 1]), (0,), 3).tolist() == [2**53 + 1]
    assert [x.dtype for x in common((big, integers([2**60])))] == [torch.int64] * 2
    for bad in (lambda: multiply(big, small), lambda: add(integers([2**61]), integers([2**61]))):
        with pytest.raises(SimulationError, match=r"below 2\*\*62"):
            bad()
    with pytest.raises(SimulationError, match=r"below 2\*\*62"):
        contract(big, small, lambda w: int(w.abs().max()), torch.mul)


def test_float_and_int64_do_not_meet_in_one_operation() -> None:
    large, small = integers([2**53 + 1, 3]).reshape(1, 2), integers([5, 7]).reshape(1, 2)
    expected = {
        "Add": [2**53 + 6, 10],
        "Sub": [2**53 - 4, -4],
        "hybrid:Max": [2**53 + 1, 7],
        "hybrid:Min": [5, 3],
    }
    for name, values in expected.items():
        node = Node(0, Operator(name), (1, 2), 7, (2,))
        assert evaluate(node, [large, small], guard()).long().tolist() == [values], name
    joined = Node(0, Operator("Concat", {"axis": 0}), (1, 2), 7, (4,))
    assert evaluate(joined, [large, small], guard()).long().tolist() == [[2**53 + 1, 3, 5, 7]]
    leaky = Node(0, Operator("LeakyReLU", {"slope": 0.25, "scale": 4}), (1,), 7, (2,))
    assert evaluate(leaky, [-large], guard()).long().tolist() == [[-4 * (2**53 + 1), -12]]
    least = Node(0, Operator("hybrid:ReduceMin", {"axes": (0,)}), (1,), 7, (1,))
    assert evaluate(least, [-large], guard()).long().tolist() == [[-(2**53) - 1]]


@pytest.mark.parametrize(
    ("operator", "match"),
    [
        (Operator("hybrid:Softmax"), r"node 9: hybrid:Softmax is not simulated; supported are Abs"),
        (Operator("Downsample", {"axis": 0, "stride": 2**64 - 1, "modulo": 0}), r"node 9 \(Downsample\): strides"),
        (Operator("hybrid:Gather", {"dim": 0, "indices": None}), r"node 9 \(hybrid:Gather\): indices must be const"),
        (Operator("Neg"), r"node 9 \(Neg\) must have shape \(2,\); found \(3,\)"),
        (Operator("Neg", divisor=0.5), r"node 9 \(Neg\): divisors must be whole"),
        (Operator("lookup:Tanh", {"scale": 2.0**21}), r"node 9 \(lookup:Tanh\): tables must have scales up to 1048576"),
    ],
)
def test_what_is_not_modelled_is_refused(operator: Operator, match: str) -> None:
    with pytest.raises(SimulationError, match=match):
        evaluate(Node(9, operator, (0,), 7, (2,)), [torch.zeros(1, 3, dtype=torch.float64)], guard())


def test_convolutions_of_other_kinds_are_refused() -> None:
    fields = {"padding": ((0, 0),), "stride": (1,), "group": 1, "data_format": "NHWC", "kernel_format": "OIHW"}
    x, kernel = torch.zeros(2, 1, 1, 3), torch.zeros(1, 1, 1, 2)
    with pytest.raises(SimulationError, match="axes must be NCHW"):
        convolve(fields, [x, kernel])
    with pytest.raises(SimulationError, match="must be constants of the circuit"):
        convolve(fields | {"data_format": "NCHW"}, [x, kernel.expand(2, 1, 1, 2)])
    with pytest.raises(SimulationError, match="batch of 1"):
        convolve(fields | {"data_format": "NCHW"}, [x.expand(2, 3, 1, 3), kernel])


def test_circuits_with_other_inputs_or_operators_are_refused() -> None:
    settings_of = {"run_args": ARGS, "model_input_scales": [7], "model_output_scales": [7]}
    given_int = Node(0, Operator("Input", {"datum": 4}), (), 7, (1, 2))
    given_float = Node(0, Operator("Input", {"datum": 2}), (), 7, (1, 2))
    with pytest.raises(SimulationError, match="must be a float32 tensor"):
        IntegerCircuit(CompiledGraph((given_int,), (0,), (0,)), settings_of)
    unknown = Node(1, Operator("hybrid:TopK"), (0,), 7, (1, 2))
    with pytest.raises(SimulationError, match="node 1: hybrid:TopK is not simulated"):
        IntegerCircuit(CompiledGraph((given_float, unknown), (0,), (1,)), settings_of)


def test_sigmoid_at_great_scales_does_not_depend_on_torchs_last_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.arange(-40, 41, dtype=torch.float64)
    expected = look_up("Sigmoid", x, 2.0**20)
    exact = torch.exp
    monkeypatch.setattr(torch, "exp", lambda v: exact(v) * (1.0 + 2.0**-50))
    assert torch.equal(look_up("Sigmoid", x, 2.0**20), expected)
    assert torch.equal(look_up("Sigmoid", x, 2.0**10), torch.round(2.0**10 / (1 + exact(-x / 2.0**10))))
    assert expected[40].item() == 2**19


def test_field_elements_are_signed_and_bounded() -> None:
    values = [0, 1, -1, 2**62 - 1, 1 - 2**62]
    data = struct.pack("<Q", len(values)) + b"".join((value % MODULUS).to_bytes(32, "little") for value in values)
    assert BincodeReader(data).felts().tolist() == values
    for bad in (2**62, -(2**62), MODULUS // 2):
        with pytest.raises(SimulationError, match=r"less than 2\*\*62"):
            BincodeReader(struct.pack("<Q", 1) + (bad % MODULUS).to_bytes(32, "little")).felts()
    assert INT_LIMIT == 2**62


def test_the_reader_takes_what_is_there_and_no_more() -> None:
    data = struct.pack("<IiQfd?", 7, -7, 9, 0.5, 0.25, True) + struct.pack("<Q", 2) + b"ab" + b"\x00" + b"\x02"
    reader = BincodeReader(data)
    assert (reader.u32(), reader.i32(), reader.u64(), reader.f32(), reader.f64()) == (7, -7, 9, 0.5, 0.25)
    assert (reader.boolean(), reader.text(), reader.option(reader.u32)) == (True, "ab", None)
    with pytest.raises(SimulationError, match="must be 0 or 1"):
        reader.boolean()
    with pytest.raises(SimulationError, match="ends at byte"):
        reader.u128()
