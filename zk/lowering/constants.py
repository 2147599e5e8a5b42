"""Constant folding, and one spelling for scalar factors."""

from __future__ import annotations

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from zk.lowering.graph import Graph
from zk.lowering.rule import Rule

_KEPT = frozenset({"Dropout", "RandomNormal", "RandomUniform"})
_LARGEST_FOLDED = 1 << 24


def _fold(graph: Graph) -> int:
    folded = 0
    for node in list(graph.nodes):
        if node.op_type in _KEPT or node.output[0] in graph.outputs:
            continue
        if node.op_type == "Shape":
            value = np.array(graph.shape(node.input[0]), np.int64)
        elif all(name == "" or graph.constant(name) is not None for name in node.input) and node.input:
            if len(node.output) != 1 or any(slot.type == onnx.AttributeProto.GRAPH for slot in node.attribute):
                continue
            value = _evaluate(graph, node)
            if value.size > _LARGEST_FOLDED:
                continue
        else:
            continue
        graph.make_constant(node, value)
        folded += 1
    graph.prune()
    return folded


def _evaluate(graph: Graph, node: onnx.NodeProto) -> np.ndarray:
    names = [name for name in node.input if name]
    feeds = {name: graph.constant(name) for name in names}
    slots = [onnx.ValueInfoProto(name=name) for name in feeds]
    body = onnx.helper.make_graph([node], "fold", slots, [onnx.ValueInfoProto(name=node.output[0])])
    model = onnx.helper.make_model(body, opset_imports=graph.opset_imports)
    return np.asarray(ReferenceEvaluator(model).run(None, feeds)[0])


def _spell_scalars(graph: Graph) -> int:
    """Division by a constant as a product, a constant tensor of equal numbers as one number, two factors as one."""
    changed = 0
    for node in graph.of("Div", "Mul"):
        factor, value = graph.scalar(node.input[1]), node.input[0]
        if factor is None and node.op_type == "Mul":
            factor, value = graph.scalar(node.input[0]), node.input[1]
        if factor is None or factor == 0 or graph.constant(value) is not None:
            continue
        if graph.shape(node.output[0]) != graph.shape(value):
            continue
        scale = 1 / factor if node.op_type == "Div" else factor
        inner = graph.producer(value)
        merged = False
        if inner is not None and inner.op_type == "Mul" and graph.only_consumer(value) is node:
            first = graph.scalar(inner.input[1])
            if first is not None and graph.shape(inner.input[0]) == graph.shape(value):
                scale, value, merged = scale * first, inner.input[0], True
        plain = node.op_type == "Mul" and node.input[0] == value and graph.shape(node.input[1]) == ()
        if plain and not merged and scale != 1:
            continue
        if scale == 1:
            graph.replace(node, value)
        else:
            shape = graph.shape(value)
            graph.replace(node, graph.emit("Mul", [value, np.array(scale, np.float32)], shape))
        changed += 1
    graph.prune()
    return changed


CONSTANT_FOLDING = Rule("constant-folding", "computes what depends on constants only, shapes included", _fold, True)
POWER_OF_TWO_SCALE = Rule(
    "power-of-two-scale",
    "writes scalar divisions and chains of factors as one factor: by 2^-j it is free, a change of scale",
    _spell_scalars,
    True,
)
