"""Pooling as sums with a free 2^-j, and maxima as trees of absolute differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx

from zk.lowering.graph import Graph, attributes_of
from zk.lowering.rule import Rule


def _window(graph: Graph, node: onnx.NodeProto) -> tuple[int, int] | None:
    """Kernel of a pooling whose windows tile the image; None for any other."""
    facts = attributes_of(node)
    source, target = graph.shape(node.input[0]), graph.shape(node.output[0])
    kernel = list(facts.get("kernel_shape", []))
    if len(source) != 4 or len(kernel) != 2 or len(node.output) != 1:
        return None
    if list(facts.get("strides", [1, 1])) != kernel or any(facts.get("pads", [0])):
        return None
    if set(facts.get("dilations", [1])) != {1} or facts.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return None
    if any(extent != count * size for extent, count, size in zip(source[2:], target[2:], kernel, strict=True)):
        return None
    return int(kernel[0]), int(kernel[1])


def _lower_averages(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("AveragePool"):
        window = _window(graph, node)
        if window is None:
            continue
        batch, channels, rows, columns = graph.shape(node.output[0])
        split = graph.emit_reshape(node.input[0], (batch, channels, rows, window[0], columns, window[1]))
        _emit_mean(graph, node, split, (3, 5))
        lowered += 1
    for node in graph.of("GlobalAveragePool", "ReduceMean"):
        axes = _axes(graph, node)
        if axes is None:
            continue
        _emit_mean(graph, node, node.input[0], axes)
        lowered += 1
    return lowered


def _axes(graph: Graph, node: onnx.NodeProto) -> tuple[int, ...] | None:
    rank = len(graph.shape(node.input[0]))
    if node.op_type == "GlobalAveragePool":
        return tuple(range(2, rank))
    facts = attributes_of(node)
    given = facts.get("axes")
    if given is None and len(node.input) > 1:
        constant = graph.constant(node.input[1])
        given = None if constant is None else constant.tolist()
    return None if given is None else tuple(sorted(int(axis) % rank for axis in given))


def _emit_mean(graph: Graph, node: onnx.NodeProto, source: str, axes: tuple[int, ...]) -> None:
    """ReduceSum, the factor 1/n (a change of scale where n is a power of two), and the shape of the output."""
    sizes = graph.shape(source)
    shape = tuple(size for axis, size in enumerate(sizes) if axis not in axes)
    if graph.opset >= 13:
        total = graph.emit("ReduceSum", [source, np.array(axes, np.int64)], shape, keepdims=0)
    else:
        total = graph.emit("ReduceSum", [source], shape, axes=list(axes), keepdims=0)
    count = math.prod(sizes[axis] for axis in axes)
    mean = graph.emit("Mul", [total, np.array(1.0 / count, np.float32)], shape)
    target = graph.shape(node.output[0])
    graph.replace(node, mean if target == shape else graph.emit_reshape(mean, target))


def _lower_maxima(graph: Graph) -> int:
    return tiled_maxima(graph, emit_maximum)


def tiled_maxima(graph: Graph, emit: Callable[[Graph, str, str], str]) -> int:
    """Rewrite MaxPool and Max as trees of maxima of two; ``emit`` makes one from the names of its operands."""
    lowered = 0
    for node in graph.of("MaxPool"):
        window = _window(graph, node)
        if window is None:
            continue
        value = node.input[0]
        for axis, size in ((3, window[1]), (2, window[0])):
            extent = graph.shape(value)[axis]
            parts = [graph.emit_slice(value, axis, start, extent, size) for start in range(size)]
            while len(parts) > 1:
                pairs = [emit(graph, a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
                parts = pairs + parts[len(pairs) * 2 :]
            value = parts[0]
        graph.replace(node, value)
        lowered += 1
    for node in graph.of("Max"):
        same = len(node.input) == 2 and graph.shape(node.input[0]) == graph.shape(node.input[1])
        if same and all(graph.constant(name) is None for name in node.input):
            graph.replace(node, emit(graph, node.input[0], node.input[1]))
            lowered += 1
    return lowered


def emit_maximum(graph: Graph, left: str, right: str) -> str:
    """Emit ``max(a, b) = (a + b + |a - b|) / 2``: an absolute value is cheaper than ezkl's comparison."""
    shape = graph.shape(left)
    distance = graph.emit("Abs", [graph.emit("Sub", [left, right], shape)], shape)
    total = graph.emit("Add", [graph.emit("Add", [left, right], shape), distance], shape)
    return graph.emit("Mul", [total, np.array(0.5, np.float32)], shape)


AVERAGE_POOL = Rule(
    "average-pool", "a mean as one sum and a factor, free where the window holds 2^j elements", _lower_averages
)
MAX_POOL_TREE = Rule("max-pool-tree", "a maximum as a tree of (a + b + |a - b|) / 2", _lower_maxima)
