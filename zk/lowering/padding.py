"""Padding in the forms that ezkl's parser accepts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from zk.lowering.graph import Array, Graph, attributes_of
from zk.lowering.rule import Rule


def _pads(graph: Graph, node: onnx.NodeProto) -> list[tuple[int, int]] | None:
    """(before, after) of each axis of a Pad with zeros; None for other kinds."""
    facts = attributes_of(node)
    if facts.get("mode", "constant") != "constant":
        return None
    rank = len(graph.shape(node.input[0]))
    values: Sequence[int] | None = facts.get("pads")
    if values is None:
        constant = graph.constant(node.input[1])
        if constant is None:
            return None
        filled = graph.scalar(node.input[2]) if len(node.input) > 2 and node.input[2] else 0.0
        if filled != 0.0:
            return None
        values = [int(value) for value in constant]
        if len(node.input) > 3 and node.input[3]:
            axes = graph.constant(node.input[3])
            if axes is None:
                return None
            spread = [0] * (2 * rank)
            for position, axis in enumerate(axes):
                spread[axis % rank] = values[position]
                spread[axis % rank + rank] = values[position + len(axes)]
            values = spread
    elif facts.get("value", 0.0) != 0.0:
        return None
    return [(int(values[axis]), int(values[axis + rank])) for axis in range(rank)]


def _lower(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("Pad"):
        pads = _pads(graph, node)
        if pads is None or any(value < 0 for pair in pads for value in pair):
            continue
        if not _merge_into_convolution(graph, node, pads):
            value = node.input[0]
            for axis, (before, after) in enumerate(pads):
                value = _concat_zeros(graph, value, axis, before, after)
            graph.replace(node, value)
        lowered += 1
    for node in graph.of("Conv", "MaxPool", "AveragePool"):
        lowered += _explicit(graph, node)
    graph.prune()
    return lowered


def _concat_zeros(graph: Graph, value: str, axis: int, before: int, after: int) -> str:
    if not before and not after:
        return value
    shape = list(graph.shape(value))

    def zeros(count: int) -> Array:
        return np.zeros([*shape[:axis], count, *shape[axis + 1 :]], np.float32)

    parts: list[str | Array] = ([zeros(before)] if before else []) + [value] + ([zeros(after)] if after else [])
    shape[axis] += before + after
    return graph.emit("Concat", parts, shape, axis=axis)


def _merge_into_convolution(graph: Graph, node: onnx.NodeProto, pads: list[tuple[int, int]]) -> bool:
    reader = graph.only_consumer(node.output[0])
    if reader is None or reader.op_type != "Conv" or any(pads[0]) or any(pads[1]):
        return False
    facts = attributes_of(reader)
    if facts.get("auto_pad", "NOTSET") != "NOTSET":
        return False
    rank = len(pads) - 2
    own = list(facts.get("pads", [0] * (2 * rank)))
    own = [own[i] + pads[2 + i % rank][i // rank] for i in range(2 * rank)]
    inputs = [node.input[0], *reader.input[1:]]
    merged = graph.emit("Conv", inputs, graph.shape(reader.output[0]), **{**facts, "pads": own})
    graph.replace(reader, merged)
    return True


def _explicit(graph: Graph, node: onnx.NodeProto) -> int:
    """``auto_pad`` as numbers, and strides written out, which ezkl's parser does not supply."""
    facts = attributes_of(node)
    mode = facts.pop("auto_pad", "NOTSET")
    shape = graph.shape(node.output[0])
    if "strides" not in facts:
        facts["strides"] = [1] * (len(shape) - 2)
    elif mode == "NOTSET":
        return 0
    if mode == "NOTSET":
        graph.replace(node, graph.emit(node.op_type, list(node.input), shape, **facts))
        return 1
    source, target = graph.shape(node.input[0])[2:], graph.shape(node.output[0])[2:]
    kernel = facts.get("kernel_shape") or list(graph.shape(node.input[1])[2:])
    strides, dilations = (facts.get(name, [1] * len(source)) for name in ("strides", "dilations"))
    before, after = [], []
    for axis, extent in enumerate(source):
        total = (target[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - extent
        total = max(0, total) if mode != "VALID" else 0
        first = total // 2 if mode != "SAME_LOWER" else total - total // 2
        before.append(first)
        after.append(total - first)
    graph.replace(node, graph.emit(node.op_type, list(node.input), shape, **{**facts, "pads": before + after}))
    return 1


SUPPORTED_PADDING = Rule(
    "supported-padding",
    "zero padding as part of the convolution or as a Concat; automatic pads as numbers",
    _lower,
    True,
)
