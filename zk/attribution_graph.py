"""The ONNX graph as the cost attribution needs it: what each node reads, what depends on the inputs, where to cut."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from zk.attribution_shapes import value_shape

_MOVERS = ("Concat", "DepthToSpace", "Flatten", "Reshape", "Slice", "SpaceToDepth", "Split", "Transpose")
_VIEWS = ("Cast", "Constant", "ConstantOfShape", "Dropout", "Identity", "Shape", "Size", "Squeeze", "Unsqueeze")
FREE = frozenset((*_MOVERS, *_VIEWS))
"""Operators that ezkl lays out without a single cell (measured): they only say where a value is read from."""

_SHAPE_ONLY = frozenset({"Shape", "Size"})
_CONSTANT_SOURCES = frozenset({"Constant", "Identity"})


@dataclass(frozen=True)
class GraphNode:
    """One node.

    Attributes:
        name: its name in the file, or its operator and position where it has none.
        op_type: ONNX operator.
        inputs: tensors that it reads; "" for one that is left out.
        outputs: tensors that it writes.
        attributes: ONNX attributes as Python values.

    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class ModelGraph:
    """A model in topological order.

    Attributes:
        nodes: every node of the file.
        inputs: graph inputs, without initializers.
        outputs: graph outputs.
        shapes: shape of every tensor; a free axis counts as 1, as in ezkl.
        constants: values of initializers and Constant nodes, also under the names that Identity nodes give them.
        dynamic: tensors whose values depend on a graph input (a mere shape of such a tensor does not) and reach a graph
            output.
        producers: node that writes a tensor.
        consumers: nodes that read a tensor.

    """

    nodes: tuple[GraphNode, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, NDArray[Any]]
    dynamic: frozenset[str]
    producers: Mapping[str, GraphNode]
    consumers: Mapping[str, tuple[GraphNode, ...]]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor; () for a scalar."""
        return self.shapes[tensor]

    def elements(self, tensor: str) -> int:
        """Count the elements of a tensor."""
        return math.prod(self.shape(tensor))

    def scalar(self, tensor: str) -> float | None:
        """Value of a constant whose entries are all equal, else None."""
        value = self.constants.get(tensor)
        if value is None or value.size == 0 or value.dtype.kind not in "fiu":
            return None
        first = float(value.flat[0])
        return first if bool(np.all(value == value.flat[0])) else None

    def moving_inputs(self, node: GraphNode) -> tuple[str, ...]:
        """Tensors that a node reads and that depend on a graph input, once for each time it reads them."""
        return tuple(tensor for tensor in node.inputs if tensor in self.dynamic)

    def is_moving(self, node: GraphNode) -> bool:
        """Whether a node's outputs depend on a graph input and reach a graph output."""
        return any(tensor in self.dynamic for tensor in node.outputs)

    def lone_consumer(self, tensor: str) -> GraphNode | None:
        """Give the only node that reads a tensor's values; None if several or none do, or it is a graph output."""
        readers = [node for node in self.consumers.get(tensor, ()) if node.op_type not in _SHAPE_ONLY]
        return readers[0] if len(readers) == 1 and tensor not in self.outputs else None


def model_graph(model: Any) -> ModelGraph:
    """Describe what :func:`~zk.attribution_shapes.load_model` gave."""
    initial = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    shapes = {value.name: shape for value in values if (shape := value_shape(value)) is not None}
    shapes |= {name: tuple(value.shape) for name, value in initial.items()}
    inputs = tuple(value.name for value in model.graph.input if value.name not in initial)
    nodes = tuple(_node(position, node) for position, node in enumerate(model.graph.node))
    outputs = tuple(value.name for value in model.graph.output)
    dynamic = set(inputs)
    consumers: dict[str, tuple[GraphNode, ...]] = {}
    for node in nodes:
        _note_constants(node, initial)
        if node.op_type not in _SHAPE_ONLY and dynamic.intersection(node.inputs):
            dynamic.update(node.outputs)
        for tensor in dict.fromkeys(node.inputs):
            consumers[tensor] = (*consumers.get(tensor, ()), node)
    producers = {tensor: node for node in nodes for tensor in node.outputs}
    return ModelGraph(
        nodes=nodes,
        inputs=inputs,
        outputs=outputs,
        shapes=shapes,
        constants=initial,
        dynamic=frozenset(dynamic & _ancestors(outputs, {name: node.inputs for name, node in producers.items()})),
        producers=producers,
        consumers=consumers,
    )


