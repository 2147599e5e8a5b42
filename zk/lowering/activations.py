"""Activations in the forms that ezkl computes with fewest rows."""

from __future__ import annotations

import math

import numpy as np
import onnx

from zk.lowering.graph import Graph, attributes_of
from zk.lowering.linear import output_channels, scale_linear
from zk.lowering.rule import Rule

_TOLERANCE = 1e-5


def _lower_relu(graph: Graph) -> int:
    lowered = 0
    for node in graph.of("Relu"):
        value, shape = node.input[0], graph.shape(node.input[0])
        total = graph.emit("Add", [value, graph.emit("Abs", [value], shape)], shape)
        graph.replace(node, graph.emit("Mul", [total, np.array(0.5, np.float32)], shape))
        lowered += 1
    return lowered


def _lower_leaky(graph: Graph) -> int:
    """Slope a: ``(1+a)/2 (x + (1-a)/(1+a) |x|)``; ezkl's own form compares and multiplies twice."""
    lowered = 0
    for node in graph.of("LeakyRelu"):
        slope = float(attributes_of(node).get("alpha", 0.01))
        value, shape = node.input[0], graph.shape(node.input[0])
        if slope <= -1:
            continue
        size = graph.emit("Abs", [value], shape)
        scaled = graph.emit("Mul", [size, np.array((1 - slope) / 2, np.float32)], shape)
        kept = graph.emit("Mul", [value, np.array((1 + slope) / 2, np.float32)], shape)
        graph.replace(node, graph.emit("Add", [kept, scaled], shape))
        lowered += 1
    return lowered


def _lower_clip(graph: Graph) -> int:
    """``min(max(x, l), h) = (|x - l| - |x - h| + l + h) / 2``."""
    lowered = 0
    for node in graph.of("Clip"):
        low, high = _bounds(graph, node)
        if low is None or high is None or not low < high:
            continue
        value, shape = node.input[0], graph.shape(node.input[0])
        sizes = [
            graph.emit("Abs", [graph.emit("Sub", [value, np.array(bound, np.float32)], shape)], shape)
            for bound in (low, high)
        ]
        total = graph.emit("Sub", sizes, shape)
        if low + high:
            total = graph.emit("Add", [total, np.array(low + high, np.float32)], shape)
        graph.replace(node, graph.emit("Mul", [total, np.array(0.5, np.float32)], shape))
        lowered += 1
    return lowered


def _bounds(graph: Graph, node: onnx.NodeProto) -> tuple[float | None, float | None]:
    """Constant bounds of a Clip, which old operator sets keep in attributes."""
    facts = attributes_of(node)
    if len(node.input) == 1:
        return facts.get("min"), facts.get("max")
    found = [graph.scalar(name) if name else None for name in node.input[1:3]]
    return found[0], found[1] if len(found) > 1 else None


def _join_hardswish(graph: Graph) -> int:
    """``x * HardSigmoid(x)`` and ``x * clip(x + 3, 0, 6) / 6`` as the one operator that ezkl looks up."""
    joined = 0
    if graph.opset < 14:  # HardSwish came with this set
        return 0
    for node in graph.of("Mul", "Div"):
        product = graph.producer(node.input[0])
        if product is not None and product.op_type == "Mul" and _is_sixth(graph, node):
            for value, clip in (list(product.input), list(product.input)[::-1]):
                if _is_shifted_clip(graph, clip, value) and graph.is_alone(node, product.output[0]):
                    graph.replace(node, graph.emit("HardSwish", [value], graph.shape(value)))
                    joined += 1
                    break
    for node in graph.of("Mul"):
        for value, gate in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
            if _is_hard_sigmoid(graph, gate, value):
                graph.replace(node, graph.emit("HardSwish", [value], graph.shape(value)))
                joined += 1
                break
    graph.prune()
    return joined


def _is_hard_sigmoid(graph: Graph, gate: str, value: str) -> bool:
    node = graph.producer(gate)
    if node is None:
        return False
    if node.op_type == "HardSigmoid":
        facts = attributes_of(node)
        slope, offset = facts.get("alpha", 0.2), facts.get("beta", 0.5)
        return node.input[0] == value and math.isclose(slope, 1 / 6, abs_tol=_TOLERANCE) and offset == 0.5
    return node.op_type in ("Mul", "Div") and _is_sixth(graph, node) and _is_shifted_clip(graph, node.input[0], value)


