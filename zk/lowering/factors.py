"""Scalar factors as part of the weights around them."""

from __future__ import annotations

import math

import numpy as np
import onnx

from zk.lowering.graph import Graph
from zk.lowering.linear import LINEAR, output_channels, scale_linear
from zk.lowering.rule import Rule

_MOVES = ("Reshape", "Transpose", "Flatten", "DepthToSpace", "SpaceToDepth", "Slice", "Concat", "Squeeze", "Unsqueeze")


def _fold(graph: Graph) -> int:
    folded = 0
    for node in graph.of("Mul"):
        factor = graph.scalar(node.input[1])
        if factor is None or graph.shape(node.input[1]) != () or is_free(factor):
            continue
        if _into_previous(graph, node, factor) or _into_next(graph, node, factor):
            folded += 1
    graph.prune()
    return folded


def is_free(factor: float) -> bool:
    """Whether ezkl turns the product by ``factor`` into a change of scale: 2^-j below one."""
    return 0 < factor < 1 and math.log2(1 / factor).is_integer()


def _into_previous(graph: Graph, node: onnx.NodeProto, factor: float) -> bool:
    value: str = node.input[0]
    reader = node
    while graph.is_alone(reader, value):
        layer = graph.producer(value)
        if layer is None:
            return False
        if layer.op_type in LINEAR:
            channels = output_channels(graph, layer)
            if not scale_linear(graph, layer, np.full(channels, factor), np.zeros(channels)):
                return False
            graph.replace(node, node.input[0])
            return True
        if layer.op_type not in _MOVES or layer.op_type == "Concat":
            return False
        value, reader = layer.input[0], layer
    return False


def _into_next(graph: Graph, node: onnx.NodeProto, factor: float) -> bool:
    """Into the weights of the linear layer that alone reads the product, past layers that only move elements."""
    reader, value = graph.only_consumer(node.output[0]), node.output[0]
    while reader is not None and reader.op_type in _MOVES and reader.op_type != "Concat":
        value = reader.output[0]
        reader = graph.only_consumer(value)
    if reader is None or reader.op_type not in LINEAR or reader.input[0] != value:
        return False
    weight = graph.constant(reader.input[1])
    if weight is None:
        return False
    scaled = graph.add_constant((weight.astype(np.float64) * factor).astype(weight.dtype))
    reader.input[1] = scaled
    graph.replace(node, node.input[0])
    return True


FOLD_FACTOR = Rule("fold-factor", "a scalar factor next to a linear layer becomes part of its weights", _fold)
