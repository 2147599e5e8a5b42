"""The engine checks every rule, undoes what saves nothing, and refuses what it cannot read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zk.errors import LoweringError
from zk.lowering import RULES, Graph, Rule, lower


def model(*nodes: onnx.NodeProto, shape: list[object] | None = None, **constants: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape or [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


RELU = helper.make_node("Relu", ["x"], ["y"])


def as_tanh(graph: Graph) -> int:
    for node in graph.of("Relu"):
        graph.replace(node, graph.emit("Tanh", [node.input[0]], graph.shape(node.input[0])))
        return 1
    return 0


def as_maximum(graph: Graph) -> int:
    for node in graph.of("Relu"):
        zero = np.array(0.0, np.float32)
        graph.replace(node, graph.emit("Max", [node.input[0], zero], graph.shape(node.input[0])))
        return 1
    return 0


def test_a_rule_that_changes_the_result_is_an_error() -> None:
    with pytest.raises(LoweringError, match=r"rule lie must keep what the model computes within 0.0001; found"):
        lower(model(RELU), [Rule("lie", "", as_tanh)])


@pytest.mark.parametrize(("after", "always", "kept"), [(5, False, True), (10, False, False), (10, True, True)])
def test_only_savings_are_kept(after: int, always: bool, kept: bool) -> None:
    def cost(candidate: onnx.ModelProto) -> int:
        return 10 if candidate.graph.node[0].op_type == "Relu" else after

    lowering = lower(model(RELU), [Rule("r", "", as_maximum, always)], cost=cost)
    assert lowering.steps[0].kept is kept
    assert (lowering.rows_before, lowering.rows_after) == (10, after if kept else 10)
    assert lowering.model.graph.node[0].op_type == ("Max" if kept else "Relu")


def test_what_ezkl_refuses_is_worth_rewriting_and_a_refused_rewrite_is_not_kept() -> None:
    rule = [Rule("r", "", as_maximum)]
    costs = iter([None, 7])
    assert lower(model(RELU), rule, cost=lambda _: next(costs)).steps[0].kept
    costs = iter([7, None, None])
    assert not lower(model(RELU), rule, cost=lambda _: next(costs)).steps[0].kept


@pytest.mark.parametrize("shape", [["batch", 4], [0, 4]])
def test_shapes_must_be_static(shape: list[object]) -> None:
    with pytest.raises(LoweringError, match="static shape"):
        lower(model(RELU, shape=shape), RULES)


def test_control_flow_is_refused() -> None:
    branch = helper.make_graph([], "b", [], [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    with pytest.raises(LoweringError, match="no control flow; found If"):
        lower(model(node, c=np.array(True)), RULES)


def test_names_of_inputs_and_outputs_stay() -> None:
    chain = [
        helper.make_node("Identity", ["x"], ["a"]),
        helper.make_node("Mul", ["a", "one"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Identity", ["c"], ["y"]),
    ]
    lowered = lower(model(*chain, one=np.ones(1, np.float32)), RULES).model
    assert [slot.name for slot in lowered.graph.input] == ["x"]
    assert [slot.name for slot in lowered.graph.output] == ["y"]
    assert [node.op_type for node in lowered.graph.node] == ["Abs", "Add", "Mul"]


def test_the_argument_is_left_alone() -> None:
    original = model(RELU)
    before = original.SerializeToString()
    assert lower(original, RULES).steps
    assert original.SerializeToString() == before


def test_tensors_that_no_circuit_holds_are_refused_before_they_are_made() -> None:
    with pytest.raises(LoweringError, match=r"at most 67,108,864 elements; 'x' has 3,600,000,000"):
        lower(model(RELU, shape=[60_000, 60_000]), [Rule("r", "", as_maximum)])
    huge = helper.make_node("ConstantOfShape", ["sides"], ["filled"])
    added = helper.make_node("Add", ["x", "filled"], ["y"])
    with pytest.raises(LoweringError, match="'filled' has 40,000,000,000"):
        lower(model(huge, added, shape=[1], sides=np.array([200_000, 200_000])), [Rule("r", "", as_maximum)])


def test_sizes_that_are_computed_are_found_out_in_another_process() -> None:
    """A few hundred bytes of model may ask for any number of zeros, which no inference of shapes sees."""
    nodes = [
        helper.make_node("Mul", ["x", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing"], ["scalar"], keepdims=0),
        helper.make_node("Add", ["scalar", "big"], ["float"]),
        helper.make_node("Cast", ["float"], ["whole"], to=onnx.TensorProto.INT64),
        helper.make_node("Unsqueeze", ["whole", "axis"], ["sides"]),
        helper.make_node("ConstantOfShape", ["sides"], ["filled"]),
        helper.make_node("ReduceMax", ["filled"], ["most"], keepdims=0),
        helper.make_node("Add", ["x", "most"], ["y"]),
    ]
    weights = {"zero": np.zeros(1, np.float32), "big": np.array(2e9, np.float32), "axis": np.array([0])}
    with pytest.raises(LoweringError, match="onnxruntime must run the model; (out_of_memory|refused)"):
        lower(declared(model(*nodes, **weights)), [Rule("r", "", as_maximum)])


def declared(found: onnx.ModelProto) -> onnx.ModelProto:
    """As a sender would have it: all that no inference finds is said to be small."""
    for name, kind in (("sides", TensorProto.INT64), ("filled", TensorProto.FLOAT)):
        found.graph.value_info.append(helper.make_tensor_value_info(name, kind, [1]))
    return found


def test_what_is_drawn_is_refused_where_sizes_are_computed() -> None:
    drawn = helper.make_node("RandomNormalLike", ["x"], ["noise"])
    sides = helper.make_node("Shape", ["noise"], ["sides"])
    filled = helper.make_node("ConstantOfShape", ["counts"], ["filled"])
    counts = helper.make_node("NonZero", ["noise"], ["places"])
    whole = helper.make_node("Reshape", ["places", "flat"], ["counts"])
    added = helper.make_node("Add", ["x", "filled"], ["y"])
    network = model(drawn, sides, counts, whole, filled, added, flat=np.array([-1]))
    with pytest.raises(LoweringError, match="draws nothing at random; found RandomNormalLike"):
        lower(network, [Rule("r", "", as_maximum)])


def test_all_tensors_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zk.lowering.engine.MOST_ELEMENTS_IN_ALL", 10)
    with pytest.raises(LoweringError, match="all tensors must have at most 10"):
        lower(model(RELU, shape=[8]), [Rule("r", "", as_maximum)])


def test_control_flow_in_a_function_of_the_model_is_refused_too() -> None:
    body = helper.make_graph([], "body", [], [])
    choice = helper.make_node("If", ["a"], ["b"], then_branch=body, else_branch=body)
    local = helper.make_function("own", "Hidden", ["a"], ["b"], [choice], [helper.make_opsetid("", 17)])
    hidden = model(helper.make_node("Hidden", ["x"], ["y"], domain="own"))
    hidden.functions.append(local)
    with pytest.raises(LoweringError, match="no control flow; found If"):
        lower(hidden, RULES)
