"""Deferred division: the same function with rounded weights, divided in the places that were asked for."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from zk.deferral import defer_rebases

RNG = np.random.default_rng(0)
Weights = dict[str, NDArray[np.float64]]


def model(
    nodes: list[onnx.NodeProto], weights: Weights, given: tuple[int, ...], made: tuple[int, ...]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, given)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, made)],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run_all(found: onnx.ModelProto, x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(found.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, {"x": x})]


def run(found: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return run_all(found, x)[0]


def rounded(values: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    return np.rint(values * 2.0**bits) / 2.0**bits


def layers(count: int, *tail: str, bits: int | None = None) -> onnx.ModelProto:
    """Linear layers of width 6 with ReLU between them; weights rounded to ``bits`` if given."""
    generator = np.random.default_rng(3)
    nodes, weights, last = [], Weights(), "x"
    for index in range(count):
        for name, shape in (("w", (6, 6)), ("b", (6,))):
            value = generator.normal(size=shape) / 2
            # A bias is rounded at the scale of its sum, which has grown by then.
            kept = bits if name == "w" or bits is None else bits * (index + 1)
            weights[f"{name}{index}"] = value if bits is None else rounded(value.astype(np.float32), kept)
        nodes.append(helper.make_node("Gemm", [last, f"w{index}", f"b{index}"], [f"g{index}"], transB=1))
        last = f"g{index}"
        if index + 1 < count:
            nodes.append(helper.make_node("Relu", [last], [f"r{index}"]))
            last = f"r{index}"
    for index, operator in enumerate(tail):
        nodes.append(helper.make_node(operator, [last], [f"t{index}"]))
        last = f"t{index}"
    nodes[-1].output[0] = "y"
    return model(nodes, weights, (1, 6), (1, 6))


INPUT = np.random.default_rng(1).normal(size=(1, 6)).astype(np.float32)


@pytest.mark.parametrize("tail", [(), ("Tanh",), ("Tanh", "Relu"), ("Tanh", "Sigmoid")])
def test_outputs_are_those_of_rounded_weights(tail: tuple[str, ...]) -> None:
    found = defer_rebases(layers(3, *tail), bits=7)
    np.testing.assert_allclose(run(found, INPUT), run(layers(3, *tail, bits=7), INPUT), rtol=1e-4, atol=1e-5)


def test_weights_are_whole_numbers() -> None:
    found = defer_rebases(layers(3, "Tanh"), bits=7)
    layers_found = [node for node in found.graph.node if node.op_type == "Gemm"]
    values = {slot.name: numpy_helper.to_array(slot) for slot in found.graph.initializer}
    whole = [[np.array_equal(values[name], np.rint(values[name])) for name in node.input[1:]] for node in layers_found]
    assert whole == [[True, True], [True, True], [True, False]]  # the last bias is a true value, as the sum is


def divisions(found: onnx.ModelProto) -> list[float]:
    """Logarithms of the factors below one, in order."""
    constants = {slot.name: numpy_helper.to_array(slot) for slot in found.graph.initializer}
    factors = [constants[node.input[1]] for node in found.graph.node if node.op_type == "Mul"]
    return [float(np.log2(factor)) for factor in factors if factor < 1]


def test_one_division_before_the_table() -> None:
    found = defer_rebases(layers(3, "Tanh"), bits=7)
    assert divisions(found) == [-21.0]
    kinds = [node.op_type for node in found.graph.node]
    assert kinds == ["Gemm", "Relu", "Gemm", "Relu", "Mul", "Gemm", "Tanh"]


def test_without_a_table_only_the_scale_of_the_output_changes() -> None:
    found = defer_rebases(layers(2), bits=5)
    assert divisions(found) == [-10.0]
    assert Counter(node.op_type for node in found.graph.node) == {"Gemm": 2, "Relu": 1, "Mul": 1}


def test_divisions_after_every_second_product() -> None:
    found = defer_rebases(layers(4, "Tanh"), bits=7, every=2)
    assert divisions(found) == [-14.0, -14.0]
    np.testing.assert_allclose(run(found, INPUT), run(layers(4, "Tanh"), INPUT), atol=0.05)


def test_sums_are_aligned_and_constants_grow_along() -> None:
    """``y = (w x) / 4 + 3 x + 0.3``: the branches have grown by different factors; the quarter is free."""
    weight = RNG.normal(size=(6, 6))
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Mul", ["p", "quarter"], ["q"]),
        helper.make_node("Add", ["q", "x"], ["s"]),
        helper.make_node("Add", ["s", "c"], ["y"]),
    ]
    constants = {"w": weight, "quarter": np.array(0.25), "c": np.array(0.3)}
    plain = model(nodes, constants, (1, 6), (1, 6))
    found = defer_rebases(plain, bits=8)
    exact = INPUT @ rounded(weight.astype(np.float32), 8) / 4 + INPUT + np.rint(0.3 * 2**10) / 2**10
    np.testing.assert_allclose(run(found, INPUT), exact, rtol=1e-5, atol=1e-5)
    assert divisions(found) == [-10.0]


def test_a_factor_that_is_no_power_of_two_is_a_product() -> None:
    plain = model([helper.make_node("Mul", ["x", "f"], ["y"])], {"f": np.array(0.2)}, (1, 6), (1, 6))
    found = defer_rebases(plain, bits=7)
    np.testing.assert_allclose(run(found, INPUT), INPUT * np.rint(0.2 * 128) / 128, rtol=1e-6)


def test_a_constant_too_fine_for_the_input_raises_it() -> None:
    plain = model([helper.make_node("Add", ["x", "c"], ["y"])], {"c": np.array(0.3)}, (1, 6), (1, 6))
    found = defer_rebases(plain, bits=7)
    np.testing.assert_allclose(run(found, INPUT), INPUT + np.rint(0.3 * 128) / 128, rtol=1e-5)


def test_an_output_that_others_read_too() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Tanh", ["y"], ["z"]),
    ]
    plain = model(nodes, {"w": RNG.normal(size=(6, 6))}, (1, 6), (1, 6))
    plain.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 6)))
    found = defer_rebases(plain, bits=9)
    for ours, theirs in zip(run_all(found, INPUT), run_all(plain, INPUT), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.03)