def _ancestors(tensors: Sequence[str], sources: Mapping[str, Sequence[str]]) -> set[str]:
    """Give ``tensors`` and all that they are computed from."""
    found: set[str] = set()
    waiting = list(tensors)
    while waiting:
        tensor = waiting.pop()
        if tensor not in found:
            found.add(tensor)
            waiting += sources.get(tensor, ())
    return found


def _node(position: int, node: Any) -> GraphNode:
    attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    name = node.name or f"{node.op_type}_{position}"
    return GraphNode(name, node.op_type, tuple(node.input), tuple(node.output), attributes)


def _note_constants(node: GraphNode, constants: dict[str, NDArray[Any]]) -> None:
    if node.op_type not in _CONSTANT_SOURCES:
        return
    if node.op_type == "Identity" and node.inputs[0] in constants:
        constants[node.outputs[0]] = constants[node.inputs[0]]
    for key in ("value_float", "value_int", "value_floats", "value_ints"):
        if key in node.attributes:
            constants[node.outputs[0]] = np.asarray(node.attributes[key])
    if "value" in node.attributes:
        constants[node.outputs[0]] = numpy_helper.to_array(node.attributes["value"])


def may_cost(graph: ModelGraph, node: GraphNode) -> bool:
    """Whether a node can take rows: it depends on an input, reaches an output, and does more than move values."""
    return node.op_type not in FREE and graph.is_moving(node)


@dataclass(frozen=True)
class Cut:
    """A place between two nodes where the graph can end.

    Attributes:
        position: index of the node behind the cut.
        live: tensors that cross the cut or are graph outputs made before it; they are the outputs of the prefix.

    """

    position: int
    live: tuple[str, ...]


def cut_points(graph: ModelGraph) -> tuple[Cut, ...]:
    """Cut before every node that may cost rows, except the first.

    Not after: what only moves values stays with what made them, as ezkl's parser (tract) may pull a Slice into it.
    """
    costly = [i for i, node in enumerate(graph.nodes) if may_cost(graph, node)]
    last_use = {tensor: i for i, node in enumerate(graph.nodes) for tensor in node.inputs}
    last_use |= {tensor: len(graph.nodes) for tensor in graph.outputs}
    cuts: list[Cut] = []
    for position in costly[1:]:
        made = (tensor for node in graph.nodes[:position] for tensor in node.outputs if tensor in graph.dynamic)
        cuts.append(Cut(position, tuple(tensor for tensor in made if last_use.get(tensor, -1) >= position)))
    return tuple(cuts)


def prefix_model(model: Any, outputs: Sequence[str]) -> Any:
    """Give the part of a model that computes ``outputs``, with these as its only graph outputs.

    Graph inputs and initializers that it does not read are left out. The model comes from
    :func:`~zk.attribution_shapes.load_model`: its outputs need their types.
    """
    needed = _ancestors(outputs, {tensor: node.input for node in model.graph.node for tensor in node.output})
    described = {value.name: value for value in [*model.graph.value_info, *model.graph.output]}
    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    part.graph.name = model.graph.name
    part.graph.node.extend(node for node in model.graph.node if needed.intersection(node.output))
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    part.graph.input.extend(value for value in model.graph.input if value.name in needed)
    part.graph.output.extend(
        described.get(name, helper.make_empty_tensor_value_info(name)) for name in dict.fromkeys(outputs)
    )
    return part
