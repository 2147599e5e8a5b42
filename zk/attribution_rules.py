"""Which lowering rule would make a node of an ONNX graph cheaper in a circuit.

The rules are named, not applied: a name says that the node looks like what the rule of this name rewrites. What the
rule then saves is for a dry layout of the rewritten model to say.
"""

from __future__ import annotations

import math

from zk.attribution_graph import GraphNode, ModelGraph
from zk.attribution_work import kernel_size, strides, wasted_multiply_accumulates

FOLD_BATCHNORM = "fold-batchnorm"
AVERAGE_POOL = "average-pool"
PHASE_CONVOLUTION = "phase-convolution"
MAX_POOL_TREE = "max-pool-tree"
ACTIVATION_LOOKUP = "activation-lookup"
GELU_LOOKUP = "activation-lookup-gelu"
LEAKY_RELU = "leaky-relu-absolute"
CLIP = "clip-absolute"
POWER_OF_TWO_SCALE = "power-of-two-scale"
FOLD_FACTOR = "fold-factor"
SUPPORTED_PADDING = "supported-padding"

_LINEAR = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_CHANNEL_MOVERS = frozenset({"DepthToSpace", "Flatten", "Reshape"})
_MOVERS = _CHANNEL_MOVERS | {"Slice", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"}
_CURVES = frozenset({"Clip", "Erf", "HardSigmoid", "Relu", "Sigmoid", "Tanh"})
_ELEMENTWISE = _CURVES | {"Add", "Div", "Mul", "Neg", "Sub"}


def helpful_rules(graph: ModelGraph) -> dict[str, str]:
    """Give the rule that would help, by the first output of the node, for the nodes that have one."""
    rules: dict[str, str] = {}
    for node in graph.nodes:
        rule = _rule(graph, node) if graph.is_moving(node) else None
        if rule is not None:
            rules[node.outputs[0]] = rule
    return rules | _spelled_activations(graph)


def _rule(graph: ModelGraph, node: GraphNode) -> str | None:
    match node.op_type:
        case "BatchNormalization":
            return FOLD_BATCHNORM if _behind_linear(graph, node, _CHANNEL_MOVERS) else None
        case "ConvTranspose":
            return PHASE_CONVOLUTION if _has_phases(graph, node, strides(graph, node)) else None
        case "Conv":
            shared = wasted_multiply_accumulates(graph, node) > 0
            return PHASE_CONVOLUTION if shared and set(strides(graph, node)) == {1} else None
        case "AveragePool":
            return AVERAGE_POOL if _tiles(graph, node) else None
        case "MaxPool":
            return MAX_POOL_TREE if _tiles(graph, node) else None
        case "Mul" | "Div":
            return _factor_rule(graph, node)
    return {"ReduceMean": AVERAGE_POOL, "LeakyRelu": LEAKY_RELU, "Clip": CLIP, "Pad": SUPPORTED_PADDING}.get(
        node.op_type
    )


def _has_phases(graph: ModelGraph, node: GraphNode, steps: tuple[int, ...]) -> bool:
    """Whether a transposed convolution splits into one convolution for each phase of its output."""
    return len(steps) == 2 and len(set(steps)) == 1 and 2 <= steps[0] <= min(kernel_size(graph, node))


def _tiles(graph: ModelGraph, node: GraphNode) -> bool:
    """Whether the windows of a pool tile its input."""
    kernel, sizes = kernel_size(graph, node), graph.shape(node.inputs[0])[2:]
    covered = tuple(size * count for size, count in zip(kernel, graph.shape(node.outputs[0])[2:], strict=True))
    return strides(graph, node) == kernel and covered == sizes


def _behind_linear(graph: ModelGraph, node: GraphNode, movers: frozenset[str]) -> bool:
    """Whether what a node does can go into the weights of the layer before it, past layers that only move values."""
    tensor = graph.moving_inputs(node)[0]
    while graph.lone_consumer(tensor) is not None and (producer := graph.producers.get(tensor)) is not None:
        if producer.op_type in _LINEAR:
            return len(graph.moving_inputs(producer)) == 1
        if producer.op_type not in movers:
            return False
        tensor = producer.inputs[0]
    return False


def _before_linear(graph: ModelGraph, node: GraphNode) -> bool:
    """Whether a factor can go into the weights of the layer behind it, past layers that only move values."""
    reader = graph.lone_consumer(node.outputs[0])
    while reader is not None and reader.op_type in _MOVERS:
        reader = graph.lone_consumer(reader.outputs[0])
    return reader is not None and reader.op_type in _LINEAR and len(graph.moving_inputs(reader)) == 1


def constant_factor(graph: ModelGraph, node: GraphNode) -> float | None:
    """Number by which a Mul or Div multiplies its one moving operand; None if it does anything else."""
    constants = [graph.scalar(tensor) for tensor in node.inputs if tensor not in graph.dynamic]
    if node.op_type not in ("Mul", "Div") or len(constants) != 1 or not constants[0]:
        return None
    if node.op_type == "Div":
        return 1 / constants[0] if node.inputs[0] in graph.dynamic else None
    return constants[0]


def is_free_factor(factor: float) -> bool:
    """Whether ezkl makes a product by ``factor`` a change of scale: 2^-j below one. Above one it rebases (measured)."""
    return 0 < factor <= 1 and math.frexp(factor)[0] == 0.5


def _factor_rule(graph: ModelGraph, node: GraphNode) -> str | None:
    factor = constant_factor(graph, node)
    if factor is None:
        return None
    inner = graph.producers.get(graph.moving_inputs(node)[0])
    first = constant_factor(graph, inner) if inner is not None else None
    if first is not None and is_free_factor(first * factor) and not is_free_factor(factor):
        return POWER_OF_TWO_SCALE
    beside = _behind_linear(graph, node, _MOVERS) or _before_linear(graph, node)
    return FOLD_FACTOR if beside and not is_free_factor(factor) else None


def activation_groups(graph: ModelGraph) -> dict[str, list[GraphNode]]:
    """Group elementwise nodes by the one tensor that their outputs are a function of, element by element.

    Constants that differ between elements, and sums of two tensors that are not functions of one, start a new group.
    """
    roots: dict[str, str] = {}
    groups: dict[str, list[GraphNode]] = {}
    for node in graph.nodes:
        moving = graph.moving_inputs(node)
        fixed = (tensor for tensor in node.inputs if tensor and tensor not in graph.dynamic)
        found = {roots.get(tensor, tensor) for tensor in moving}
        if node.op_type in _ELEMENTWISE and len(found) == 1 and all(graph.elements(tensor) == 1 for tensor in fixed):
            root = found.pop()
            roots[node.outputs[0]] = root
            groups.setdefault(root, []).append(node)
    return groups


def _spelled_activations(graph: ModelGraph) -> dict[str, str]:
    """Rules for activations spelled as several nodes: x * hardsigmoid(x), x * clip(x + 3) / 6 and x * (1 + erf(cx)).

    Such a group joins two functions of one tensor. x * sigmoid(x) has no rule: ezkl has no table for it.
    """
    rules: dict[str, str] = {}
    for root, members in activation_groups(graph).items():
        rule = _activation_rule(graph, root, members)
        if rule is not None and any(len(set(graph.moving_inputs(node))) > 1 for node in members):
            rules |= {node.outputs[0]: rule for node in members}
    return rules


def _activation_rule(graph: ModelGraph, root: str, members: list[GraphNode]) -> str | None:
    kinds = {node.op_type for node in members}
    if "Erf" not in kinds:
        return ACTIVATION_LOOKUP if kinds & {"Clip", "HardSigmoid"} else None
    layer = graph.producers.get(root)
    scaled = [node for node in members if node.inputs[0] == root and constant_factor(graph, node) is not None]
    before_erf = [reader for node in scaled if (reader := graph.lone_consumer(node.outputs[0])) is not None]
    layered = layer is not None and layer.op_type in ("Conv", "ConvTranspose", "Gemm")
    return GELU_LOOKUP if layered and any(reader.op_type == "Erf" for reader in before_erf) else None
