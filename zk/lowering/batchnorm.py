"""BatchNorm as part of the linear layer before it, or as one factor and one sum for each channel."""

from __future__ import annotations

import numpy as np
import onnx

from zk.lowering.graph import Array, Graph, attributes_of
from zk.lowering.linear import LINEAR, scale_linear
from zk.lowering.rule import Rule

_TRAILS = ("Reshape", "Flatten", "DepthToSpace")


def _affine(graph: Graph, node: onnx.NodeProto) -> tuple[Array, Array] | None:
    values = [graph.constant(name) for name in node.input[1:5]]
    if any(value is None for value in values) or int(attributes_of(node).get("training_mode", 0)):
        return None
    gain, shift, mean, variance = (np.asarray(value, np.float64) for value in values)
    factor = gain / np.sqrt(variance + float(attributes_of(node).get("epsilon", 1e-5)))
    return factor, shift - mean * factor


def _fold(graph: Graph) -> int:
    folded = 0
    for node in graph.of("BatchNormalization"):
        affine = _affine(graph, node)
        if affine is None:
            continue
        factor, shift = affine
        if not _fold_into_producer(graph, node, factor, shift):
            shape = graph.shape(node.input[0])
            view = (1, -1) + (1,) * (len(shape) - 2)
            scaled = graph.emit("Mul", [node.input[0], factor.reshape(view).astype(np.float32)], shape)
            moved = graph.emit("Add", [scaled, shift.reshape(view).astype(np.float32)], shape)
            graph.replace(node, moved)
        folded += 1
    graph.prune()
    return folded


def _fold_into_producer(graph: Graph, node: onnx.NodeProto, factor: Array, shift: Array) -> bool:
    """Walk back over layers that only move elements, spreading the channels' numbers over what becomes of them."""
    value, reader = node.input[0], node
    channels = len(factor)
    while True:
        if not graph.is_alone(reader, value):
            return False
        layer = graph.producer(value)
        if layer is None:
            return False
        if layer.op_type in LINEAR:
            if not scale_linear(graph, layer, factor, shift):
                return False
            graph.replace(node, node.input[0])
            return True
        if layer.op_type not in _TRAILS:
            return False
        before, after = graph.shape(layer.input[0]), graph.shape(value)
        if layer.op_type == "DepthToSpace":
            facts = attributes_of(layer)
            if facts.get("mode", "DCR") != "CRD":
                return False
            repeat = int(facts["blocksize"]) ** 2
        else:
            if before[0] != after[0] or after[1] != channels or before[1] % channels or len(before) > 2:
                return False
            repeat = before[1] // channels
        factor, shift = np.repeat(factor, repeat), np.repeat(shift, repeat)
        channels = len(factor)
        value, reader = layer.input[0], layer


FOLD_BATCHNORM = Rule(
    "fold-batchnorm", "multiplies BatchNorm into the weights before it; alone, one factor and one sum", _fold
)
