"""Reading and scaling the weights of linear layers."""

from __future__ import annotations

import numpy as np
import onnx

from zk.lowering.graph import Array, Graph, attributes_of

LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def weights_of(graph: Graph, node: onnx.NodeProto) -> tuple[Array, Array | None] | None:
    """Constant weight and bias of a layer; None if they are computed, or another operand is the constant one."""
    weight = graph.constant(node.input[1])
    if weight is None or (node.op_type == "MatMul" and weight.ndim != 2):
        return None
    if len(node.input) > 2 and node.input[2]:
        bias = graph.constant(node.input[2])
        return None if bias is None else (weight, bias)
    return weight, None


def output_channels(graph: Graph, node: onnx.NodeProto) -> int:
    """Channels of the layer's output."""
    return graph.shape(node.output[0])[-1 if node.op_type == "MatMul" else 1]


def scale_linear(graph: Graph, node: onnx.NodeProto, factor: Array, shift: Array) -> bool:
    """Make a layer compute ``factor * y + shift`` for each output channel; False, and nothing changed, if it cannot.

    Args:
        graph: where the layer is; it is replaced in place.
        node: a layer of :data:`LINEAR`.
        factor: float [channels].
        shift: float [channels].
    """
    found = weights_of(graph, node)
    facts = attributes_of(node)
    if found is None or output_channels(graph, node) != len(factor):
        return False
    weight, bias = found
    if node.op_type == "MatMul" and np.any(shift):
        return False
    if node.op_type == "Gemm" and (facts.get("alpha", 1.0) != 1.0 or facts.get("beta", 1.0) != 1.0):
        return False
    scaled = (np.asarray(weight, np.float64) * _spread(node, facts, weight, factor)).astype(weight.dtype)
    inputs: list[str | Array] = [node.input[0], scaled]
    if node.op_type != "MatMul":
        start = np.zeros(len(factor)) if bias is None else np.broadcast_to(bias, (len(factor),)).astype(np.float64)
        inputs.append((start * factor + shift).astype(weight.dtype))
    graph.replace(node, graph.emit(node.op_type, inputs, graph.shape(node.output[0]), **facts))
    return True


def _spread(node: onnx.NodeProto, facts: dict[str, object], weight: Array, factor: Array) -> Array:
    """Factor of each weight: ``factor`` along the axis of the output channels."""
    if node.op_type == "Conv":
        return factor.reshape((-1,) + (1,) * (weight.ndim - 1))
    if node.op_type == "ConvTranspose":  # [in, out / groups, ...]: the groups divide the rows
        groups = int(facts.get("group", 1))  # type: ignore[call-overload]
        rows = np.repeat(factor.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        return rows.reshape(rows.shape + (1,) * (weight.ndim - 2))
    transposed = node.op_type == "Gemm" and bool(facts.get("transB", 0))
    return factor.reshape(-1, 1) if transposed else factor.reshape(1, -1)