def _is_sixth(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a Mul or Div takes a sixth of its first operand."""
    number = graph.scalar(node.input[1])
    expected = 1 / 6 if node.op_type == "Mul" else 6.0
    return number is not None and math.isclose(number, expected, rel_tol=_TOLERANCE)


def _is_shifted_clip(graph: Graph, name: str, value: str) -> bool:
    """Whether ``name`` is ``clip(value + 3, 0, 6)``."""
    clip = graph.producer(name)
    if clip is None or clip.op_type != "Clip" or _bounds(graph, clip) != (0.0, 6.0):
        return False
    moved = graph.producer(clip.input[0])
    return moved is not None and moved.op_type == "Add" and _other(graph, moved, 3.0) == value


def _other(graph: Graph, node: onnx.NodeProto, number: float) -> str | None:
    """The operand of a binary node whose other operand is the constant ``number``."""
    for value, constant in ((node.input[0], node.input[1]), (node.input[1], node.input[0])):
        found = graph.scalar(constant)
        if found is not None and math.isclose(found, number, rel_tol=_TOLERANCE):
            return str(value)
    return None


def _fold_gelu(graph: Graph) -> int:
    """``x/2 (1 + erf(x/sqrt 2))`` after a linear layer as ``u (1 + erf u)/sqrt 2``, with u = x/sqrt 2 from the layer.

    The division by sqrt 2 would cost a rescale before the lookup; the factor behind it is one product, or none where
    :data:`FOLD_FACTOR` can push it into the next layer.
    """
    folded = 0
    for erf in graph.of("Erf"):
        found = _match_gelu(graph, erf)
        if found is None:
            continue
        value, last = found
        layer = graph.producer(value)
        if layer is None or layer.op_type not in ("Conv", "ConvTranspose", "Gemm"):
            continue
        half = math.sqrt(0.5)
        channels = output_channels(graph, layer)
        if not scale_linear(graph, layer, np.full(channels, half), np.zeros(channels)):
            continue
        shape = graph.shape(value)
        gate = graph.emit("Add", [graph.emit("Erf", [value], shape), np.array(1.0, np.float32)], shape)
        product = graph.emit("Mul", [value, gate], shape)
        graph.replace(last, graph.emit("Mul", [product, np.array(half, np.float32)], shape))
        graph.prune()
        folded += 1
    return folded


def _match_gelu(graph: Graph, erf: onnx.NodeProto) -> tuple[str, onnx.NodeProto] | None:
    """The x and the last node of a GELU around ``erf``; None if it is something else or x has other readers."""
    scale = graph.producer(erf.input[0])
    if scale is None or scale.op_type not in ("Div", "Mul"):
        return None
    number = graph.scalar(scale.input[1])
    expected = math.sqrt(2) if scale.op_type == "Div" else math.sqrt(0.5)
    if number is None or not math.isclose(number, expected, rel_tol=_TOLERANCE):
        return None
    value, half = scale.input[0], None
    node = graph.only_consumer(erf.output[0])
    if node is None or node.op_type != "Add" or _other(graph, node, 1.0) != erf.output[0]:
        return None
    seen = {value}
    readers = [reader for reader in graph.consumers(value) if reader is not scale]
    for _ in range(2):
        following = graph.only_consumer(node.output[0])
        if following is None or following.op_type != "Mul":
            return None
        operand = next((name for name in following.input if name != node.output[0]), None)
        number = graph.scalar(operand) if operand is not None else None
        if number is not None and math.isclose(number, 0.5, rel_tol=_TOLERANCE) and half is None:
            half = number
        elif operand in seen:
            readers = [reader for reader in readers if reader is not following]
            seen.discard(value)
        else:
            return None
        node = following
    return (value, node) if not seen and not readers and value not in graph.outputs else None


FOLD_GELU = Rule("activation-lookup-gelu", "GELU's division by sqrt 2 goes into the layer before it", _fold_gelu)
HARDSWISH = Rule("activation-lookup", "HardSwish spelled out becomes the operator that is one lookup", _join_hardswish)
LEAKY_RELU = Rule("leaky-relu-absolute", "LeakyReLU from x and |x|: one decomposition, no comparison", _lower_leaky)
CLIP = Rule("clip-absolute", "clipping from two absolute values", _lower_clip)
RELU_ABSOLUTE = Rule(
    "relu-absolute", "ReLU as (x + |x|) / 2: cheaper than ezkl's where no rescale follows", _lower_relu
)
